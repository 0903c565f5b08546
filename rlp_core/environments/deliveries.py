"""Deliveries: the shortest round from a depot to every stop, once each, and back.

`round oa5 ob7 oc9 ab3 ac4 bc2` gives the length of every leg between the depot `o` and the stops,
the same both ways. The answer is the stops in an order that is shortest, such as `acb`; the same
order backwards is as short. The expert is M. Held and R. M. Karp, A dynamic programming approach to
sequencing problems, 1962: the shortest way to each stop through each set of others. Of its last
line it shows, for each stop but the first, the shortest round that ends there, since every round
ends elsewhere than at the first stop, forwards or backwards: `acb 5+4+2+7=18`, `abc 5+3+2+9=19`,
and then the best of them, `min(18,19)=18`.
"""

from __future__ import annotations

import functools
import random
import re
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Annotated

from pydantic import Field

from rlp_core.environments import Environment, ExpertSettings, Solution

DEPOT = "o"
STOPS = "abcdefgh"

_NUMBER = r"(?:0|[1-9][0-9]{0,4})"
_LEG = re.compile(r"([oa-h]{2})([1-9][0-9]?)")
_QUESTION = re.compile(rf"round(?: {_LEG.pattern}){{6,36}}")
_ORDER = re.compile(rf"[a-h]{{1,{len(STOPS)}}}")
_ROUND = re.compile(rf"({_ORDER.pattern}) ({_NUMBER}(?:\+{_NUMBER}){{1,{len(STOPS)}}})=({_NUMBER})")
_BEST = re.compile(rf"min\(({_NUMBER}(?:,{_NUMBER}){{1,{len(STOPS) - 2}}})\)=({_NUMBER})")


class DeliveriesSettings(ExpertSettings):
    """How many stops there are, and how far they lie from each other."""

    min_stops: Annotated[int, Field(ge=3)] = Field(default=3, description="Fewest stops.")
    max_stops: Annotated[int, Field(ge=3, le=len(STOPS))] = Field(
        default=4, description="Most stops."
    )
    farthest: Annotated[int, Field(ge=2, le=99)] = Field(default=9, description="Longest leg.")


@dataclass(frozen=True)
class Roads:
    """The lengths of all legs, as `pairs` orders them: depot and stops, then stop and stop."""

    lengths: tuple[int, ...]

    @property
    def stops(self) -> int:
        """How many there are: n stops and a depot have (n + 1) n / 2 legs."""
        return int((2 * len(self.lengths)) ** 0.5)

    def table(self) -> list[list[int]]:
        """The length of the leg from each place to each; place 0 is the depot, i the i-th stop."""
        table = [[0] * (self.stops + 1) for _ in range(self.stops + 1)]
        for (i, j), length in zip(pairs(self.stops), self.lengths, strict=True):
            table[i][j] = table[j][i] = length
        return table

    def legs(self, order: tuple[int, ...]) -> list[int]:
        """The legs of a round, in order; `order` holds the numbers of the stops, from 1."""
        table = self.table()
        return [table[i][j] for i, j in pairwise([0, *order, 0])]

    def whole(self, names: str) -> tuple[int, ...] | None:
        """The stops of these names as an order; None where it is not every stop once."""
        order = tuple(STOPS.index(name) + 1 for name in names)
        return order if sorted(order) == list(range(1, self.stops + 1)) else None


def pairs(stops: int) -> list[tuple[int, int]]:
    """The legs between a depot, 0, and stops 1, 2, ..., in the order of a question."""
    return list(combinations(range(stops + 1), 2))


@functools.lru_cache(maxsize=256)  # an answer and its steps are judged one after the other
def shortest(task: Roads) -> tuple[tuple[tuple[int, ...], int], ...]:
    """For each stop, the shortest round that ends there, and its length.

    Of rounds that are equally short, the one whose stop before is first in name, back from the end.
    """
    table, stops = task.table(), range(1, task.stops + 1)
    # best[visited][j]: the shortest way from the depot through all of `visited`, ending at j, which
    # is one of them; bit j of `visited` is stop j
    best: dict[int, dict[int, int]] = {0: {0: 0}}
    everything = sum(1 << j for j in stops)
    for visited in range(2, everything + 1, 2):
        best[visited] = {
            j: min([length + table[j][i] for i, length in best[visited ^ 1 << j].items()])
            for j in stops
            if visited >> j & 1
        }
    rounds = []
    for last, length in best[everything].items():
        order, visited = [last], everything ^ 1 << last
        while visited:
            ways, onward = best[visited], table[order[-1]]
            order.append(min(ways, key=lambda i: ways[i] + onward[i]))
            visited ^= 1 << order[-1]
        rounds.append((tuple(reversed(order)), length + table[last][0]))
    return tuple(rounds)


class Deliveries(Environment[Roads, DeliveriesSettings]):
    """The shortest round from a depot through a few stops."""

    settings = DeliveriesSettings

    def sample(self, rng: random.Random, settings: DeliveriesSettings) -> Roads:
        """Legs of uniformly drawn lengths, each for itself: a detour may be shorter."""
        count = rng.randint(settings.min_stops, settings.max_stops)
        return Roads(tuple(rng.randint(1, settings.farthest) for _ in pairs(count)))

    def question(self, task: Roads) -> str:
        places = DEPOT + STOPS
        legs = zip(pairs(task.stops), task.lengths, strict=True)
        return f"round {' '.join(f'{places[i]}{places[j]}{length}' for (i, j), length in legs)}"

    def read(self, question: str) -> Roads | None:
        """None too where a leg is missing or not in its place."""
        if not _QUESTION.fullmatch(question):
            return None
        found = _LEG.findall(question.removeprefix("round"))
        task = Roads(tuple(int(length) for _, length in found))
        whole = len(found) == len(pairs(task.stops))
        return task if whole and self.question(task) == question else None

    def expert(self, task: Roads) -> Solution:
        """The shortest round to each last stop but the first, then the shortest of them."""
        rounds = shortest(task)[1:]
        steps = [
            f"{_names(order)} {'+'.join(map(str, task.legs(order)))}={length}"
            for order, length in rounds
        ]
        lengths = [length for _, length in rounds]
        steps.append(f"min({','.join(map(str, lengths))})={min(lengths)}")
        return Solution(tuple(steps), _names(rounds[lengths.index(min(lengths))][0]))

    def verify(self, task: Roads, answer: str) -> bool:
        """Whether an order visits every stop once and no round is shorter, either way."""
        answer = answer.strip()
        order = task.whole(answer) if _ORDER.fullmatch(answer) else None
        if order is None:
            return False
        return sum(task.legs(order)) == min(length for _, length in shortest(task))

    def check_step(self, task: Roads, step: str) -> bool | None:
        """Whether a round has these legs and this length, or the shortest ones are compared."""
        if found := _ROUND.fullmatch(step):
            order = task.whole(found[1])
            if order is None:
                return False
            legs = [int(length) for length in found[2].split("+")]
            return legs == task.legs(order) and int(found[3]) == sum(legs)
        if found := _BEST.fullmatch(step):
            compared = sorted(int(length) for length in found[1].split(","))
            lengths = sorted(length for _, length in shortest(task)[1:])
            return compared == lengths and int(found[2]) == compared[0]
        return None


def _names(order: tuple[int, ...]) -> str:
    return "".join(STOPS[i - 1] for i in order)
