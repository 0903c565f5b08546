"""A bag and things to pack: which of them fit together and are worth most?

`bag 9: a3$4 b5$7 c4$6` is a bag that holds a weight of 9 and three things: a weighs 3 and is worth
4, and so on. The answer names things that fit together and whose worth is as large as can be: `bc`.
It is the 0/1 knapsack problem; each thing fits alone and not all fit together, so that there is
something to choose. A best choice is among those to which nothing more fits; the expert adds up and
compares them all (complete enumeration; S. Martello and P. Toth, Knapsack Problems, 1990):
`ab 3+5=8 $4+7=11`, `ac 3+4=7 $4+6=10`, `bc 5+4=9 $7+6=13`, `max(11,10,13)=13`. The verifier has the
best worth from dynamic programming over weights (R. Bellman, Dynamic Programming, 1957) and takes
any choice that fits and is worth it.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from rlp_core.environments import Environment, ExpertSettings, Solution

NAMES = "abcdefgh"

_NUMBER = r"(?:0|[1-9][0-9]{0,4})"
_SUM = rf"(?:({_NUMBER}(?:\+{_NUMBER}){{1,{len(NAMES) - 1}}})=)?"
_ITEM = re.compile(r"([a-h])([1-9][0-9]?)\$([1-9][0-9]?)")
_QUESTION = re.compile(
    rf"bag ([1-9][0-9]{{0,2}}): ({_ITEM.pattern}(?: {_ITEM.pattern}){{1,{len(NAMES) - 1}}})"
)
_CHOICE = re.compile(rf"[a-h]{{1,{len(NAMES)}}}")
_PACKED = re.compile(rf"({_CHOICE.pattern}) {_SUM}({_NUMBER}) \${_SUM}({_NUMBER})")
_BEST = re.compile(rf"max\(({_NUMBER}(?:,{_NUMBER}){{1,99}})\)=({_NUMBER})")


class KnapsackSettings(ExpertSettings):
    """How many things there are, and how heavy and dear they may be."""

    min_items: Annotated[int, Field(ge=2)] = Field(default=3, description="Fewest things.")
    max_items: Annotated[int, Field(ge=2, le=len(NAMES))] = Field(
        default=4, description="Most things."
    )
    heaviest: Annotated[int, Field(ge=2, le=99)] = Field(
        default=9, description="Largest weight of a thing."
    )
    dearest: Annotated[int, Field(ge=2, le=99)] = Field(
        default=9, description="Largest worth of a thing."
    )


@dataclass(frozen=True)
class Bag:
    """What a bag holds at most, and weight and worth of each thing, by number."""

    capacity: int
    weights: tuple[int, ...]
    worths: tuple[int, ...]

    def full(self) -> list[tuple[int, ...]]:
        """The choices that fit and to which nothing more fits, in the order of their names."""
        items = range(len(self.weights))
        found = []
        for mask in range(1, 1 << len(items)):
            chosen = tuple(i for i in items if mask >> i & 1)
            left = self.capacity - sum(self.weights[i] for i in chosen)
            if left >= 0 and all(mask >> i & 1 or self.weights[i] > left for i in items):
                found.append(chosen)
        return sorted(found)

    def best(self) -> int:
        """The largest worth that fits."""
        best = [0] * (self.capacity + 1)
        for weight, worth in zip(self.weights, self.worths, strict=True):
            for room in range(self.capacity, weight - 1, -1):
                best[room] = max(best[room], best[room - weight] + worth)
        return best[-1]

    def chosen(self, names: str) -> list[int] | None:
        """The things of these names, in this order; None where one is unknown or comes twice."""
        chosen = [NAMES.index(name) for name in names]
        known = len(set(chosen)) == len(chosen) and max(chosen) < len(self.weights)
        return chosen if known else None

    def fits(self, chosen: list[int]) -> bool:
        return sum(self.weights[i] for i in chosen) <= self.capacity


class Knapsack(Environment[Bag, KnapsackSettings]):
    """The best choice of things for a bag that does not hold them all."""

    settings = KnapsackSettings

    def sample(self, rng: random.Random, settings: KnapsackSettings) -> Bag:
        """Weights and worths, then a capacity from that of the heaviest to just too little."""
        count = rng.randint(settings.min_items, settings.max_items)
        weights = tuple(rng.randint(1, settings.heaviest) for _ in range(count))
        worths = tuple(rng.randint(1, settings.dearest) for _ in range(count))
        return Bag(rng.randint(max(weights), sum(weights) - 1), weights, worths)

    def question(self, task: Bag) -> str:
        things = zip(NAMES, task.weights, task.worths, strict=False)
        listed = " ".join(f"{name}{weight}${worth}" for name, weight, worth in things)
        return f"bag {task.capacity}: {listed}"

    def read(self, question: str) -> Bag | None:
        """None too where a thing does not fit alone, or all fit together: no choice is asked."""
        found = _QUESTION.fullmatch(question)
        if found is None:
            return None
        listed = _ITEM.findall(found[2])
        task = Bag(
            int(found[1]),
            tuple(int(weight) for _, weight, _ in listed),
            tuple(int(worth) for _, _, worth in listed),
        )
        choice = max(task.weights) <= task.capacity < sum(task.weights)
        return task if choice and self.question(task) == question else None

    def expert(self, task: Bag) -> Solution:
        """Weight and worth of each choice that could be best, then the best worth."""
        full = task.full()
        worth = [sum(task.worths[i] for i in chosen) for chosen in full]
        steps = [
            f"{_names(chosen)} {_added([task.weights[i] for i in chosen])}"
            f" ${_added([task.worths[i] for i in chosen])}"
            for chosen in full
        ]
        steps.append(f"max({','.join(map(str, worth))})={max(worth)}")
        return Solution(tuple(steps), _names(full[worth.index(max(worth))]))

    def verify(self, task: Bag, answer: str) -> bool:
        """Whether names, in any order, are a choice that fits and none is worth more."""
        answer = answer.strip()
        chosen = task.chosen(answer) if _CHOICE.fullmatch(answer) else None
        if chosen is None or not task.fits(chosen):
            return False
        return sum(task.worths[i] for i in chosen) == task.best()

    def check_step(self, task: Bag, step: str) -> bool | None:
        """Whether a choice fits and has this weight and worth, or all that matter are compared."""
        if found := _PACKED.fullmatch(step):
            names, weights, weight, worths, worth = found.groups()
            chosen = task.chosen(names)
            return (
                chosen is not None
                and task.fits(chosen)
                and _adds([task.weights[i] for i in chosen], weights, weight)
                and _adds([task.worths[i] for i in chosen], worths, worth)
            )
        if found := _BEST.fullmatch(step):
            compared = sorted(int(worth) for worth in found[1].split(","))
            worth_of = [sum(task.worths[i] for i in chosen) for chosen in task.full()]
            return compared == sorted(worth_of) and int(found[2]) == compared[-1]
        return None


def _names(chosen: tuple[int, ...]) -> str:
    return "".join(NAMES[i] for i in chosen)


def _added(terms: list[int]) -> str:
    """`3+5=8`, or `3` alone."""
    shown = "+".join(map(str, terms)) + "=" if len(terms) > 1 else ""
    return f"{shown}{sum(terms)}"


def _adds(terms: list[int], shown: str | None, total: str) -> bool:
    """Whether a sum shows these terms, in this order; a single one stands alone."""
    said = [total] if shown is None else shown.split("+")
    return [int(term) for term in said] == terms and int(total) == sum(terms)
