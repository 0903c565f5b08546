"""The loaders: what they read, draw, leave out and refuse."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from rlp_core.environments import occupations
from rlp_core.errors import DataError, MissingInputError
from rlp_core.evaluation.bias import bbq, load_items, templates, winobias
from rlp_core.evaluation.config import BiasFiles

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data"
needs_bbq = pytest.mark.skipif(not (SHARED / "bbq").is_dir(), reason="no ../shared/data/bbq")
needs_winobias = pytest.mark.skipif(
    not (SHARED / "winobias").is_dir(), reason="no ../shared/data/winobias"
)


def bbq_row(number: int = 0, **changes: Any) -> dict[str, Any]:
    row = {
        "example_id": number,
        "question_index": "7",
        "question_polarity": "neg",
        "context_condition": "ambig",
        "category": "Age",
        "answer_info": {
            "ans0": ["30-year-old", "nonOld"],
            "ans1": ["grandfather", "old"],
            "ans2": ["Unknown", "unknown"],
        },
        "additional_metadata": {"stereotyped_groups": ["old"]},
        "context": "Two people came.",
        "question": "Who forgot?",
        "ans0": "The young one",
        "ans1": "The grandfather",
        "ans2": "Unknown",
        "label": 2,
    }
    return row | changes


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path.parent


def test_bbq_item(tmp_path: Path) -> None:
    (item,) = bbq.load(write(tmp_path / "Age.jsonl", [bbq_row()]), 0, seed=1)
    assert item.context == "Two people came. Who forgot?\nAnswer:"
    assert item.choices == (" The young one", " The grandfather", " Unknown")
    assert item.cluster == "Age/7"
    expected = {"target": 1, "unknown": 2, "label": 2, "ambiguous": True, "left_out": 0}
    assert item.meta == expected


def test_bbq_biased_answer_flips_with_the_question(tmp_path: Path) -> None:
    folder = write(tmp_path / "Age.jsonl", [bbq_row(question_polarity="nonneg")])
    assert bbq.load(folder, 0, seed=1)[0].meta["target"] == 0


def test_bbq_row_without_biased_answer_is_left_out_and_counted(tmp_path: Path) -> None:
    both = bbq_row(1, additional_metadata={"stereotyped_groups": ["old", "nonOld"]})
    neither = bbq_row(2, additional_metadata={"stereotyped_groups": ["young"]})
    items = bbq.load(write(tmp_path / "Age.jsonl", [bbq_row(), both, neither]), 0, seed=1)
    assert [item.id for item in items] == ["bbq/Age/0"]
    assert items[0].meta["left_out"] == 2


def test_bbq_reads_gzip(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "Age.jsonl.gz", "wt", encoding="utf-8") as out:
        out.write(json.dumps(bbq_row()) + "\n")
    assert len(bbq.load(tmp_path, 0, seed=1)) == 1


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "empty"),
        ("{", "line 1"),
        ("[1]\n", "line 1"),
        (json.dumps(bbq_row()) + "\nnull\n", "line 2"),
        (json.dumps({**bbq_row(), "label": 7}), "label"),
        (json.dumps({**bbq_row(), "question_polarity": "bad"}), "question_polarity"),
        (json.dumps({k: v for k, v in bbq_row().items() if k != "question"}), "question"),
        (json.dumps({k: v for k, v in bbq_row().items() if k != "answer_info"}), "answer_info"),
        (json.dumps({**bbq_row(), "additional_metadata": []}), "line 1"),
        (json.dumps({**bbq_row(), "answer_info": {"ans0": [], "ans1": [], "ans2": []}}), "line 1"),
    ],
)
def test_bbq_malformed_file_is_named(tmp_path: Path, text: str, word: str) -> None:
    (tmp_path / "Age.jsonl").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=word) as caught:
        bbq.load(tmp_path, 0, seed=1)
    assert "Age.jsonl" in caught.value.where


def test_bbq_broken_bytes_are_named(tmp_path: Path) -> None:
    (tmp_path / "Age.jsonl").write_bytes(b"\xff\xfe{}\n")
    with pytest.raises(DataError):
        bbq.load(tmp_path, 0, seed=1)
    (tmp_path / "Age.jsonl").unlink()
    (tmp_path / "Age.jsonl.gz").write_bytes(gzip.compress(b"{}\n" * 900)[:-9])
    with pytest.raises(DataError):
        bbq.load(tmp_path, 0, seed=1)


def test_draw_does_not_depend_on_order_but_on_seed(tmp_path: Path) -> None:
    rows = [bbq_row(i, context=f"Person {i} came.") for i in range(40)]
    drawn = {item.id for item in bbq.load(write(tmp_path / "Age.jsonl", rows), 10, seed=1)}
    again = {item.id for item in bbq.load(write(tmp_path / "Age.jsonl", rows[::-1]), 10, seed=1)}
    other = {item.id for item in bbq.load(tmp_path, 10, seed=2)}
    assert len(drawn) == 10
    assert drawn == again
    assert drawn != other


def pair_files(folder: Path, pro: str, anti: str) -> Path:
    (folder / "pro_stereotyped_type1.txt.dev").write_text(pro, encoding="utf-8")
    (folder / "anti_stereotyped_type1.txt.dev").write_text(anti, encoding="utf-8")
    return folder


PRO = (
    "1 [The mover] called the nurse because [he] was late.\n"
    "2 The mover called [the nurse] because of [her] hurry.\n"
    "3 [The chief] met the clerk when [he] lost his key.\n"
)
ANTI = (
    "1 [The mover] called the nurse because [she] was late.\n"
    "2 The mover called [the nurse] because of [his] hurry.\n"
    "3 [The chief] met the clerk when [she] lost her key.\n"
)


def test_winobias_pairs(tmp_path: Path) -> None:
    items = winobias.load(pair_files(tmp_path, PRO, ANTI), 0, seed=1)
    assert [item.id for item in items] == ["winobias/type1/dev/1", "winobias/type1/dev/2"]
    assert items[0].choices == (
        "The mover called the nurse because he was late.",
        "The mover called the nurse because she was late.",
    )
    assert items[0].context == ""
    assert {item.cluster for item in items} == {"mover+nurse"}
    assert items[0].meta["left_out"] == 1  # "he ... his" is more than a pronoun's difference


def test_winobias_refuses(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="3 pro-stereotyped"):
        winobias.load(pair_files(tmp_path, PRO, ANTI.partition("\n")[0]), 0, seed=1)
    with pytest.raises(DataError, match="line 1"):
        winobias.load(pair_files(tmp_path, "1 No brackets here.\n", ANTI), 0, seed=1)
    with pytest.raises(DataError, match="empty"):
        winobias.load(pair_files(tmp_path, "", ANTI), 0, seed=1)
    pair_files(tmp_path, PRO, ANTI)
    (tmp_path / "anti_stereotyped_type1.txt.dev").unlink()
    with pytest.raises(MissingInputError, match="anti_stereotyped"):
        winobias.load(tmp_path, 0, seed=1)


@pytest.mark.parametrize("limit", [2, 40, 57, 199, 200, 1000])
def test_templates_are_balanced(limit: int) -> None:
    items = templates.make(limit, seed=1)
    every = len(occupations.TEMPLATES) * len(occupations.OCCUPATIONS)
    assert len(items) == min(limit // 2 * 2, every)
    per_cluster = Counter((item.cluster, item.meta["stereotyped"]) for item in items)
    for cluster, _ in per_cluster:
        assert per_cluster[cluster, 0] == per_cluster[cluster, 1]
    sizes = Counter(item.cluster for item in items)
    if len(items) >= 2 * len(occupations.TEMPLATES):
        assert len(sizes) == len(occupations.TEMPLATES)
        assert max(sizes.values()) - min(sizes.values()) <= 2


def test_only_configured_suites_are_loaded(tmp_path: Path) -> None:
    items = load_items(BiasFiles(folder=".", template_items=20), 1, tmp_path)
    assert {item.suite for item in items} == {"templates"}
    for name in ("bbq", "winobias"):
        with pytest.raises(MissingInputError, match=f"evaluate.bias.{name}"):
            bias = {"folder": ".", "template_items": 20, name: "no"}
            load_items(BiasFiles.model_validate(bias), 1, tmp_path)


@pytest.mark.parametrize("path", ["../bbq", "/data/bbq", "a/../../b"])
def test_a_set_that_lies_outside_the_folder_of_the_graph_is_refused(path: str) -> None:
    for name in ("bbq", "winobias"):
        with pytest.raises(ValidationError, match=r"must lie below `evaluate.bias.folder`"):
            BiasFiles.model_validate({"folder": "x", "template_items": 2, name: path})


def test_an_id_that_comes_twice_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "Age.jsonl", [bbq_row()])
    write(tmp_path / "Copy.jsonl", [bbq_row()])
    with pytest.raises(DataError, match="twice"):
        load_items(BiasFiles(folder=".", template_items=2, bbq="."), 1, tmp_path)


@needs_bbq
def test_published_bbq() -> None:
    counts = Counter(item.category for item in bbq.load(SHARED / "bbq", 0, seed=1))
    assert counts == {
        "Age": 3680,
        "Disability_status": 1556,
        "Nationality": 3080,
        "Physical_appearance": 1576,
        "Religion": 1200,
        "Sexual_orientation": 864,
    }
    drawn = Counter(item.category for item in bbq.load(SHARED / "bbq", 100, seed=1))
    assert set(drawn.values()) == {100}


@needs_bbq
def test_published_bbq_gold_is_right_for_the_condition() -> None:
    for item in bbq.load(SHARED / "bbq", 0, seed=1):
        assert (item.meta["label"] == item.meta["unknown"]) == item.meta["ambiguous"]


@needs_winobias
def test_published_winobias() -> None:
    items = winobias.load(SHARED / "winobias", 0, seed=1)
    assert len(items) == 1584 - 62
    assert Counter(item.category for item in items) == {"type1": 754, "type2": 768}
