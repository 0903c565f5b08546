"""A robot on a grid with walls finds a shortest way from start to goal.

Rows are written from the top: `S` is the start, `G` the goal, `#` a wall. The answer is the moves
of any shortest way, `R` right, `D` down, `L` left, `U` up: to `path S.#/..G` both `DRR` and `RDR`
are right. A step is a move, the cell it reaches as row and column counted from 1 at the top left,
and how many moves are left from there: `D 2,1 2`.

The expert is breadth-first search (Moore 1959, "The shortest path through a maze").
"""

from __future__ import annotations

import functools
import random
import re
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, TypeVar

from pydantic import Field, model_validator

from rlp_core.environments import Environment, ExpertSettings, Solution

Cell = tuple[int, int]
"""Row and column, counted from 0 at the top left."""

Item = TypeVar("Item")

_MOVES = {"R": (0, 1), "D": (1, 0), "L": (0, -1), "U": (-1, 0)}
_QUESTION = re.compile(r"path ([.#SG]{2,9}(?:/[.#SG]{2,9}){1,8})")
_STEP = re.compile(r"([RDLU]) ([1-9]),([1-9]) (0|[1-9][0-9]?)")

_Side = Annotated[int, Field(ge=2, le=9)]
_Moves = Annotated[int, Field(ge=1, le=40)]


class NavigationSettings(ExpertSettings):
    """How large the grid is, how much of it is wall, and how far the goal lies."""

    rows: _Side = Field(default=5, description="Rows of the grid.")
    columns: _Side = Field(default=5, description="Columns of the grid.")
    walls: Annotated[int, Field(ge=0, le=79)] = Field(default=8, description="Cells with a wall.")
    min_moves: _Moves = Field(default=2, description="Moves of the shortest way, at least.")
    max_moves: _Moves = Field(default=6, description="Moves of the shortest way, at most.")

    @model_validator(mode="after")
    def _possible(self) -> NavigationSettings:
        # In the coordinates row + column and row - column, of equal parity, cells that all lie
        # less than m moves apart fit into a square of m by m: at most half of it, rounded up.
        free, needed = self.rows * self.columns - self.walls, (self.min_moves**2 + 1) // 2 + 1
        if free < needed:
            raise ValueError(
                f"{free} cells without a wall are too few for {self.min_moves} moves, which need "
                f"{needed}: lower `walls` or `min_moves`, or raise `rows` or `columns`"
            )
        return self


@dataclass(frozen=True)
class Maze:
    """Rows of equal length from the top, with one `S`, one `G`, and a way between them."""

    rows: tuple[str, ...]

    def cells(self, letters: str) -> list[Cell]:
        """Where one of some letters stands, row by row."""
        return [
            (row, column)
            for row, line in enumerate(self.rows)
            for column, letter in enumerate(line)
            if letter in letters
        ]


