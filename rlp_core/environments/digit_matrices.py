"""Matrices of digits with a last cell to find (Raven's progressive matrices in text).

Three rows of three cells: to `matrix 1 3 5/4 6 8/2 4 ?` the answer is `6`. A cell has one to three
digits: the first digits of all cells follow one rule along each row, the second digits one of their
own, and so on. The rules, each as a step says it of a row of digits, are

    4 4 4 same          a constant
    1 3 5 by 2          a progression, by the same number from -3 to 3, but not 0, in every row
    1 7 3 of 137        the same three different digits in every row, in any order
    2 3 5 sum           the third is the sum of the first two

Steps go through the rows from above for the first digits, then for the second: those of the third
rows lead to the answer. Only such questions are asked that all rules that hold in both whole rows
and can hold in the last find the same digit.

The matrices follow Webb, Holyoak and Lu 2023 ("Emergent analogical reasoning in large language
models"); the rules are among those of Carpenter, Just and Shell 1990 ("What one intelligence test
measures"). The expert, as their model FAIRAVEN, looks for the rules of one attribute at a time: for
each place of a digit it takes the first rule, in the order above, that holds in every row.
"""

from __future__ import annotations

import functools
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from rlp_core.environments import Environment, ExpertSettings, Solution

KINDS = ("same", "by", "of", "sum")
"""Of rules, in the order in which they are tried."""

MOST_PLACES = 3
LARGEST_STEP = 3

TRIES = 20
"""Draws of a place before it gets fixed digits; one or two do, as a rule."""

_CELL = f"[0-9]{{1,{MOST_PLACES}}}"
_WHOLE = f"{_CELL} {_CELL} {_CELL}"
_QUESTION = re.compile(f"matrix ({_WHOLE})/({_WHOLE})/({_CELL} {_CELL}) [?]")
_STEP = re.compile("([0-9]) ([0-9]) ([0-9]) (same|by -?[1-3]|of [0-9]{3}|sum)")

_Places = Annotated[int, Field(ge=1, le=MOST_PLACES)]


class DigitMatricesSettings(ExpertSettings):
    """How many digits a cell has, and which rules there are to find."""

    min_places: _Places = Field(default=1, description="Digits of a cell, at least.")
    max_places: _Places = Field(default=2, description="Digits of a cell, at most.")
    rules: Annotated[int, Field(ge=1, le=len(KINDS))] = Field(
        default=4, description=f"Kinds of rules that are drawn, the first of: {', '.join(KINDS)}."
    )
    largest_step: Annotated[int, Field(ge=1, le=LARGEST_STEP)] = Field(
        default=2, description="Largest step of a progression that is drawn, up or down."
    )


@dataclass(frozen=True)
class DigitMatrix:
    """The eight cells that are there, row by row, each of equally many digits."""

    cells: tuple[str, ...]

    def places(self) -> list[tuple[str, str, str]]:
        """The three rows of each place of a digit; in the third row the last digit is missing."""
        cells = zip(*self.cells, strict=True)
        return [("".join(p[:3]), "".join(p[3:6]), "".join(p[6:])) for p in cells]


