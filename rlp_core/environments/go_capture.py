"""Capture on a small board of Go: the point where black takes the most white stones.

Stones that touch side by side are a chain, the free points beside a chain its liberties; a chain
without liberties is taken from the board (J. Tromp and B. Taylor, "The game of Go", 1995). The
expert finds chains by depth-first search (J. Hopcroft and R. Tarjan, "Algorithm 447", 1973) and
looks at the white ones in atari, whose last liberty black can fill. In

    go 1.X... 2XOX.. 3..XXX 4..XOO 5..X.X, X takes most O

the rows are numbered from the top, points are named by column, `a` to `i` from the left, and row.
The steps say of each white chain in atari where its last liberty is, then of each of these points
how many stones it takes, of all chains together:

    b2 at b3   d4 e4 at d5   b3=1   d5=2

The answer is a point that takes most, `d5`. A move that takes stones is never suicide, and a board
without a past has no ko.
"""

from __future__ import annotations

import functools
import math
import random
import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, model_validator

from rlp_core.environments import Environment, ExpertSettings, Solution
from rlp_core.section import Share

LARGEST = 9
COLUMNS, DIGITS = "abcdefghi", "123456789"
FREE, BLACK, WHITE = ".XO"

TRIES = 20
"""Boards drawn, of which the first nearly always does, before a lone white stone is put there."""

_POINT = "[a-i][1-9]"
_QUESTION = re.compile("go ([1-9][.XO]{3,9}(?: [1-9][.XO]{3,9}){2,8}), X takes most O")
_CHAIN = re.compile(f"({_POINT}(?: {_POINT}){{0,{LARGEST**2 - 1}}}) at ({_POINT})")
_TAKES = re.compile(f"({_POINT})=([1-9][0-9]?)")


class GoCaptureSettings(ExpertSettings):
    """How large the board is, how full, and how much there is to take."""

    size: Annotated[int, Field(ge=3, le=LARGEST)] = Field(
        default=5, description="Rows and columns of the board."
    )
    stones: Share = Field(
        default=0.3, description="Share of points with a stone of either colour, before the chains."
    )
    chains: Annotated[int, Field(ge=1, le=4)] = Field(
        default=2, description="White chains put in atari; one may undo another, but one stays."
    )

    @model_validator(mode="after")
    def _room(self) -> GoCaptureSettings:
        if self.chains > self.size - 2:
            raise ValueError(
                f"{self.chains} `chains` have no room on a board of `size` {self.size}: "
                f"lower `chains` to {self.size - 2}, or raise `size` to {self.chains + 2}"
            )
        return self


@dataclass(frozen=True)
class Board:
    """A square board, its points row by row from the top: free, black or white."""

    points: str

    @property
    def size(self) -> int:
        return math.isqrt(len(self.points))


