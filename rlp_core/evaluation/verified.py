"""Answers that a world verifies: of several best moves each is right, not the expert's alone."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from rlp_core import environments
from rlp_core.data.records import Problem
from rlp_core.environments import Environment
from rlp_core.errors import DataError
from rlp_core.evaluation import answers
from rlp_core.workspace import VERIFIED


def is_judged_right(answer: str, problem: Problem) -> bool:
    """Whether an answer is right by the problem's own rule: its world's verifier, or `answers`.

    Raises:
        DataError, PluginError: as of `is_right`.
    """
    if problem.rule == VERIFIED:
        return is_right(answer, problem)
    return answers.is_right(answer, problem.answer, problem.rule, problem.choices)


def is_right(answer: str, problem: Problem) -> bool:
    """What the verifier of the problem's world says of an answer.

    Raises:
        DataError: the world verifies nothing, or does not find its task in the prompt.
        PluginError: the verifier fails.
    """
    return _world(problem.source).verify(_task(problem.source, problem.prompt), answer)


def asks_the_same(problem: Problem, prompt: str) -> bool:
    """Whether another prompt asks the task of a problem, as its world reads it."""
    asked = _task(problem.source, problem.prompt)
    return bool(_world(problem.source).parse(prompt) == asked)


def _world(name: str) -> Environment[Any, Any]:
    world = environments.get(name)
    if not isinstance(world, Environment):
        raise DataError(
            f"the world `{name}` verifies nothing",
            where="data/validated/problems.jsonl or rlvr.jsonl",
            fix="take another `answer` in the benchmark's file",
        )
    return world


@lru_cache(maxsize=4096)  # every sample of a problem asks for it
def _task(name: str, prompt: str) -> Any:
    task = _world(name).parse(prompt)
    if task is None:
        raise DataError(
            f"the world `{name}` does not find a task in the prompt {prompt!r}",
            where="data/validated/problems.jsonl or rlvr.jsonl",
            fix="run stage `prepare` again, which writes prompts as the world does now",
        )
    return task
