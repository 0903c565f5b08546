"""Runs reasoning-gym for its world, in a process of its own that is started by this file's path.

Some of its tasks walk through sets of words, and so differ with the seed that Python hashes with,
which only a new process can be given. A line of JSON is a request, a line is the reply:

    {"do": "draw", "task": "gcd", "options": {}, "number": 7}     {"value": {"text": ..., ...}}
    {"do": "check", "task": "gcd", "options": {"min_numbers": 0}}  {"refused": "..."}
"""

from __future__ import annotations

import copy
import functools
import json
import os
import random
import sys
from collections.abc import Callable
from typing import Any

import numpy
from reasoning_gym.factory import DATASETS, create_dataset

PYTHON_ANSWERS = ("binary_matrix", "n_queens", "spiral_matrix", "string_insertion")
"""Their scorers run an answer as Python, to give it a part of the credit; here none is run."""

SLOW_TO_MAKE = ("arc_agi", "codeio", "figlet_font", "group_anagrams", "spell_backward")
"""They read large files when they are made, and draw nothing then: one is enough for all items."""

SIZES = {"acre": 10}
"""Items of the data set that an item is of, where it has several kinds: 6, 2 and 2 of ten here."""

CACHED = 64
"""Items: some hold the words of a whole book."""


class RequestRefusedError(Exception):
    """A request that cannot be met, for the reason that it holds."""


def tasks() -> list[str]:
    """Names of all tasks."""
    return sorted(DATASETS)


def check(task: str, options: dict[str, Any]) -> None:
    """Raise RequestRefusedError unless a task takes these options."""
    defaults = vars(DATASETS[task][1]())
    known = {name: value for name, value in defaults.items() if name not in ("seed", "size")}
    for name, value in options.items():
        if name not in known:
            raise RequestRefusedError(
                f"no option `{name}`; {task} has {', '.join(sorted(known)) or 'none'}"
            )
        kind = type(known[name])
        if kind not in (bool, int, float, str, type(None)):
            raise RequestRefusedError(
                f"the option `{name}` of {task} is no number, word or truth value"
            )
        fits = {float: (int, float), type(None): (bool, int, float, str)}.get(kind, (kind,))
        if type(value) not in fits:
            raise RequestRefusedError(
                f"the option `{name}` of {task} is like {known[name]!r}, not {value!r}"
            )
    try:
        create_dataset(task, seed=0, size=1, **options)
    except (AssertionError, ValueError, TypeError, KeyError) as error:
        raise RequestRefusedError(f"{task} takes no such options: {error}") from error


def draw(task: str, options: dict[str, Any], number: int) -> dict[str, str] | None:
    """What an item asks and its answer; None where that is no text, or not given full credit."""
    _, entry = _item(task, json.dumps(options, sort_keys=True), number)
    text, answer = entry["question"], entry["answer"]
    if not isinstance(answer, str) or not answer.strip():
        return None
    answer = answer.strip()
    return {"text": text, "answer": answer} if score(task, options, number, answer) else None


def score(task: str, options: dict[str, Any], number: int, answer: str) -> bool:
    """Whether an answer has full credit; one that the task's scorer cannot read has none."""
    dataset, entry = _item(task, json.dumps(options, sort_keys=True), number)
    try:
        return bool(dataset.score_answer(answer=answer, entry=entry) == 1.0)
    except Exception:
        # Scorers fail in many ways over what they cannot read. One that always fails is found
        # out, since then the task's own answer has no full credit either, and no item is drawn.
        return False


@functools.lru_cache(maxsize=CACHED)
def _item(task: str, options: str, number: int) -> tuple[Any, dict[str, Any]]:
    random.seed(number)  # of the generators that all share, which list_functions draws from
    numpy.random.seed(number)
    # A data set draws its item i with seed + i. Here each item has one of its own, as large as
    # its kinds of items need, so that none overlaps.
    size = SIZES.get(task, 1)
    if task in SLOW_TO_MAKE:
        dataset = copy.copy(_made(task, options))
        dataset.seed = number
    else:
        dataset = create_dataset(task, seed=number, size=size, **json.loads(options))
    if task in PYTHON_ANSWERS:
        vars(sys.modules[type(dataset).__module__])["eval"] = _no_python
    return dataset, dataset[number % size]


@functools.lru_cache(maxsize=4)
def _made(task: str, options: str) -> Any:
    return create_dataset(task, seed=0, size=1, **json.loads(options))


def _no_python(_: str) -> None:
    raise ValueError("an answer is not run")


def main() -> None:
    """Answer requests until there are no more."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # What scorers print of an answer that they cannot read must not stand between replies.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    actions: dict[str, Callable[..., Any]] = {
        "tasks": tasks,
        "check": check,
        "draw": draw,
        "score": score,
    }
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply = {"value": actions[request.pop("do")](**request)}
        except RequestRefusedError as error:
            reply = {"refused": str(error)}
        except Exception as error:
            reply = {"failed": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), file=replies, flush=True)


if __name__ == "__main__":
    main()
