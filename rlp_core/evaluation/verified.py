"""Answers that a world verifies: of several best moves each is right, not the expert's alone."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from rlp_core import environments
from rlp_core.data.records import Problem
from rlp_core.environments import Environment
from rlp_core.errors import DataError


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
            where="data/validated/problems.jsonl",
            fix="take another `answer` in the benchmark's file",
        )
    return world


@lru_cache(maxsize=4096)  # every sample of a problem asks for it
def _task(name: str, prompt: str) -> Any:
    task = _world(name).parse(prompt)
    if task is None:
        raise DataError(
            f"the world `{name}` does not find a task in the prompt {prompt!r}",
            where="data/validated/problems.jsonl",
            fix="run stage `prepare` again, which writes prompts as the world does now",
        )
    return task
