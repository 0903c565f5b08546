"""Tic-tac-toe in mid-game: three in a row win, and a move has to be named that is worth most.

The expert is minimax (J. von Neumann, "Zur Theorie der Gesellschaftsspiele", 1928), solved from
the end of the game backwards, as E. Zermelo (1913) did for chess: a move is worth what is left when
both play their best. In `tic-tac-toe X2O/4X6/78O, X moves` the rows stand from top to bottom, free
cells as the numbers that name them. The steps say what each move is worth to whoever makes it,

    2=loss   4=loss   6=draw   7=loss   8=loss

and the answer is a cell of the best value, `6`. Only positions are asked about in which some free
cell is worse than another. A mirrored or turned position is a question of its own: its cells have
other names.
"""

from __future__ import annotations

import functools
import random
import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from rlp_core.environments import Environment, ExpertSettings, Solution

CELLS = "123456789"
LINES = ("123", "456", "789", "147", "258", "369", "159", "357")
WORTH = {1: "win", 0: "draw", -1: "loss"}

_ROW = "[XO1-9]{3}"
_QUESTION = re.compile(f"tic-tac-toe ({_ROW})/({_ROW})/({_ROW}), ([XO]) moves")
_STEP = re.compile("([1-9])=(win|draw|loss)")


class TicTacToeSettings(ExpertSettings):
    """How far the game has come: few free cells are few moves to weigh, and short games."""

    min_empty: Annotated[int, Field(ge=2, le=8)] = Field(
        default=2, description="Fewest free cells."
    )
    max_empty: Annotated[int, Field(ge=2, le=8)] = Field(default=5, description="Most free cells.")


@dataclass(frozen=True)
class Position:
    """A board whose game goes on: nine cells, row by row, each X, O or its own number if free."""

    cells: str

    @property
    def mover(self) -> str:
        """X begins."""
        return "X" if self.cells.count("X") == self.cells.count("O") else "O"

    @property
    def free(self) -> str:
        """The numbers of the free cells, in order."""
        return self.cells.replace("X", "").replace("O", "")

    def after(self, cell: str) -> Position:
        """The board when a free cell is taken by whoever has to move."""
        return Position(self.cells.replace(cell, self.mover))


class TicTacToe(Environment[Position, TicTacToeSettings]):
    """Tic-tac-toe in mid-game: a move that is worth most."""

    settings = TicTacToeSettings

    def sample(self, rng: random.Random, settings: TicTacToeSettings) -> Position:
        """A uniformly drawn number of free cells, then a position that has so many."""
        return rng.choice(_worth_asking()[rng.randint(settings.min_empty, settings.max_empty)])

    def question(self, task: Position) -> str:
        cells = task.cells
        return f"tic-tac-toe {cells[:3]}/{cells[3:6]}/{cells[6:]}, {task.mover} moves"

    def read(self, question: str) -> Position | None:
        found = _QUESTION.fullmatch(question)
        if found is None:
            return None
        task = Position("".join(found.groups()[:3]))
        if found.group(4) != task.mover or not _can_be(task) or not _differs(task):
            return None
        return task

    def expert(self, task: Position) -> Solution:
        """The worth of each free cell in order, and the first of the best."""
        worth = {cell: -_value(task.after(cell)) for cell in task.free}
        steps = tuple(f"{cell}={WORTH[value]}" for cell, value in worth.items())
        return Solution(steps, max(worth, key=lambda cell: worth[cell]))

    def verify(self, task: Position, answer: str) -> bool:
        cell = answer.strip()
        return len(cell) == 1 and cell in task.free and -_value(task.after(cell)) == _value(task)

    def check_step(self, task: Position, step: str) -> bool | None:
        """Whether a cell is free and worth what the step says."""
        found = _STEP.fullmatch(step)
        if found is None:
            return None
        cell, word = found.groups()
        return cell in task.free and WORTH[-_value(task.after(cell))] == word


@functools.cache
def _value(task: Position) -> int:
    """What a board is worth to whoever has to move: 1, 0 or -1; 5,478 boards in all."""
    if _is_won(task):
        return -1
    return max((-_value(task.after(cell)) for cell in task.free), default=0)


def _is_won(task: Position) -> bool:
    return any({task.cells[int(cell) - 1] for cell in line} in ({"X"}, {"O"}) for line in LINES)


def _can_be(task: Position) -> bool:
    """Whether play leads to this board and goes on: no line is full, and turns were kept."""
    in_place = all(cell in ("X", "O", name) for cell, name in zip(task.cells, CELLS, strict=True))
    return (
        in_place and task.cells.count("X") - task.cells.count("O") in (0, 1) and not _is_won(task)
    )


def _differs(task: Position) -> bool:
    """Whether some free cell is worth more than another."""
    return len({_value(task.after(cell)) for cell in task.free}) > 1


@functools.cache
def _worth_asking() -> dict[int, tuple[Position, ...]]:
    """All positions in which moves differ in worth, by the number of free cells, in fixed order."""
    found: dict[int, tuple[Position, ...]] = {}
    level = [Position(CELLS)]
    while level:
        going_on = [task for task in level if not _is_won(task)]
        found[len(level[0].free)] = tuple(task for task in going_on if _differs(task))
        level = list(dict.fromkeys(task.after(cell) for task in going_on for cell in task.free))
    return found
