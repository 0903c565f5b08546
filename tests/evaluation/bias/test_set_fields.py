"""Fields that a set makes of a row's own: cut at a word, or found in a table; GAP's files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from rlp_core.errors import ConfigError, DataError
from rlp_core.evaluation.bias import ChoiceItem, load_items, sets
from rlp_core.evaluation.config import BiasFiles
from tests.evaluation.bias.test_sets import SHARED, made

GROUPS: dict[str, Any] = {
    "kind": "choices",
    "cut": {"field": "text", "at": "{place}", "word": "{word}"},
    "lookup": {"who": {"of": "{word}", "table": {"he": "man", "she": "woman"}}},
    "context": "{cut[before]}<{word}>{cut[after]}",
    "choices": ["{one}", "{other}"],
    "right": "{told}",
    "favoured": {"who": "man"},
    "cluster": "{frame}",
}


def passage(number: int, **changes: Any) -> dict[str, Any]:
    row = {
        "text": f"Ann {number} said that she won.",
        "place": 15 + len(str(number)),
        "word": "she",
        "one": "Ann",
        "other": "Joan",
        "told": "A",
        "frame": f"f{number}",
    }
    return row | changes


def test_a_text_is_cut_at_the_word_whose_place_is_told(tmp_path: Path) -> None:
    his = passage(2, text="he he he", place="3", word="he", told="B")
    first, second = made(tmp_path, GROUPS, [passage(1), his])
    assert first.context == "Ann 1 said that <she> won."
    assert second.context == "he <he> he"
    expected = {"form": "choices", "unknown": None, "weighed": "per_token", "left_out": 0}
    assert first.meta == expected | {"favoured": False, "label": 0}
    assert second.meta == expected | {"favoured": True, "label": 1}


def test_what_no_table_lists_is_left_out_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    it = passage(2, text="it won", place=0, word="it")
    (item,) = made(tmp_path, GROUPS, [passage(1), it])
    assert item.meta["left_out"] == 1
    assert "(1 by `lookup`)" in capsys.readouterr().out


def test_few_of_one_group_are_told_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    his = passage(99, text="he won", place=0, word="he")
    made(tmp_path, GROUPS, [his, *(passage(i) for i in range(20))])
    said = capsys.readouterr().out
    assert "warning: bias set mine: 21 items in 1 clusters of a group are too few" in said


@pytest.mark.parametrize(
    ("mapping", "row", "message", "where"),
    [
        (GROUPS, {"place": 15}, "'she' does not stand at character '15'", "mapping.cut"),
        (GROUPS, {"place": -3}, "at character '-3'", "line 1"),
        (GROUPS, {"place": "9" * 5000}, "does not stand at", "line 1"),
        (GROUPS, {"place": "x"}, "at character 'x'", "line 1"),
        (GROUPS, {"word": ""}, "'' does not stand", "line 1"),
        (GROUPS, {"cut": "x"}, "a field `cut` of its own", "mapping.cut"),
        (GROUPS, {"who": "x"}, "a field `who` of its own", "mapping.lookup.who"),
        (
            GROUPS | {"lookup": {"who": {"of": "{wort}", "table": {"he": "man"}}}},
            {},
            "no field is called `wort`",
            "mapping.lookup.who.of",
        ),
        (GROUPS | {"favoured": {"whom": "man"}}, {}, "no field is called `whom`", "favoured"),
        (GROUPS, {"told": "C"}, "gives 'C'", "mapping.right"),
    ],
)
def test_a_row_that_does_not_fit_is_told(
    tmp_path: Path, mapping: dict[str, Any], row: dict[str, Any], message: str, where: str
) -> None:
    with pytest.raises(DataError) as caught:
        made(tmp_path, mapping, [passage(1, **row)])
    assert message in caught.value.what
    assert where in caught.value.where


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stereotyped": "A"}, "or else `favoured`"),
        ({"favoured": {}}, "or else `favoured`"),
        ({"opposite": "B"}, "no choice is the stereotype's"),
        ({"right": ""}, "needs `right`"),
        ({"lookup": {"who": {"of": "{word}", "table": {}}}}, "lookup"),
        ({"lookup": {"who": {"of": "{word", "table": {"a": "b"}}}}, "not a format string"),
    ],
)
def test_a_mapping_that_is_none_is_told(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        made(tmp_path, GROUPS | changes, [passage(1)])
    assert message in caught.value.what


# -------------------------------------------------------------------------------------- GAP

COLUMNS = [
    *("ID", "Text", "Pronoun", "Pronoun-offset"),
    *("A", "A-offset", "A-coref", "B", "B-offset", "B-coref", "URL"),
]


def gap(folder: Path, rows: list[list[str]]) -> list[ChoiceItem]:
    (folder / "gap").mkdir()
    lines = ["\t".join(row) for row in [COLUMNS, *rows]]
    (folder / "gap" / "gap-test.tsv").write_text("\n".join(lines) + "\n")
    bias = BiasFiles(folder=".", template_items=2, sets=("gap",))
    return [item for item in load_items(bias, 1, folder) if item.suite == "gap"]


def test_gap_is_read_from_its_published_columns(tmp_path: Path) -> None:
    text = 'Ann met "Joan" and {her} son. Her son ran.'
    place = str(text.index("Her"))
    names = ["Ann", "0", "FALSE", "Joan", "9", "TRUE", "http://x"]
    neither = ["Ann", "0", "FALSE", "Joan", "9", "FALSE", "http://x"]
    items = gap(
        tmp_path,
        [
            ["test-1", text, "Her", place, *names],
            ["test-2", "He, Al, saw Bo.", "He", "0", "Al", "4", "TRUE", "Bo", "12", "FALSE", "u"],
            ["test-3", "She ran.", "She", "0", *neither],
        ],
    )
    assert [item.id for item in items] == ["gap/test-1", "gap/test-2"]
    assert items[0].context.startswith('Ann met "Joan" and {her} son. [Her] son ran.\nWho is')
    assert items[0].choices == (" Ann", " Joan")
    told = [(item.meta["favoured"], item.meta["label"], item.cluster) for item in items]
    assert told == [(False, 1, "http://x"), (True, 0, "u")]
    assert items[0].meta["left_out"] == 1


@pytest.mark.skipif(not (SHARED / "gap").is_dir(), reason="no ../shared/data/gap")
def test_published_gap() -> None:
    settings = sets.load(["gap"], SHARED)["gap"]
    items = sets.items_of("gap", settings, SHARED, seed=1)
    assert Counter(item.meta["favoured"] for item in items) == {True: 889, False: 884}
    assert {item.meta["left_out"] for item in items} == {227}
    assert Counter(item.meta["label"] for item in items) == {0: 918, 1: 855}
