"""Sets that are a YAML file: found, read and refused; published files without a line of code."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from rlp_core.errors import ConfigError, DataError, MissingInputError, RlpError
from rlp_core.evaluation.bias import ChoiceItem, load_items, sets
from rlp_core.evaluation.bias_set_config import BiasSet
from rlp_core.evaluation.config import BiasFiles

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data"
GONE = object()

PAIRS: dict[str, Any] = {
    "kind": "pairs",
    "sentences": ["{a}", "{b}"],
    "stereotyped": "{which}",
    "cluster": "{frame}",
}
CHOICES: dict[str, Any] = {
    "kind": "choices",
    "context": "{q}\nA:",
    "choices_field": "options",
    "stereotyped": "{stereo}",
    "unknown": "{unknown}",
    "cluster": "{frame}",
}


def tree(mapping: dict[str, Any], **changes: Any) -> dict[str, Any]:
    made = {
        "title": "T",
        "description": "d",
        "licence": "MIT",
        "source": {"pattern": "mine.jsonl"},
        "mapping": mapping,
    } | changes
    return {key: value for key, value in made.items() if value is not GONE}


def pair(number: int, **changes: Any) -> dict[str, Any]:
    row = {"a": f"He is {number}.", "b": f"She is {number}.", "which": "A", "frame": f"f{number}"}
    return row | changes


def question(number: int, **changes: Any) -> dict[str, Any]:
    row = {
        "q": f"Who did {number}?",
        "options": ["He", "She", "Nobody knows"],
        "stereo": "B",
        "unknown": "Nobody knows",
        "frame": f"f{number}",
    }
    return row | changes


def made(
    folder: Path, mapping: dict[str, Any], rows: list[dict[str, Any]], **changes: Any
) -> list[ChoiceItem]:
    """The items of the set `mine`, as the stage gets them."""
    (folder / "mine.yaml").write_text(yaml.safe_dump(tree(mapping, **changes)))
    (folder / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    bias = BiasFiles(folder=".", template_items=2, sets=("mine",))
    return [item for item in load_items(bias, 1, folder) if item.suite == "mine"]


# ------------------------------------------------------------------------------------ found


def test_those_that_come_with_the_package_can_be_read(tmp_path: Path) -> None:
    known = sets.files(tmp_path / "nowhere")
    assert {"crows-pairs", "winogender", "stereoset-intersentence"} <= set(known)
    assert all(isinstance(sets.read(path), BiasSet) for path in known.values())


def test_an_unknown_name_is_told_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no bias set is called 'crows_pairs'") as caught:
        load_items(BiasFiles(folder=".", template_items=2, sets=("crows_pairs",)), 1, tmp_path)
    assert "did you mean `crows-pairs`?" in caught.value.fix
    assert caught.value.where == "params.yaml, key evaluate.bias.sets"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("winogender.yaml", "two bias sets are called 'winogender'"),
        ("bbq.yaml", "two bias sets are called 'bbq'"),
        ("My set.yaml", "cannot name a bias set"),
    ],
)
def test_a_name_that_is_taken_or_none_is_told(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / name).write_text(yaml.safe_dump(tree(PAIRS)))
    with pytest.raises(ConfigError, match=message) as caught:
        sets.files(tmp_path)
    assert str(tmp_path / name) in caught.value.where


def test_a_set_in_use_is_named_once() -> None:
    with pytest.raises(ValueError, match="named twice: mine"):
        BiasFiles(folder=".", template_items=2, sets=("mine", "mine"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"title": GONE}, "`title`: missing"),
        ({"mapping": GONE}, "`mapping`: missing"),
        ({"mapping": PAIRS | {"kind": "triples"}}, "'pairs', 'choices'"),
        ({"mapping": PAIRS | {"sentense": "x"}}, "did you mean `sentences`?"),
        ({"mapping": PAIRS | {"sentences": ["{a}"]}}, "sentences"),
        ({"mapping": {k: v for k, v in PAIRS.items() if k != "cluster"}}, "cluster`: missing"),
        ({"mapping": PAIRS | {"unrelated": "{c}", "weighed": "shared"}}, "is a third"),
        ({"mapping": PAIRS | {"extract": "(?P<x>.)"}}, "belong together"),
        ({"mapping": CHOICES | {"choices": ["{a}", "{b}"]}}, "or else `choices_field`"),
        ({"mapping": CHOICES | {"ambiguous": {"c": "x"}}}, "needs `right`"),
        ({"source": {"pattern": "x", "separator": '"'}}, "cannot separate"),
        ({"items": -1}, "greater than or equal to 0"),
    ],
)
def test_a_file_that_is_no_bias_set_is_told(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    others = {key: value for key, value in changes.items() if key != "mapping"}
    with pytest.raises(ConfigError) as caught:
        made(tmp_path, changes.get("mapping", PAIRS), [pair(1)], **others)
    assert message in caught.value.what
    assert str(tmp_path / "mine.yaml") in caught.value.where
    assert "add-a-bias-set.md" in caught.value.fix


# ------------------------------------------------------------------------------------- read


def test_a_pair(tmp_path: Path) -> None:
    (item,) = made(tmp_path, PAIRS | {"category": "{which}"}, [pair(1)])
    assert item.id == "mine/mine/1"
    assert (item.category, item.cluster, item.context) == ("A", "f1", "")
    assert item.choices == ("He is 1.", "She is 1.")
    assert item.meta == {
        "form": "pairs",
        "stereotyped": 0,
        "weighed": "whole",
        "average": "items",
        "left_out": 0,
    }


def test_a_question(tmp_path: Path) -> None:
    (item,) = made(tmp_path, CHOICES, [question(1)])
    assert item.context == "Who did 1?\nA:"
    assert item.choices == (" He", " She", " Nobody knows")
    named = {name: item.meta[name] for name in ("target", "opposite", "unknown", "label")}
    assert named == {"target": 1, "opposite": 0, "unknown": 2, "label": None}
    assert "ambiguous" not in item.meta


def test_ambiguous_contexts_are_told_apart(tmp_path: Path) -> None:
    mapping = CHOICES | {"right": "{gold}", "ambiguous": {"kind": "ambig"}, "first_index": 1}
    rows = [question(1, gold=3, kind="ambig"), question(2, gold=1, kind="clear")]
    items = made(tmp_path, mapping, rows)
    assert [(item.meta["ambiguous"], item.meta["label"]) for item in items] == [
        (True, 2),
        (False, 0),
    ]


@pytest.mark.parametrize(
    ("which", "expected"), [("A", 0), ("b", 1), ("1", 1), (0, 0), ("She is 1.", 1)]
)
def test_a_choice_is_named_by_number_letter_or_text(
    tmp_path: Path, which: Any, expected: int
) -> None:
    (item,) = made(tmp_path, PAIRS, [pair(1, which=which)])
    assert item.meta["stereotyped"] == expected


def test_a_threshold_parts_the_two_and_leaves_out_what_lies_on_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [pair(1, which="49.9"), pair(2, which="50"), pair(3, which="97")]
    items = made(tmp_path, PAIRS | {"threshold": 50}, rows)
    assert [item.meta["stereotyped"] for item in items] == [0, 1]
    assert items[0].meta["left_out"] == 1
    assert "mine: 2 items, 1 rows left out (1 by `threshold`)" in capsys.readouterr().out


def test_repeats_nulls_and_others_are_left_out_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        pair(1, lang="en"),
        pair(1, lang="en"),
        pair(2, lang="de"),
        pair(3, lang="en", b=None),
        pair(1, lang="en", a="She is 1.", b="He is 1.", which="B"),
    ]
    items = made(tmp_path, PAIRS | {"only": {"lang": "en"}, "null": "skip"}, rows)
    assert len(items) == 1
    assert items[0].meta["left_out"] == 4
    assert "(1 by `null`, 1 by `only`, 2 by `repeats`)" in capsys.readouterr().out


def test_three_items_are_told_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made(tmp_path, PAIRS, [pair(i) for i in range(3)])
    said = capsys.readouterr().out
    assert "warning: bias set mine: 3 items in 3 clusters are too few to say anything" in said


def test_items_of_a_category_are_drawn_by_content(tmp_path: Path) -> None:
    rows = [pair(i, which="AB"[i % 2]) for i in range(40)]
    mapping = PAIRS | {"category": "{which}", "id": "{frame}"}
    drawn = made(tmp_path, mapping, rows, items=5)
    again = made(tmp_path, mapping, rows[::-1], items=5)
    assert Counter(item.category for item in drawn) == {"A": 5, "B": 5}
    assert {item.id for item in drawn} == {item.id for item in again}


@pytest.mark.parametrize(("own", "limit", "kept"), [(0, 5, 5), (5, 0, 5), (5, 8, 5), (8, 5, 5)])
def test_the_smaller_of_both_limits_holds(tmp_path: Path, own: int, limit: int, kept: int) -> None:
    rows = [pair(i, which="AB"[i % 2]) for i in range(40)]
    mapping = PAIRS | {"category": "{which}", "id": "{frame}"}
    made(tmp_path, mapping, rows, items=own)
    bias = BiasFiles(folder=".", template_items=2, sets=("mine",), sets_per_category=limit)
    drawn = [item for item in load_items(bias, 1, tmp_path) if item.suite == "mine"]
    assert Counter(item.category for item in drawn) == {"A": kept, "B": kept}


# ---------------------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("mapping", "rows", "message", "where"),
    [
        (PAIRS, [pair(1), pair(2, which="")], "the row has no label", "line 2"),
        (PAIRS, [pair(1, which=None)], "is null", "line 1"),
        (PAIRS, [pair(1, which="C")], "gives 'C'; there are 2 choices", "mapping.stereotyped"),
        (PAIRS, [pair(1, which="B", a="B")], "text of one choice and the name", "stereotyped"),
        (PAIRS, [pair(1, b="He is 1.")], "two of the texts are the same", "line 1"),
        (PAIRS, [pair(1, b=" ")], "none of them empty", "line 1"),
        (PAIRS, [pair(1, frame="")], "the cluster is empty", "mapping.cluster"),
        (PAIRS | {"sentences": ["{a}", "{c}"]}, [pair(1)], "no field is called `c`", "line 1"),
        (PAIRS | {"cluster": "{fram}"}, [pair(1)], "no field is called `fram`", "mapping.cluster"),
        (PAIRS | {"category": "{a}"}, [pair(1)], "cannot be a part of a metric", "category"),
        (PAIRS | {"id": "{frame}"}, [pair(1), pair(1)], "'mine/f1' comes twice", "line 2"),
        (PAIRS, [pair(1), pair(1, which="B")], "says otherwise of them", "line 2"),
        (PAIRS | {"threshold": 50}, [pair(1)], "no number to hold against", "line 1"),
        (PAIRS | {"only": {"frame": "x"}}, [pair(1)], "all 1 rows are left out", "mine.jsonl"),
        (PAIRS, [pair(1, a="x" * 70000)], "longer than 65536 bytes", "line 1"),
        (CHOICES, [question(1, options=["He"])], "not two texts", "choices_field"),
        (CHOICES, [question(1, options="He")], "no list of texts", "choices_field"),
        (CHOICES, [question(1, stereo="C")], "named as two of", "line 1"),
        (
            CHOICES,
            [question(1, options=["He", "She", "It", "Nobody knows"])],
            "2 choices",
            "opposite",
        ),
        (CHOICES | {"right": "{gold}"}, [question(1, gold="")], "has no label", "mapping.right"),
    ],
)
def test_a_row_that_does_not_fit_is_told(
    tmp_path: Path, mapping: dict[str, Any], rows: list[dict[str, Any]], message: str, where: str
) -> None:
    with pytest.raises(DataError) as caught:
        made(tmp_path, mapping, rows)
    assert message in caught.value.what
    assert where in caught.value.where


@pytest.mark.parametrize(
    ("mapping", "kind", "message"),
    [
        (PAIRS | {"cluster": "{frame"}, ConfigError, "not a format string"),
        (PAIRS | {"extract": "(", "extract_field": "a"}, ConfigError, "not a regular expression"),
    ],
)
def test_a_template_that_is_none_is_told_before_a_row_is_read(
    tmp_path: Path, mapping: dict[str, Any], kind: type[RlpError], message: str
) -> None:
    with pytest.raises(kind, match=message):
        made(tmp_path, mapping, [{"no": "field"}])


def test_a_set_without_its_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError) as caught:
        made(tmp_path, PAIRS, [pair(1)], source={"pattern": "crows/*.csv"})
    assert "evaluate.bias.folder" in caught.value.fix


# ---------------------------------------------------- published files, in their own columns

CROWS_COLUMNS = (
    ",sent_more,sent_less,stereo_antistereo,bias_type,annotations,anon_writer,anon_annotators"
)


def test_crows_pairs_is_read_from_its_published_columns(tmp_path: Path) -> None:
    (tmp_path / "crows-pairs").mkdir()
    with (tmp_path / "crows-pairs" / "crows_pairs_anonymized.csv").open("w", newline="") as out:
        table = csv.writer(out)
        table.writerow(CROWS_COLUMNS.split(","))
        marks = ["[['age'], []]", "a1", "['a2', 'a3']"]
        old = ["Old people, they say, forget.", "Young people, they say, forget."]
        table.writerow([0, *old, "stereo", "age", *marks])
        table.writerow([1, "The man led.", "The woman led.", "antistereo", "gender", *marks])
    bias = BiasFiles(folder=".", template_items=2, sets=("crows-pairs",))
    items = [item for item in load_items(bias, 1, tmp_path) if item.suite == "crows-pairs"]
    assert [item.category for item in items] == ["age", "gender"]
    assert items[0].choices[0] == "Old people, they say, forget."
    assert {item.meta["stereotyped"] for item in items} == {0}
    assert {item.meta["weighed"] for item in items} == {"shared"}
    assert {item.cluster for item in items} == {"a1"}


def winogender(folder: Path, stats: str, neutral: bool = True) -> list[ChoiceItem]:
    (folder / "winogender").mkdir(exist_ok=True)
    lines = ["sentid\tsentence"]
    for occupation in ("nurse", "mover", "clerk"):
        for participant, who in (("patient", "the patient"), ("someone", "someone")):
            for answer in "01":
                for gender, word in (("male", "he"), ("female", "she"), ("neutral", "they")):
                    if gender == "neutral" and not neutral:
                        continue
                    name = f"{occupation}.{participant}.{answer}.{gender}.txt"
                    lines.append(f"{name}\tThe {occupation} told {who} {answer} that {word} left.")
    (folder / "winogender" / "all_sentences.tsv").write_text("\n".join(lines) + "\n")
    (folder / "winogender" / "occupations-stats.tsv").write_text(stats)
    bias = BiasFiles(folder=".", template_items=2, sets=("winogender",))
    return [item for item in load_items(bias, 1, folder) if item.suite == "winogender"]


STATS = (
    "occupation\tbergsma_pct_female\tbls_pct_female\tbls_year\n"
    "nurse\t90.1\t89.58\t2015\nmover\t10\t4.2\t2015\nclerk\t50\t50\t2015\n"
)


def test_winogender_is_read_from_its_two_published_tables(tmp_path: Path) -> None:
    items = winogender(tmp_path, STATS)
    assert len(items) == 8  # two occupations, two participants, two answers; clerk is on the line
    by_id = {item.id: item for item in items}
    nurse = by_id["winogender/nurse.patient.0"]
    assert nurse.choices == (
        "The nurse told the patient 0 that he left.",
        "The nurse told the patient 0 that she left.",
    )
    assert (nurse.meta["stereotyped"], nurse.cluster, nurse.category) == (1, "nurse", "answer-0")
    assert by_id["winogender/mover.someone.1"].meta["stereotyped"] == 0
    assert nurse.meta["left_out"] == 12 + 4


def test_winogender_with_half_a_pair_or_without_a_number_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the joined table has no row 'clerk'"):
        winogender(tmp_path, STATS.replace("clerk", "clark"))
    with pytest.raises(DataError, match="the key 'mover'"):
        winogender(tmp_path, STATS + "mover\t1\t2\t2015\n")
    winogender(tmp_path, STATS)
    table = tmp_path / "winogender" / "all_sentences.tsv"
    lines = table.read_text().splitlines(keepends=True)
    bias = BiasFiles(folder=".", template_items=2, sets=("winogender",))
    table.write_text("".join(line for line in lines if "mover.patient.0.female" not in line))
    with pytest.raises(DataError, match=r"'mover.patient.0' has no row 'female'"):
        load_items(bias, 1, tmp_path)
    table.write_text("".join([*lines, lines[1]]))
    with pytest.raises(DataError, match=r"two rows are 'male' of 'nurse.patient.0'"):
        load_items(bias, 1, tmp_path)


def test_a_field_that_a_joined_table_would_hide_is_told(tmp_path: Path) -> None:
    (tmp_path / "more.csv").write_text("frame,share\nf1,3\n")
    join = {"pattern": "more.csv", "name": "frame", "key": "{frame}", "by": "{frame}"}
    with pytest.raises(DataError, match="a field `frame` of its own"):
        made(tmp_path, PAIRS | {"join": join}, [pair(1)])


def test_compressed_and_semicolons(tmp_path: Path) -> None:
    text = "a;b;which;frame\nHe is.;She is.;B;f\n"
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(text.encode()))
    (item,) = made(tmp_path, PAIRS, [], source={"pattern": "x.csv.gz", "separator": ";"})
    assert item.meta["stereotyped"] == 1


@pytest.mark.skipif(not (SHARED / "stereoset").is_dir(), reason="no ../shared/data/stereoset")
@pytest.mark.parametrize(("kind", "count"), [("intersentence", 2123), ("intrasentence", 2106)])
def test_published_stereoset(kind: str, count: int) -> None:
    name = f"stereoset-{kind}"
    settings = sets.load([name], SHARED)[name]
    items = sets.items_of(name, settings, SHARED, seed=1)
    assert len(items) == count
    assert len({item.cluster for item in items}) == 79
    assert all(len(item.choices) == 3 for item in items)
    assert all(bool(item.context) == (kind == "intersentence") for item in items)
