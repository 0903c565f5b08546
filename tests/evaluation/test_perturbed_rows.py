"""Perturbed problems are asked as clean ones are, and their rewards are those of slow scores."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from rlp_core.data.records import Problem
from rlp_core.evaluation.evaluator import THOUGHTS, Evaluator, thoughts_of
from rlp_core.evaluation.item_files import CLEAN
from rlp_core.evaluation.perturbed import ask_perturbed
from rlp_core.evaluation.perturbed_rows import perturbed_rows
from rlp_core.evaluation.problem_rows import problem_rows
from rlp_core.rollout.rng import number_of
from tests import models
from tests.evaluation.robustness.questions import story
from tests.evaluation.samples import PROBLEMS, choice_problem
from tests.evaluation.test_evaluator import slow
from tests.evaluation.test_perturbed import TRIED, asking

LOGPROBS = ("answer_logprob_direct", "answer_logprob_thinking")
WEIGHED = choice_problem("c", "Tom sat. Who?\nA:", ["He", "We all"], "We all", benchmark="d")
OWN = choice_problem(
    "w", "So _ sat.", ["Ann", "Bob"], "Bob", contexts=["So Ann", "So Bob"],
    continuations=[" sat."] * 2, benchmark="e",
)  # fmt: skip
MIXED = [story("Q: Tom sat. Who?\nA:", "7", name="s"), WEIGHED, *PROBLEMS[:1], OWN]


def few(made: Evaluator) -> Evaluator:
    """With as many samples as perturbed problems are given."""
    return dataclasses.replace(made, settings=made.settings.model_copy(update={"samples": 2}))


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    made = asking()
    return perturbed_rows(made, ask_perturbed(MIXED, made.settings, 1))


def test_every_row_is_that_of_its_problem_asked_by_itself(rows: list[dict[str, Any]]) -> None:
    made = asking()
    asked = ask_perturbed(MIXED, made.settings, 1)
    expected = {
        (name, problem.id): problem_rows(few(made), [problem])[0]
        for name, problems in asked.items()
        for problem in problems
    }
    assert [(row["perturbation"], row["id"]) for row in rows] == list(expected)
    for row in rows:
        alone = expected[row["perturbation"], row["id"]]
        extra = {"perturbation", *LOGPROBS} | ({"applies"} & set(row))
        assert set(row) == set(alone) | extra
        exact = set(alone) - {"logprob_direct", "logprob_thinking"}
        assert {name: row[name] for name in exact} == {name: alone[name] for name in exact}
    assert {row["prompt"] for row in rows if row["perturbation"] == "irrelevant_sentence"} != {
        row["prompt"] for row in rows if row["perturbation"] == CLEAN
    }


def test_clean_rows_say_what_applies(rows: list[dict[str, Any]]) -> None:
    asked = {(row["perturbation"], row["id"]) for row in rows}
    for row in rows:
        assert ("applies" in row) == (row["perturbation"] == CLEAN)
        if "applies" in row:
            assert list(row["applies"]) == list(TRIED)
            for name, applies in row["applies"].items():
                assert applies == ((name, row["id"]) in asked)
    assert not any(dict(rows[3]["applies"]).values())  # contexts of their own


def test_rewards_are_those_of_the_written_out_texts(rows: list[dict[str, Any]]) -> None:
    made, codec = few(asking()), models.codec()
    asked = ask_perturbed(MIXED, asking().settings, 1)
    every = [(name, problem) for name, problems in asked.items() for problem in problems]

    def sum_of(head: list[int], texts: list[str]) -> float:
        forms = [codec.encode(text)[:3] if len(texts) > 1 else codec.encode(text) for text in texts]
        return float(np.logaddexp.reduce([slow([*head, *form], len(head)) for form in forms]))

    for row, (_, problem) in zip(rows, every, strict=True):
        head, texts, number = _target(problem)
        context = made.asked(head)
        drawn = made.think([context], [number_of(number)], 2, 0.7, THOUGHTS)
        assert row["answer_logprob_direct"] == pytest.approx(sum_of(context, texts), abs=1e-3)
        expected = [sum_of([*context, *t], texts) for t in thoughts_of(codec, drawn)]
        assert row["answer_logprob_thinking"] == pytest.approx(expected, abs=1e-3)


def _target(problem: Problem) -> tuple[str, list[str], str]:
    """What is read, the texts that are right, and what thoughts are drawn by."""
    if problem.id == "w":
        return "So Bob", [" sat."], "w/1"
    if problem.id == "c":
        return problem.prompt, [" We all"], "c"
    return problem.prompt, ["7", " 7"], problem.id


def test_batches_change_nothing(rows: list[dict[str, Any]]) -> None:
    made = dataclasses.replace(asking(), micro_batch=2, decode_batch_size=3)
    again = perturbed_rows(made, ask_perturbed(MIXED, made.settings, 1))
    for one, two in zip(rows, again, strict=True):
        for name in set(one) - {*LOGPROBS, "logprob_direct", "logprob_thinking"}:
            assert one[name] == two[name]
        for name in LOGPROBS:
            assert two[name] == pytest.approx(one[name], abs=1e-3)
