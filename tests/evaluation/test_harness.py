"""Task files of lm-evaluation-harness, as they are: what it asks, weighs and marks itself."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from rlp_core.data import prepare as library
from rlp_core.data.records import Problem
from rlp_core.errors import ConfigError, DataError
from rlp_core.evaluation import benchmarks, harness_marks
from rlp_core.evaluation.config import Shots
from rlp_core.evaluation.few_shot_options import shown
from rlp_core.evaluation.problem_rows import problem_rows
from rlp_core.files import read_jsonl
from tests import models
from tests.data.test_prepare import settings
from tests.evaluation.samples import evaluator

pytest.importorskip("lm_eval", reason="lm-evaluation-harness is not installed")

BARE = dataclasses.replace(models.codec(), prefix=())
"""The harness puts no start of text before a prompt whose tokenizer does not do so itself."""

ROWS = [
    {"q": f"{n}+4", "options": [str(n + 4), "none of these", "0"], "right": n % 3, "a": str(n + 4)}
    for n in range(6)
]
CHOICES: dict[str, Any] = {
    "task": "sums_mc",
    "dataset_path": "json",
    "dataset_kwargs": {"data_files": {"test": "sums.jsonl"}},
    "test_split": "test",
    "output_type": "multiple_choice",
    "doc_to_text": "Q: {{q}}\nA:",
    "doc_to_choice": "options",
    "doc_to_target": "right",
    "metric_list": [
        {"metric": "acc", "aggregation": "mean", "higher_is_better": True},
        {"metric": "acc_norm", "aggregation": "mean", "higher_is_better": True},
    ],
}
WRITTEN = CHOICES | {
    "task": "sums",
    "output_type": "generate_until",
    "doc_to_target": "{{a}}",
    "generation_kwargs": {"until": ["\n", "Q:"], "do_sample": False, "max_gen_toks": 6},
    "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    "filter_list": [
        {
            "name": "first-number",
            "filter": [
                {"function": "regex", "regex_pattern": r"(-?\d+)", "fallback": "[invalid]"},
                {"function": "take_first"},
            ],
        }
    ],
}
WRITTEN.pop("doc_to_choice")
INPUTS = CHOICES | {
    "task": "names",
    "doc_to_text": "right",
    "doc_to_choice": "{{[q + ' ' + options[0], q + ' ' + options[1], q + ' ' + options[2]]}}",
    "doc_to_target": "is the sum",
}


def put(root: Path, task: dict[str, Any], name: str = "mine.yaml") -> Path:
    folder = root / "own"
    folder.mkdir(exist_ok=True)
    (folder / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    path = folder / name
    path.write_text(yaml.safe_dump(task))
    return path


def problems(root: Path, task: dict[str, Any]) -> list[Problem]:
    path = put(root, task)
    (root / "in").mkdir(exist_ok=True)
    out = root / "out"
    out.mkdir()
    used = benchmarks.load([path.stem], path.parent)
    manifest = library.prepare(settings(), used, 1, root, out)
    assert manifest["parts"]["problems"]["sources"][0]["rows_read"] == len(ROWS)
    return [Problem.model_validate(row) for row in read_jsonl(out / "problems.jsonl")]


def of_the_harness(root: Path, task: dict[str, Any]) -> list[dict[str, Any]]:
    """What the harness itself asks of a model like ours, and what it makes of the answers."""
    import lm_eval
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    own = task | {"dataset_kwargs": {"data_files": {"test": str(root / "own" / "sums.jsonl")}}}
    model = models.model(6)
    model.set_attn_implementation("sdpa")
    lm = HFLM(
        pretrained=model,
        tokenizer=models.tokenizer(),
        batch_size=2,
        max_length=200,
    )
    found = lm_eval.simple_evaluate(
        model=lm,
        tasks=[own],
        task_manager=TaskManager(include_defaults=False),
        bootstrap_iters=0,
        log_samples=True,
    )
    return sorted(found["samples"][task["task"]], key=lambda sample: sample["doc_id"])


@pytest.mark.parametrize("task", [CHOICES, INPUTS], ids=["one-context", "a-context-each"])
def test_choices_are_asked_and_weighed_as_by_the_harness(
    task: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    asked = problems(tmp_path, task)
    rows = problem_rows(evaluator(max_tokens=200, codec=BARE), asked)
    for problem, row, sample in zip(asked, rows, of_the_harness(tmp_path, task), strict=True):
        pairs = [tuple(request) for request in sample["arguments"]]
        assert problem.weighed() == [(context, text) for context, text in pairs]
        theirs = [float(answer[0]) for answer in sample["filtered_resps"]]
        assert row["logprob_direct"] == pytest.approx(theirs, abs=1e-3)
        assert row["right"] == sample["doc"]["right"]
        assert row["direct"] == [sample["acc"]]


def test_examples_before_options_are_written_as_by_the_harness(tmp_path: Path) -> None:
    """Its prompt with two examples is ours, of the same two, letter by letter."""
    for name in ("bare", "shot"):
        (tmp_path / name).mkdir()
    asked = problems(tmp_path / "bare", CHOICES)
    files = {"test": "sums.jsonl", "train": "sums.jsonl"}
    task = CHOICES | {"training_split": "train", "fewshot_split": "train", "num_fewshot": 2}
    task |= {"dataset_kwargs": {"data_files": files}, "fewshot_config": {"sampler": "first_n"}}
    theirs = problems(tmp_path / "shot", task)
    head = BARE.decode(shown(BARE, asked[:2], Shots()))
    assert [one.weighed() for one in theirs] == [
        [(head + context, text) for context, text in one.weighed()] for one in asked
    ]
    assert {one.role for one in [*asked, *theirs]} == {"bare"}


def test_answers_are_asked_and_marked_as_by_the_harness(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    asked = problems(tmp_path, WRITTEN)
    rows = problem_rows(evaluator(max_tokens=200, codec=BARE), asked)
    for problem, row, sample in zip(asked, rows, of_the_harness(tmp_path, WRITTEN), strict=True):
        prompt, generation = sample["arguments"][0]
        assert problem.prompt == prompt
        assert problem.harness is not None
        assert problem.harness.until == generation["until"]
        text = sample["resps"][0][0]
        assert row["direct_text"] == text
        assert row["direct_greedy"] == sample["exact_match"]
        assert harness_marks.extracted(text, problem.harness) == sample["filtered_resps"][0]
        assert harness_marks.is_right(text, problem.harness) == bool(sample["exact_match"])
    assert [len(row["direct"]) for row in rows] == [3] * len(ROWS)


@pytest.mark.parametrize(
    ("text", "right"),
    [("8", True), (" so 8\n", False), ("it is 8, no, 9", True), ("9 8", False), ("", False)],
)
def test_filters_read_an_answer_and_strings_end_it(tmp_path: Path, text: str, right: bool) -> None:
    problem = problems(tmp_path, WRITTEN)[4]
    assert problem.harness is not None
    expected = right or text == " so 8\n"  # what stands before the line end is read
    assert harness_marks.is_right(text, problem.harness) is expected


BAD = {
    "code": ({"process_docs": "x"}, "reads or runs what is not in this file"),
    "hub": ({"dataset_path": "openai/gsm8k"}, "would be fetched from the network"),
    "kind": ({"output_type": "loglikelihood_rolling"}, "mark no problem right or wrong"),
    "group": ({"task": ["a", "b"]}, "a group of tasks"),
    "metric": ({"metric_list": [{"metric": "bleu"}]}, "no metric of the task marks"),
    "inside": ({"doc_to_text": "{{q.__class__}}"}, "reaches for what is inside Python"),
    "unsafe": ({"unsafe_code": True}, "reads or runs"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_task_that_cannot_be_used_is_told_before_any_work(tmp_path: Path, case: str) -> None:
    changes, message = BAD[case]
    path = put(tmp_path, CHOICES | changes)
    with pytest.raises(ConfigError, match=message) as caught:
        benchmarks.load(["mine"], path.parent)
    assert str(path) in caught.value.where


def test_a_function_is_never_run(tmp_path: Path) -> None:
    path = put(tmp_path, CHOICES)
    path.write_text(path.read_text() + "process_docs: !function utils.boom\n")
    (path.parent / "utils.py").write_text("raise SystemExit('ran')\n")
    with pytest.raises(ConfigError, match="none is ever run"):
        benchmarks.load(["mine"], path.parent)


def test_data_that_is_nowhere_or_not_tracked_is_told(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.jsonl"
    elsewhere.write_text("{}\n")
    for name, message in (("none.jsonl", "no such file"), (str(elsewhere), "nothing is tracked")):
        task = CHOICES | {"dataset_kwargs": {"data_files": {"test": name}}}
        root = tmp_path / message.replace(" ", "-")
        root.mkdir()
        with pytest.raises(ConfigError, match=message):
            problems(root, task)


def test_a_row_that_does_not_fit_is_told_with_its_number(tmp_path: Path) -> None:
    task = CHOICES | {"doc_to_target": "{{[0, 1]}}"}
    with pytest.raises(DataError, match="several choices are right") as caught:
        problems(tmp_path, task)
    assert caught.value.where.endswith("problem 1")
