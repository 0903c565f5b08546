"""Nim: heaps of stones, two players in turn take any number from one heap, the last stone wins.

The expert is Bouton's (C. L. Bouton, "Nim, a game with a complete mathematical theory", 1901): a
position is lost for whoever has to move if and only if its nim-sum, the exclusive or of its heaps,
is nothing. A winning move leaves such a position. For `nim 2 5 6, last stone wins` the steps are

    2^5=7     7^6=1         the nim-sum so far, joined with the next heap
    2^1=3>2   5^1=4<5       heaps joined with the nim-sum, up to the first that gets smaller
    5-4=1                   so many stones have to go

and the answer is `take 1 from 5`. Only positions that can be won are asked about.
"""

from __future__ import annotations

import functools
import operator
import random
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from rlp_core.environments import Environment, ExpertSettings, Solution

MOST_HEAPS = 6
LARGEST = 63

_NUMBER = "(0|[1-9][0-9]?)"
_QUESTION = re.compile(
    f"nim ([1-9][0-9]?(?: [1-9][0-9]?){{1,{MOST_HEAPS - 1}}}), last stone wins", re.ASCII
)
_ANSWER = re.compile(f"take {_NUMBER} from {_NUMBER}")
_JOIN = re.compile(rf"{_NUMBER}\^{_NUMBER}={_NUMBER}")
_TRIAL = re.compile(rf"{_NUMBER}\^{_NUMBER}={_NUMBER}([<>]){_NUMBER}")
_TAKE = re.compile(f"{_NUMBER}-{_NUMBER}={_NUMBER}")


class NimSettings(ExpertSettings):
    """How many heaps there are, and how high."""

    min_heaps: Annotated[int, Field(ge=2, le=MOST_HEAPS)] = Field(
        default=2, description="Fewest heaps."
    )
    max_heaps: Annotated[int, Field(ge=2, le=MOST_HEAPS)] = Field(
        default=4, description="Most heaps."
    )
    largest: Annotated[int, Field(ge=2, le=LARGEST)] = Field(
        default=15, description="Most stones in a heap."
    )


@dataclass(frozen=True)
class Heaps:
    """A position: the stones of each heap, at least one in each, in the order of the question."""

    stones: tuple[int, ...]

    @property
    def nim_sum(self) -> int:
        """Nothing where whoever has to move loses."""
        return _joined(self.stones)

    def without(self, heap: int) -> tuple[int, ...]:
        """The other heaps, where there is one of this height."""
        place = self.stones.index(heap)
        return self.stones[:place] + self.stones[place + 1 :]


class Nim(Environment[Heaps, NimSettings]):
    """Nim: a move from heaps of stones after which the other player cannot win."""

    settings = NimSettings

    def sample(self, rng: random.Random, settings: NimSettings) -> Heaps:
        """Heaps of uniform height; the last is drawn from the heights that leave a nim-sum."""
        count = rng.randint(settings.min_heaps, settings.max_heaps)
        first = tuple(rng.randint(1, settings.largest) for _ in range(count - 1))
        lost = _joined(first)
        last = rng.choice([height for height in range(1, settings.largest + 1) if height != lost])
        return Heaps((*first, last))

    def key(self, task: Heaps) -> str:
        """The heaps by height: the same position in another order is on the same side."""
        return self.question(Heaps(tuple(sorted(task.stones))))

    def question(self, task: Heaps) -> str:
        return f"nim {' '.join(map(str, task.stones))}, last stone wins"

    def read(self, question: str) -> Heaps | None:
        found = _QUESTION.fullmatch(question)
        if found is None:
            return None
        task = Heaps(tuple(map(int, found.group(1).split())))
        return task if max(task.stones) <= LARGEST and task.nim_sum else None

    def expert(self, task: Heaps) -> Solution:
        """The nim-sum heap by heap, then the first heap that it makes smaller, cut to that."""
        steps, total = [], task.stones[0]
        for heap in task.stones[1:]:
            steps.append(f"{total}^{heap}={total ^ heap}")
            total ^= heap
        for heap in task.stones:
            left = heap ^ total
            steps.append(f"{heap}^{total}={left}{'<' if left < heap else '>'}{heap}")
            if left < heap:
                break
        steps.append(f"{heap}-{left}={heap - left}")
        return Solution(tuple(steps), f"take {heap - left} from {heap}")

    def verify(self, task: Heaps, answer: str) -> bool:
        """Whether the move can be made, and leaves a nim-sum of nothing."""
        found = _ANSWER.fullmatch(answer.strip())
        if found is None:
            return False
        taken, heap = map(int, found.groups())
        if heap not in task.stones or not 1 <= taken <= heap:
            return False
        return _joined((*task.without(heap), heap - taken)) == 0

    def check_step(self, task: Heaps, step: str) -> bool | None:
        """Whether an equation is true, and of this position.

        `a^b=c` joins a heap `b` to the nim-sum `a` of some others; `h^s=t<h` and `h^s=t>h` join the
        nim-sum of all to a heap; `h-t=d` takes from a heap what leaves no nim-sum.
        """
        if found := _JOIN.fullmatch(step):
            total, heap, value = map(int, found.groups())
            return (
                heap in task.stones and total in _sums(task.without(heap)) and total ^ heap == value
            )
        if found := _TRIAL.fullmatch(step):
            heap, total, left, again = (int(found.group(place)) for place in (1, 2, 3, 5))
            return (
                heap == again
                and heap in task.stones
                and (total, left) == (task.nim_sum, heap ^ total)
                and (left < heap) is (found.group(4) == "<")
            )
        if found := _TAKE.fullmatch(step):
            heap, left, taken = map(int, found.groups())
            return self.verify(task, f"take {taken} from {heap}") and heap - left == taken
        return None


def _joined(stones: Iterable[int]) -> int:
    return functools.reduce(operator.xor, stones, 0)


def _sums(stones: tuple[int, ...]) -> set[int]:
    """The nim-sums of all choices of at least one of these heaps; of six heaps at most 63."""
    sums: set[int] = set()
    for heap in stones:
        sums |= {heap} | {total ^ heap for total in sums}
    return sums
