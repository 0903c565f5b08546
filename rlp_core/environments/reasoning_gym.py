"""Any task of the package reasoning-gym, by its name (Stojanovski et al. 2025, arXiv 2505.24760).

A question is an address and what the package asks: `gcd 4711: Find the Greatest Common ...`.
The address is the task, its options where some are set, `gcd max_numbers=3 4711`, and the number of
the item, which is the seed that it is drawn with. It stands in the question because a scorer needs
more of an item than can be read from its words; so every stage draws the item again.

What the package leaves open is settled here:

- An item is drawn from a seed of its own. In the package data sets of seeds 1 and 2 share all items
  but one. The same words have the same key, so that no question is on both sides of a split.
- An answer is right where it has full credit. Some scorers read past other words around a right
  answer; part of the credit is none. An item whose own answer has no full credit is not drawn.
- The package runs in a process with a hash seed of its own, for some tasks draw by it.
- An answer is one line: a line break in it is written `\\n`, a backslash `\\\\`.
- `TASKS_REFUSED` says which tasks are left out, and why.

The package tells answers and no way to them, so there are no steps, and none can be checked.
"""

from __future__ import annotations

import functools
import json
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import Field, model_validator

from rlp_core.environments import Environment, ExpertSettings, Solution
from rlp_core.environments._reasoning_gym_process import EXTRA, TaskRefusedError, ask
from rlp_core.environments._reasoning_gym_refused import TASKS_REFUSED
from rlp_core.errors import PluginError, did_you_mean

Scalar = bool | int | float | str

ITEMS = 1_000_000
"""Numbers of items, from 0."""

PATIENCE = 100
"""Items in a row whose own answer may have no full credit before the task is given up."""

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_ADDRESS = re.compile(
    r"([a-z0-9_]{1,40})((?: [a-z0-9_]{1,40}=[A-Za-z0-9_.+-]{1,40}){0,20}) (0|[1-9][0-9]{0,5}): "
)
_ASKED = re.compile(rf"^Q: (?={_ADDRESS.pattern})", re.MULTILINE)


class ReasoningGymSettings(ExpertSettings):
    """Which task of the package, and how hard it is."""

    task: str = Field(default="chain_sum", description="Name of a task of reasoning-gym.")
    options: dict[str, Scalar] = Field(
        default_factory=dict,
        description="Of the task's own configuration in reasoning-gym, without `seed` and `size`: "
        "numbers, words and truth values.",
    )

    @model_validator(mode="after")
    def _known(self) -> ReasoningGymSettings:
        if self.worked:
            raise ValueError("`worked` must be 0: reasoning-gym shows no steps to its answers")
        if self.task in TASKS_REFUSED:
            raise ValueError(
                f"the task {self.task!r} is left out: {TASKS_REFUSED[self.task]}; take another"
            )
        if self.task not in _tasks():
            raise ValueError(
                f"no task is called {self.task!r}; {did_you_mean(self.task, _tasks())}"
                "docs/guides/worlds-of-other-packages.md says how they are listed"
            )
        for name, value in self.options.items():
            if isinstance(value, str) and (_value(value) != value or not _WORD.fullmatch(value)):
                raise ValueError(f"the option `{name}` must be one word, not {value!r}")
        try:
            ask("check", task=self.task, options=self.options)
        except TaskRefusedError as error:
            raise ValueError(str(error)) from error
        return self


@dataclass(frozen=True)
class Item:
    """What is asked.

    Attributes:
        task: of the package.
        options: that differ from its defaults, by name.
        number: the seed of the item.
        text: what the package asks.
        answer: of the package, on one line.
    """

    task: str
    options: tuple[tuple[str, Scalar], ...]
    number: int
    text: str
    answer: str


class ReasoningGym(Environment[Item, ReasoningGymSettings]):
    """Any of the tasks of the package reasoning-gym, by name."""

    settings = ReasoningGymSettings
    needs = EXTRA

    def sample(self, rng: random.Random, settings: ReasoningGymSettings) -> Item:
        """A uniform item; one whose own answer has no full credit gives way to the next draw."""
        options = tuple(sorted(settings.options.items()))
        for _ in range(PATIENCE):
            found = _item(settings.task, options, rng.randrange(ITEMS))
            if found is not None:
                return found
        raise PluginError(
            f"{PATIENCE} items in a row have answers without full credit",
            where=f"task {settings.task!r} of reasoning-gym, options {dict(options)}",
            fix="take other options, or another task",
        )

    def key(self, task: Item) -> str:
        """The words without their number, which two items can share."""
        return f"{task.task}: {task.text}"

    def question(self, task: Item) -> str:
        options = "".join(f" {name}={_written(value)}" for name, value in task.options)
        return f"{task.task}{options} {task.number}: {task.text}"

    def read(self, question: str) -> Item | None:
        found = _ADDRESS.match(question)
        item = None if found is None else _addressed(found)
        return item if item is not None and self.question(item) == question else None

    def parse(self, text: str) -> Item | None:
        """By the address, since the words themselves may look like an answer's line."""
        found = _ASKED.search(text)
        item = None if found is None else _addressed(found)
        if found is None or item is None:
            return None
        return item if text.startswith(f"{self.question(item)}\n", found.end()) else None

    def expert(self, task: Item) -> Solution:
        """The package's own answer, without a step."""
        return Solution((), task.answer)

    def verify(self, task: Item, answer: str) -> bool:
        """Whether an answer has full credit, and is not many times as long as the package's."""
        given = answer.strip()
        if not given or len(given) > 1000 + 4 * len(task.answer):
            return False
        return bool(
            ask(
                "score",
                task=task.task,
                options=dict(task.options),
                number=task.number,
                answer=_lines(given),
            )
        )

    def check_step(self, task: Item, step: str) -> bool | None:  # noqa: ARG002
        """None: of a way to the answer the package knows nothing."""
        return None


@functools.cache
def _tasks() -> tuple[str, ...]:
    """Names of all tasks of the installed package."""
    return tuple(ask("tasks"))


@functools.lru_cache(maxsize=4096)
def _item(task: str, options: tuple[tuple[str, Scalar], ...], number: int) -> Item | None:
    drawn = ask("draw", task=task, options=dict(options), number=number)
    if drawn is None:
        return None
    return Item(task, options, number, drawn["text"], _line(drawn["answer"]))


def _addressed(found: re.Match[str]) -> Item | None:
    """The item of an address; None where the package has no such task, option or item."""
    task, options, number = found.groups()
    if task in TASKS_REFUSED or task not in _tasks():
        return None
    pairs = (pair.split("=") for pair in options.split())
    given: Mapping[str, Scalar] = {name: _value(text) for name, text in pairs}
    try:
        ask("check", task=task, options=given)
    except TaskRefusedError:
        return None
    return _item(task, tuple(sorted(given.items())), int(number))


def _written(value: Scalar) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _value(text: str) -> Scalar:
    """A truth value or number as JSON writes it; any other word is itself."""
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return found if isinstance(found, bool | int | float) else text


def _line(answer: str) -> str:
    return answer.replace("\\", "\\\\").replace("\n", "\\n")


def _lines(line: str) -> str:
    return re.sub(r"\\(n|\\)", lambda found: "\n" if found.group(1) == "n" else "\\", line)
