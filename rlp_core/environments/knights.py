"""Knights and knaves: knights say what is true, knaves what is false; who is a knight?

`knights? a: 1 of bc, b: 0 of a, c: 2 of ac` has three persons; a says that of b and c exactly one
is a knight, and so on. Of all ways to be knights or knaves one alone fits what is said; the answer
names its knights, or is `none`. The puzzles are R. Smullyan's (What Is the Name of This Book?,
1978). The expert goes through the rows of the truth table (E. Post, Introduction to a general
theory of elementary propositions, 1921) until one fits. Each step counts the knights that somebody
spoke of: `none no: b 0=0` says that were there no knights b, a knave, would have told the truth;
`a no: a 0!=1` that were a the only one a knight would have lied; `ac yes: a 1=1, b 1!=0, c 2=2`
that all fits.
"""

from __future__ import annotations

import functools
import random
import re
from dataclasses import dataclass
from itertools import chain, combinations, islice, product
from typing import Annotated

from pydantic import Field, model_validator

from rlp_core.environments import Environment, ExpertSettings, Solution

NAMES = "abc"
NOBODY = "none"

_SAYING = re.compile(r"([abc]): ([0-3]) of ([abc]{1,3})")
_QUESTION = re.compile(rf"knights\? ({_SAYING.pattern}(?:, {_SAYING.pattern}){{1,2}})")
_WHO = re.compile(rf"{NOBODY}|[abc]{{1,3}}")
_COUNT = re.compile(r"([abc]) ([0-3])(!?=)([0-3])")
_NO = re.compile(rf"({_WHO.pattern}) no: ({_COUNT.pattern})")
_YES = re.compile(rf"({_WHO.pattern}) yes: ({_COUNT.pattern}(?:, {_COUNT.pattern}){{1,2}})")

Row = frozenset[int]  # who are knights, by number


class KnightsSettings(ExpertSettings):
    """How many persons there are, and of how many each speaks."""

    min_persons: Annotated[int, Field(ge=2)] = Field(default=2, description="Fewest persons.")
    max_persons: Annotated[int, Field(ge=2, le=len(NAMES))] = Field(
        default=3, description="Most persons."
    )
    # where each speaks of one other alone, to swap knights and knaves fits as well: never one way
    spoken_of: Annotated[int, Field(ge=2, le=len(NAMES))] = Field(
        default=3, description="Most persons that one speaks of."
    )

    @model_validator(mode="after")
    def _possible(self) -> KnightsSettings:
        if self.spoken_of > self.max_persons:
            raise ValueError("`spoken_of` must not exceed `max_persons`: there are no more")
        return self


@dataclass(frozen=True)
class Island:
    """What each person says: how many of which persons, in ascending order, are knights."""

    sayings: tuple[tuple[int, tuple[int, ...]], ...]

    def counted(self, speaker: int, knights: Row) -> tuple[int, int]:
        """Of those that somebody speaks of: how many are knights, and how many are said to be."""
        said, spoken_of = self.sayings[speaker]
        return len(knights.intersection(spoken_of)), said

    def fits(self, speaker: int, knights: Row) -> bool:
        """Whether what somebody says is true of a knight, or false of a knave."""
        counted, said = self.counted(speaker, knights)
        return (counted == said) == (speaker in knights)

    def solutions(self) -> list[Row]:
        """Who may be knights."""
        persons = range(len(self.sayings))
        return [row for row in rows(len(persons)) if all(self.fits(i, row) for i in persons)]


@functools.cache
def rows(persons: int) -> list[Row]:
    """All ways to be knights or knaves, those with fewer knights first."""
    sizes = range(persons + 1)
    return [frozenset(row) for size in sizes for row in combinations(range(persons), size)]


@functools.cache
def islands(persons: int, spoken_of: int) -> list[Island]:
    """All that have exactly one solution, in a fixed order; some thousands for three persons."""
    groups = [tuple(sorted(row)) for row in rows(persons) if 1 <= len(row) <= spoken_of]
    sayings = [(said, group) for group in groups for said in range(len(group) + 1)]
    every = (Island(said) for said in product(sayings, repeat=persons))
    return [island for island in every if len(island.solutions()) == 1]