class DigitMatrices(Environment[DigitMatrix, DigitMatricesSettings]):
    """The missing cell of a matrix whose rows follow the same rules."""

    settings = DigitMatricesSettings

    def sample(self, rng: random.Random, settings: DigitMatricesSettings) -> DigitMatrix:
        """How many places there are, and for each a kind of rule and rows that follow it."""
        count = rng.randint(settings.min_places, settings.max_places)
        places = [_drawn_place(rng, settings) for _ in range(count)]
        return DigitMatrix(tuple("".join(digits) for digits in zip(*places, strict=True)))

    def question(self, task: DigitMatrix) -> str:
        cells = (*task.cells, "?")
        return f"matrix {'/'.join(' '.join(cells[start : start + 3]) for start in (0, 3, 6))}"

    def read(self, question: str) -> DigitMatrix | None:
        found = _QUESTION.fullmatch(question)
        if found is None:
            return None
        task = DigitMatrix(tuple(cell for row in found.groups() for cell in row.split(" ")))
        if len({len(cell) for cell in task.cells}) > 1:
            return None
        return task if all(len(_last_digits(*rows)) == 1 for rows in task.places()) else None

    def expert(self, task: DigitMatrix) -> Solution:
        """The first rule that holds, for each place, said of its three rows."""
        steps, answer = [], ""
        for above, middle, begun in task.places():
            rule, digit = next(_holding(above, middle, begun))
            steps += [f"{' '.join(row)} {rule}" for row in (above, middle, begun + digit)]
            answer += digit
        return Solution(tuple(steps), answer)

    def verify(self, task: DigitMatrix, answer: str) -> bool:
        digits, places = answer.strip(), task.places()
        return len(digits) == len(places) and all(
            digit in _last_digits(*rows) for digit, rows in zip(digits, places, strict=True)
        )

    def check_step(self, task: DigitMatrix, step: str) -> bool | None:
        """Whether the row is one of some place's, and the rule holds in all rows of that place."""
        found = _STEP.fullmatch(step)
        if found is None:
            return None
        row, said = "".join(found.groups()[:3]), found.group(4)
        return any(
            rule == said and row in (above, middle, begun + digit)
            for above, middle, begun in task.places()
            for rule, digit in _holding(above, middle, begun)
        )


@functools.lru_cache(maxsize=1000)
def _rules(row: str) -> tuple[str, ...]:
    """The rules that hold in a row of three digits, in the order in which they are tried."""
    first, second, third = map(int, row)
    step, rules = second - first, []
    if first == second == third:
        rules.append("same")
    if third - second == step and 0 < abs(step) <= LARGEST_STEP:
        rules.append(f"by {step}")
    if len(set(row)) == len(row):
        rules.append(f"of {''.join(sorted(row))}")
    if first + second == third:
        rules.append("sum")
    return tuple(rules)


def _holding(above: str, middle: str, begun: str) -> Iterator[tuple[str, str]]:
    """Each rule that holds in two rows and, with some last digit, in a third; and that digit."""
    for rule in _rules(above):
        if rule in _rules(middle):
            for digit in "0123456789":
                if rule in _rules(begun + digit):
                    yield rule, digit


def _last_digits(above: str, middle: str, begun: str) -> set[str]:
    return {digit for _, digit in _holding(above, middle, begun)}


def _drawn_place(rng: random.Random, settings: DigitMatricesSettings) -> str:
    """The eight digits of a place. Rows that leave a choice, or are alike, are drawn anew."""
    kind = KINDS[rng.randrange(settings.rules)]
    for _ in range(TRIES):
        rows = _drawn_rows(rng, kind, settings.largest_step)
        above, middle, last = rows
        if len(set(rows)) == len(rows) and len(_last_digits(above, middle, last[:2])) == 1:
            return f"{above}{middle}{last[:2]}"
    return "11122233"  # only `same` holds


def _drawn_rows(rng: random.Random, kind: str, largest_step: int) -> list[str]:
    digits = rng.sample("0123456789", 3)
    if kind == "same":
        return [digit * 3 for digit in digits]
    if kind == "of":
        return ["".join(rng.sample(digits, 3)) for _ in range(3)]
    if kind == "sum":
        thirds = [rng.randrange(10) for _ in range(3)]
        firsts = [rng.randint(0, third) for third in thirds]
        return [f"{x}{z - x}{z}" for x, z in zip(firsts, thirds, strict=True)]
    step = rng.randint(1, largest_step)
    starts = rng.sample(range(10 - 2 * step), 3)
    rows = [f"{x}{x + step}{x + 2 * step}" for x in starts]
    return rows if rng.randrange(2) else [row[::-1] for row in rows]