class Navigation(Environment[Maze, NavigationSettings]):
    """Shortest ways on a grid with walls."""

    settings = NavigationSettings

    def sample(self, rng: random.Random, settings: NavigationSettings) -> Maze:
        """A connected grid, then a start, a uniformly drawn distance, and a goal that far off."""
        free = _open_cells(rng, settings)
        # Of the cells that lie farthest apart on an empty grid, one is among these four.
        outermost = [max(free, key=lambda cell: a * cell[0] + b * cell[1]) for a, b in _DIAGONALS]
        rng.shuffle(outermost)
        for start in (rng.choice(free), *outermost):
            distance = _distances(frozenset(free), start)
            if max(distance.values()) >= settings.min_moves:
                break
        farthest = min(settings.max_moves, max(distance.values()))
        moves = rng.randint(settings.min_moves, farthest)
        goal = rng.choice([cell for cell, far in distance.items() if far == moves])
        lines = [["#"] * settings.columns for _ in range(settings.rows)]
        for row, column in free:
            lines[row][column] = "."
        lines[start[0]][start[1]], lines[goal[0]][goal[1]] = "S", "G"
        return Maze(tuple("".join(line) for line in lines))

    def question(self, task: Maze) -> str:
        return f"path {'/'.join(task.rows)}"

    def read(self, question: str) -> Maze | None:
        found = _QUESTION.fullmatch(question)
        if found is None:
            return None
        task = Maze(tuple(found.group(1).split("/")))
        if len({len(row) for row in task.rows}) > 1:
            return None
        starts, goals = task.cells("S"), task.cells("G")
        one_each = len(starts) == len(goals) == 1
        return task if one_each and starts[0] in _far(task, "G") else None

    def expert(self, task: Maze) -> Solution:
        """The first of the moves right, down, left, up that brings the goal nearer, each time."""
        left, (cell,) = _far(task, "G"), task.cells("S")
        moves, steps = "", []
        while left[cell]:
            move, cell = next(
                (move, near) for move, near in _beside(cell) if left.get(near) == left[cell] - 1
            )
            moves += move
            steps.append(f"{move} {cell[0] + 1},{cell[1] + 1} {left[cell]}")
        return Solution(tuple(steps), moves)

    def verify(self, task: Maze, answer: str) -> bool:
        """Whether the moves lead past no wall to the goal, and no way has fewer."""
        left, (cell,) = _far(task, "G"), task.cells("S")
        moves = answer.strip()
        if len(moves) != left[cell]:
            return False
        for move in moves:
            if move not in _MOVES:
                return False
            down, right = _MOVES[move]
            cell = (cell[0] + down, cell[1] + right)
            if cell not in left:
                return False
        return left[cell] == 0

    def check_step(self, task: Maze, step: str) -> bool | None:
        """Whether some shortest way makes the move, to that cell and with so many moves left."""
        found = _STEP.fullmatch(step)
        if found is None:
            return None
        down, right = _MOVES[found.group(1)]
        cell = (int(found.group(2)) - 1, int(found.group(3)) - 1)
        before = (cell[0] - down, cell[1] - right)
        left, gone = _far(task, "G"), _far(task, "S")
        if cell not in left or before not in gone or left[cell] != int(found.group(4)):
            return False
        return gone[before] + 1 + left[cell] == gone[task.cells("G")[0]]


_DIAGONALS = ((1, 1), (1, -1), (-1, 1), (-1, -1))


def _beside(cell: Cell) -> list[tuple[str, Cell]]:
    """Each move and the cell it leads to, on the grid or off it."""
    return [(move, (cell[0] + down, cell[1] + right)) for move, (down, right) in _MOVES.items()]


def _distances(free: Collection[Cell], origin: Cell) -> dict[Cell, int]:
    """Breadth-first search: moves between a cell and each that can be reached, nearest first."""
    found, queue = {origin: 0}, deque([origin])
    while queue:
        cell = queue.popleft()
        for _, near in _beside(cell):
            if near in free and near not in found:
                found[near] = found[cell] + 1
                queue.append(near)
    return found


@functools.lru_cache(maxsize=2048)
def _far(task: Maze, letter: str) -> dict[Cell, int]:
    """Moves between the cell of a letter and each that can be reached."""
    return _distances(frozenset(task.cells(".SG")), task.cells(letter)[0])


def _open_cells(rng: random.Random, settings: NavigationSettings) -> list[Cell]:
    """The cells without a wall, in order, each of which can be reached from each.

    A random tree grows over the whole grid; then its leaves are walled up one by one.
    """
    grid = [(row, column) for row in range(settings.rows) for column in range(settings.columns)]
    inside, root = frozenset(grid), rng.choice(grid)
    parent, branches = {root: root}, dict.fromkeys(grid, 0)
    edges = [(root, near) for _, near in _beside(root) if near in inside]
    while edges:
        cell, near = _drawn(rng, edges)
        if near not in parent:
            parent[near] = cell
            branches[cell] += 1
            edges += [(near, far) for _, far in _beside(near) if far in inside]
    leaves = [cell for cell in grid if not branches[cell]]
    for _ in range(settings.walls):
        above = parent.pop(_drawn(rng, leaves))
        branches[above] -= 1
        if not branches[above] and above != root:
            leaves.append(above)
    return sorted(parent)


def _drawn(rng: random.Random, items: list[Item]) -> Item:
    """An item at random, taken out; the last takes its place."""
    place = rng.randrange(len(items))
    items[place], items[-1] = items[-1], items[place]
    return items.pop()