class GoCapture(Environment[Board, GoCaptureSettings]):
    """Capture in Go: the point where black takes the most white stones."""

    settings = GoCaptureSettings

    def sample(self, rng: random.Random, settings: GoCaptureSettings) -> Board:
        """Scattered stones with white chains in atari among them; what has no liberty is gone."""
        for _ in range(TRIES):
            board = _drawn(rng, settings.size, settings.stones, settings.chains, longest=3)
            if _takes(board):
                return board
        return _drawn(rng, settings.size, stones=0, chains=1, longest=1)

    def question(self, task: Board) -> str:
        size = task.size
        rows = (f"{row + 1}{task.points[row * size : (row + 1) * size]}" for row in range(size))
        return f"go {' '.join(rows)}, X takes most O"

    def read(self, question: str) -> Board | None:
        found = _QUESTION.fullmatch(question)
        if found is None:
            return None
        rows = found.group(1).split()
        numbers = "".join(row[0] for row in rows)
        if not DIGITS.startswith(numbers) or {len(row) - 1 for row in rows} != {len(rows)}:
            return None
        task = Board("".join(row[1:] for row in rows))
        dead = any(not liberties for _, _, liberties in _chains(task.points))
        return None if dead or not _takes(task) else task

    def expert(self, task: Board) -> Solution:
        """White chains in atari from the top, what each last liberty takes, the first of most."""
        takes = _takes(task)
        chains = (f"{' '.join(chain)} at {last}" for chain, last in _in_atari(task))
        totals = (f"{point}={number}" for point, number in takes.items())
        return Solution((*chains, *totals), max(takes, key=lambda point: takes[point]))

    def verify(self, task: Board, answer: str) -> bool:
        takes = _takes(task)
        return takes.get(answer.strip()) == max(takes.values())

    def check_step(self, task: Board, step: str) -> bool | None:
        """Whether these are all stones of a white chain with this last liberty, in any order.

        Or whether this point takes so many stones.
        """
        if found := _CHAIN.fullmatch(step):
            stones, last = sorted(found.group(1).split()), found.group(2)
            return (stones, last) in [(sorted(chain), at) for chain, at in _in_atari(task)]
        if found := _TAKES.fullmatch(step):
            return _takes(task).get(found.group(1)) == int(found.group(2))
        return None


@functools.lru_cache(maxsize=1024)
def _in_atari(task: Board) -> tuple[tuple[tuple[str, ...], str], ...]:
    """The names of the stones of each white chain in atari, and of its last liberty."""
    names = [f"{column}{row}" for row in DIGITS[: task.size] for column in COLUMNS[: task.size]]
    return tuple(
        (tuple(names[place] for place in sorted(chain)), names[min(liberties)])
        for colour, chain, liberties in _chains(task.points)
        if colour == WHITE and len(liberties) == 1
    )


def _takes(task: Board) -> dict[str, int]:
    """How many white stones black takes at each point where it takes any."""
    takes: dict[str, int] = {}
    for chain, last in _in_atari(task):
        takes[last] = takes.get(last, 0) + len(chain)
    return takes


@functools.cache
def _beside(count: int) -> tuple[tuple[int, ...], ...]:
    """Of each of so many points, those beside it."""
    size = math.isqrt(count)
    places = [divmod(place, size) for place in range(count)]
    return tuple(
        tuple(i for i, (r, c) in enumerate(places) if abs(r - row) + abs(c - column) == 1)
        for row, column in places
    )


def _chains(points: str) -> list[tuple[str, list[int], set[int]]]:
    """Colour, stones and liberties of every chain, by its first point."""
    beside, found = _beside(len(points)), []
    left = {place for place, colour in enumerate(points) if colour != FREE}
    for first, colour in enumerate(points):
        if first not in left:
            continue
        left.remove(first)
        liberties: set[int] = set()
        chain, waiting = [], [first]
        while waiting:
            chain.append(waiting.pop())
            near = beside[chain[-1]]
            liberties.update(place for place in near if points[place] == FREE)
            more = [place for place in near if place in left and points[place] == colour]
            left.difference_update(more)
            waiting += more
        found.append((colour, chain, liberties))
    return found


def _drawn(rng: random.Random, size: int, stones: float, chains: int, longest: int) -> Board:
    """Scattered stones, and over them white chains, with black around each but for one point."""
    points = [rng.choice((BLACK, WHITE)) if rng.random() < stones else FREE for _ in range(size**2)]
    beside = _beside(size**2)
    for _ in range(chains):
        chain = [rng.randrange(size**2)]
        for _ in range(rng.randrange(longest)):
            chain.append(rng.choice(beside[chain[-1]]))
        border = sorted({near for place in chain for near in beside[place]} - set(chain))
        for place in border:
            points[place] = BLACK
        for place in chain:
            points[place] = WHITE
        points[rng.choice(border)] = FREE
    for _, dead, liberties in _chains("".join(points)):
        for place in dead if not liberties else ():
            points[place] = FREE
    return Board("".join(points))
