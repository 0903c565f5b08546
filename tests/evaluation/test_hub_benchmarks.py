"""The paper's benchmarks, which come from the hub: read from local data sets of their columns.

Without a network nobody can ask the hub whether its columns are these; what is tested is that a row
of them becomes the problem that is meant.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from rlp_core.data import files, hub
from rlp_core.data.config import Files, Hub
from rlp_core.data.mapping import Mapper
from rlp_core.data.opening import Form
from rlp_core.data.records import Problem
from rlp_core.errors import RlpError
from rlp_core.evaluation import benchmarks

FOUR = {"choices": ["gills", "lungs", "skin", "fins"], "answer": 1}
# Name to a row, the prompt's end, the right answer and how many options there are.
ROWS: dict[str, tuple[dict[str, Any], str, str, int]] = {
    "aime25": ({"problem": "1+1?", "answer": "2", "id": "0"}, "Q: 1+1?\nA:", "2", 0),
    "math500": (
        {"problem": "$x$?", "answer": "\\frac{1}{2}", "level": 3, "subject": "Algebra"},
        "Q: $x$?\nA:", "\\frac{1}{2}", 0,
    ),
    "amc23": ({"id": 0, "question": "5-2?", "answer": 3.0}, "Q: 5-2?\nA:", "3.0", 0),
    "minerva": ({"question": "How far?", "answer": "4.5e33"}, "Q: How far?\nA:", "4.5e33", 0),
    "gsm8k-hub": (
        {"question": "How many?", "answer": "Two.\nAnd two.\n#### 4"}, "Q: How many?\nA:", "4", 0,
    ),
    "mmlu": (
        {"question": "A whale breathes by its", "subject": "zoology", **FOUR},
        "B. lungs\nC. skin\nD. fins\nAnswer:", "B", 4,
    ),
    "mmlu-pro": (
        {"question": "Which?", "options": list("abcdefghij"), "answer": "J", "answer_index": 9,
         "category": "law"},
        "Question: Which?\nAnswer:", "j", 10,
    ),
}  # fmt: skip


def mapped(name: str, fields: dict[str, Any]) -> Problem:
    benchmark = benchmarks.read(benchmarks.BUILT_IN / f"{name}.yaml")
    assert isinstance(benchmark.source, Hub | Files)
    common = {"benchmark": name, "rule": benchmark.answer}
    (one,) = Mapper(benchmark.source, Problem, 0.1, name, common).records(fields, "1", name)
    assert isinstance(one, Problem)
    return one


@pytest.mark.parametrize("name", ROWS)
def test_a_row_of_the_hub_becomes_the_problem(name: str, tmp_path: Path) -> None:
    row, prompt, answer, options = ROWS[name]
    benchmark = benchmarks.read(benchmarks.BUILT_IN / f"{name}.yaml")
    source = benchmark.source
    assert isinstance(source, Hub)
    assert re.fullmatch("[0-9a-f]{40}", source.revision)
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / f"{source.split}.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    local = source.model_copy(update={"name": "set", "config": ""})
    ((_, fields),) = hub.read_rows(local, name, tmp_path)
    one = mapped(name, fields)
    assert one.prompt.endswith(prompt)
    assert (one.answer, len(one.choices)) == (answer, options)


def test_the_difficulty_is_told_where_the_set_tells_it() -> None:
    for name, level in (("math500", 3), ("gsm8k-hub", 2)):
        assert mapped(name, ROWS[name][0]).difficulty == level


def test_the_file_of_gpqa_has_its_right_answer_last(tmp_path: Path) -> None:
    benchmark = benchmarks.read(benchmarks.BUILT_IN / "gpqa-diamond.yaml")
    source = benchmark.source
    assert isinstance(source, Files)
    path = tmp_path / "gpqa_diamond.csv"
    wrong = ",".join(f"Incorrect Answer {i}" for i in (1, 2, 3))
    path.write_text(f"Question,Correct Answer,{wrong}\nWhy?,yes,a,b,c\n", encoding="utf-8")
    (row,) = files.read_rows(path, Form(1_000_000, source.separator, source.encoding))
    one = mapped("gpqa-diamond", row.fields)
    assert (one.choices, one.answer) == (["a", "b", "c", "yes"], "yes")


def test_without_a_network_it_is_told_which_set_is_missing() -> None:
    source = benchmarks.read(benchmarks.BUILT_IN / "aime25.yaml").source
    assert isinstance(source, Hub)
    with pytest.raises(RlpError) as caught:
        list(hub.read_rows(source, "aime25", Path("absent")))
    assert "math-ai/aime25" in str(caught.value)