class Knights(Environment[Island, KnightsSettings]):
    """Who says the truth, of persons who speak of each other."""

    settings = KnightsSettings

    def sample(self, rng: random.Random, settings: KnightsSettings) -> Island:
        """Any of all tasks of these sizes, each as likely."""
        counts = range(settings.min_persons, settings.max_persons + 1)
        drawn = [islands(count, min(settings.spoken_of, count)) for count in counts]
        place = rng.randrange(sum(map(len, drawn)))
        return next(islice(chain.from_iterable(drawn), place, None))

    def question(self, task: Island) -> str:
        sayings = (
            f"{name}: {said} of {_names(spoken_of)}"
            for name, (said, spoken_of) in zip(NAMES, task.sayings, strict=False)
        )
        return f"knights? {', '.join(sayings)}"

    def read(self, question: str) -> Island | None:
        """None too where nothing fits what is said, or more than one way does."""
        found = _QUESTION.fullmatch(question)
        if found is None:
            return None
        sayings = _SAYING.findall(found[1])
        task = Island(tuple((int(said), _numbers(names)) for _, said, names in sayings))
        known = all(
            len(set(group)) == len(group) >= said and max(group) < len(sayings)
            for said, group in task.sayings
        )
        if not known or self.question(task) != question:  # `question` names them in order
            return None
        return task if len(task.solutions()) == 1 else None

    def expert(self, task: Island) -> Solution:
        """For each row before the one that fits the first who contradicts it; then all who fit."""
        persons, truth = range(len(task.sayings)), task.solutions()[0]
        steps = []
        for row in rows(len(persons))[: rows(len(persons)).index(truth)]:
            wrong = next(i for i in persons if not task.fits(i, row))
            steps.append(f"{_names(row)} no: {_counted(task, wrong, row)}")
        shown = ", ".join(_counted(task, i, truth) for i in persons)
        return Solution((*steps, f"{_names(truth)} yes: {shown}"), _names(truth))

    def verify(self, task: Island, answer: str) -> bool:
        """Whether the knights are named, once each and in any order."""
        answer = answer.strip()
        return bool(_WHO.fullmatch(answer)) and _row(task, answer) in task.solutions()

    def check_step(self, task: Island, step: str) -> bool | None:
        """Whether a row is refuted by what somebody says, or found to fit what all say."""
        if found := _NO.fullmatch(step):
            row, (speaker,) = _row(task, found[1]), _numbers(found[3])
            if row is None or speaker >= len(task.sayings) or task.fits(speaker, row):
                return False
            return found[2] == _counted(task, speaker, row)
        if found := _YES.fullmatch(step):
            row, persons = _row(task, found[1]), range(len(task.sayings))
            if row is None or not all(task.fits(i, row) for i in persons):
                return False
            return sorted(found[2].split(", ")) == [_counted(task, i, row) for i in persons]
        return None


def _names(numbers: tuple[int, ...] | Row) -> str:
    return "".join(NAMES[i] for i in sorted(numbers)) or NOBODY


def _numbers(names: str) -> tuple[int, ...]:
    return tuple(NAMES.index(name) for name in names)


def _row(task: Island, names: str) -> Row | None:
    """The knights of these names; None where one is unknown or comes twice."""
    numbers = () if names == NOBODY else _numbers(names)
    known = len(set(numbers)) == len(numbers) and all(i < len(task.sayings) for i in numbers)
    return frozenset(numbers) if known else None


def _counted(task: Island, speaker: int, knights: Row) -> str:
    """`a 1=1` or `a 0!=1`: the knights among those a speaks of, and what a says."""
    counted, said = task.counted(speaker, knights)
    return f"{NAMES[speaker]} {counted}{'=' if counted == said else '!='}{said}"
