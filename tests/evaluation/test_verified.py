"""Answers that a world verifies."""

from __future__ import annotations

import dataclasses
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core import environments
from rlp_core.data.benchmark_config import Benchmark
from rlp_core.data.records import Problem
from rlp_core.environments import Environment, ExpertSettings, Solution
from rlp_core.errors import DataError, PluginError
from rlp_core.evaluation import verified
from rlp_core.evaluation.perturbed import perturbed
from rlp_core.evaluation.written import marked
from rlp_core.workspace import VERIFIED

SOLVED = environments.with_experts()
BENCHMARK = {
    "title": "Divisors",
    "description": "Any divisor.",
    "licence": "CC0-1.0",
    "answer": VERIFIED,
    "source": {"kind": "procedural", "world": "arithmetic", "count": 3},
}


def problem(name: str, seed: int) -> Problem:
    world = environments.get(name)
    assert isinstance(world, Environment)
    task = world.sample(random.Random(seed), world.settings())
    return Problem(
        id=f"{name}-{seed}", key=str(seed), source=name, licence="CC0-1.0", benchmark=name,
        prompt=world.prompt(task), answer=world.expert(task).answer, rule=VERIFIED,
    )  # fmt: skip


ASKED = "which whole number less than the other one divides evenly the number"


@dataclasses.dataclass(frozen=True)
class Number:
    value: int


class Divisor(Environment[Number, ExpertSettings]):
    """A divisor of a number that is neither 1 nor the number."""

    settings = ExpertSettings

    def sample(self, rng: random.Random, settings: ExpertSettings) -> Number:  # noqa: ARG002
        return Number(rng.randint(2, 9) * rng.randint(2, 9))

    def question(self, task: Number) -> str:
        return f"{ASKED} {task.value}"

    def read(self, question: str) -> Number | None:
        asked, _, number = question.rpartition(" ")
        return Number(int(number)) if asked == ASKED and number.isdecimal() else None

    def expert(self, task: Number) -> Solution:
        least = next(n for n in range(2, task.value) if task.value % n == 0)
        return Solution((), str(least))

    def verify(self, task: Number, answer: str) -> bool:
        return answer.isdecimal() and 1 < int(answer) < task.value and task.value % int(answer) == 0

    def check_step(self, task: Number, step: str) -> bool | None:  # noqa: ARG002
        return None


@pytest.fixture
def divisors(monkeypatch: pytest.MonkeyPatch) -> Problem:
    world = Divisor("divisors")
    known = environments.get
    monkeypatch.setattr(
        environments, "get", lambda name: world if name == "divisors" else known(name)
    )
    verified._task.cache_clear()
    return Problem(
        id="d", key="d", source="divisors", licence="CC0-1.0", benchmark="divisors",
        prompt=f"Q: {ASKED} 12\nA:", answer="2", rule=VERIFIED,
    )  # fmt: skip


def test_every_right_answer_counts_and_no_other(divisors: Problem) -> None:
    right = [n for n in range(20) if marked(str(n), divisors)]
    assert right == [2, 3, 4, 6]
    exact = divisors.model_copy(update={"rule": "exact"})
    assert [n for n in range(20) if marked(str(n), exact)] == [2]


@given(st.sampled_from(SOLVED), st.integers(0, 10**6))
def test_of_every_world_the_expert_is_right_and_junk_is_not(name: str, seed: int) -> None:
    asked = problem(name, seed)
    assert marked(asked.answer, asked) == 1
    assert marked("what?", asked) == 0


def test_a_prompt_that_the_world_does_not_know_is_told(divisors: Problem) -> None:
    other = divisors.model_copy(update={"prompt": "Q: which number halves 12\nA:"})
    with pytest.raises(DataError, match="does not find a task in the prompt"):
        marked("2", other)


def test_a_verifier_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_self: Divisor, _task: Number, _answer: str) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(Divisor, "verify", fails)
    broken = Divisor("broken")
    monkeypatch.setattr(environments, "get", lambda _name: broken)
    asked = problem("broken", 1)
    with pytest.raises(PluginError, match="`broken` failed in `verify`"):
        marked("2", asked)


def test_a_world_that_verifies_nothing_is_told(divisors: Problem) -> None:
    with pytest.raises(DataError, match="verifies nothing"):
        marked("2", divisors.model_copy(update={"source": "occupations"}))


@pytest.mark.parametrize("name", ["spacing", "typo", "letter_case"])
def test_a_perturbation_after_which_another_task_is_asked_does_not_apply(
    divisors: Problem, name: str
) -> None:
    made = [perturbed(divisors, name, seed) for seed in range(20)]
    assert all(one is None or verified.asks_the_same(divisors, one.prompt) for one in made)
    free = divisors.model_copy(update={"rule": "exact"})
    assert any(perturbed(free, name, seed) is not None for seed in range(20))


def test_only_what_a_world_makes_can_be_verified() -> None:
    assert Benchmark.model_validate(BENCHMARK).answer == VERIFIED
    files = {"kind": "files", "name": "n", "licence": "CC0-1.0", "pattern": "p"}
    with pytest.raises(ValueError, match="asks the world that made the problems"):
        Benchmark.model_validate(BENCHMARK | {"source": files})
