"""Blocks are moved one at a time until the towers stand as they are asked to (planning).

A tower is its blocks from the bottom to the top, and `/` stands between towers: `blocks ab/c to
a/cb` asks for `b` to be moved from `a` onto `c`. Only a block on top can be moved, onto the top of
another tower or onto the table, `t`. The answer is a shortest plan, `b>c`, its moves parted by a
blank; to many questions there are several. A step is a move and the towers after it: `b>c a/cb`.

The expert is breadth-first search (Moore 1959) over all states: shortest plans are NP-hard to find
in general (Gupta and Nau 1992, "On the complexity of blocks-world planning"), and six blocks have
4,051 states. States that differ only in the blocks' names share one search.
"""

from __future__ import annotations

import functools
import itertools
import random
import re
from collections import deque
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, model_validator

from rlp_core.environments import Environment, ExpertSettings, Solution

Towers = tuple[str, ...]
"""Each tower's blocks from the bottom; in alphabetical order, for places on the table are alike."""

TABLE = "t"
_BLOCKS = "abcdef"
_STATE = "[a-f]{1,6}(?:/[a-f]{1,6}){0,5}"
_QUESTION = re.compile(f"blocks ({_STATE}) to ({_STATE})")
_STEP = re.compile(f"([a-f])>([a-ft]) ({_STATE})")

_Moves = Annotated[int, Field(ge=1, le=10)]


class BlocksworldSettings(ExpertSettings):
    """How many blocks there are, and how long a shortest plan is."""

    blocks: Annotated[int, Field(ge=2, le=len(_BLOCKS))] = Field(
        default=4, description="Blocks on the table."
    )
    min_moves: _Moves = Field(default=1, description="Moves of a shortest plan, at least.")
    max_moves: _Moves = Field(default=4, description="Moves of a shortest plan, at most.")

    @model_validator(mode="after")
    def _possible(self) -> BlocksworldSettings:
        if self.min_moves > 2 * self.blocks - 2:
            raise ValueError(
                f"no shortest plan for {self.blocks} blocks has {self.min_moves} moves, and the "
                f"longest {2 * self.blocks - 2}: lower `min_moves` or raise `blocks`"
            )
        return self


@dataclass(frozen=True)
class Rebuilding:
    """Towers to begin with and others to end with, of the same blocks."""

    start: Towers
    goal: Towers


class Blocksworld(Environment[Rebuilding, BlocksworldSettings]):
    """Shortest plans for blocks on a table."""

    settings = BlocksworldSettings

    def sample(self, rng: random.Random, settings: BlocksworldSettings) -> Rebuilding:
        """A goal, a uniformly drawn distance, and a start that far off.

        From a goal of k towers of n blocks the farthest start lies 2n - 1 - k moves away.
        """
        goal = rng.choice(_goals(settings.blocks, 2 * settings.blocks - 1 - settings.min_moves))
        levels = _levels(_heights(goal))
        moves = rng.randint(settings.min_moves, min(settings.max_moves, len(levels) - 1))
        start = rng.choice(levels[moves])
        return Rebuilding(_renamed(start, _BLOCKS, _in_order(goal)), goal)

    def question(self, task: Rebuilding) -> str:
        return f"blocks {'/'.join(task.start)} to {'/'.join(task.goal)}"

    def read(self, question: str) -> Rebuilding | None:
        found = _QUESTION.fullmatch(question)
        if found is None:
            return None
        start, goal = (_towers(state) for state in found.groups())
        if (
            start is None
            or goal is None
            or start == goal
            or sorted("".join(start)) != sorted("".join(goal))
        ):
            return None
        return Rebuilding(start, goal)

    def expert(self, task: Rebuilding) -> Solution:
        """The first move, by block and place in alphabetical order, that brings the goal nearer."""
        state, moves, steps = task.start, [], []
        while state != task.goal:
            left = _distance(state, task.goal)
            move, state = min(
                (move, after)
                for move, after in _moves(state)
                if _distance(after, task.goal) == left - 1
            )
            moves.append(move)
            steps.append(f"{move} {'/'.join(state)}")
        return Solution(tuple(steps), " ".join(moves))

    def verify(self, task: Rebuilding, answer: str) -> bool:
        """Whether the moves can be made and lead to the goal, and no plan has fewer."""
        plan, state = answer.strip(), task.start
        moves = _distance(task.start, task.goal)
        if len(plan) != len("a>b ") * moves - 1:
            return False
        for move in plan.split(" "):
            after = dict(_moves(state)).get(move)
            if after is None:
                return False
            state = after
        return state == task.goal

    def check_step(self, task: Rebuilding, step: str) -> bool | None:
        """Whether some shortest plan makes the move and has these towers after it."""
        found = _STEP.fullmatch(step)
        if found is None:
            return None
        block, place, after = found.group(1), found.group(2), _towers(found.group(3))
        if after is None or sorted("".join(after)) != sorted("".join(task.start)):
            return False
        left, moves = _distance(after, task.goal), _distance(task.start, task.goal)
        return any(
            (f"{block}>{place}", after) in _moves(before)
            and _distance(before, task.start) + 1 + left == moves
            for _, before in _moves(after)
        )


def _towers(text: str) -> Towers | None:
    """Towers as they are written; None where a block comes twice, or the order is another."""
    towers = tuple(text.split("/"))
    blocks = "".join(towers)
    return towers if len(set(blocks)) == len(blocks) and list(towers) == sorted(towers) else None


def _moves(state: Towers) -> list[tuple[str, Towers]]:
    """Every move that can be made, and the towers after it; each can be taken back by another."""
    made = []
    for tower in state:
        block, below = tower[-1], tower[:-1]
        others = [other for other in state if other != tower]
        if below:
            made.append((f"{block}>{TABLE}", tuple(sorted([*others, below, block]))))
        for other in others:
            rest = [third for third in others if third != other] + [below] * bool(below)
            made.append((f"{block}>{other[-1]}", tuple(sorted([*rest, other + block]))))
    return made


def _in_order(towers: Towers) -> str:
    """The blocks, those of the highest towers first."""
    return "".join(sorted(towers, key=lambda tower: (-len(tower), tower)))


def _heights(towers: Towers) -> tuple[int, ...]:
    return tuple(sorted(map(len, towers), reverse=True))


def _renamed(towers: Towers, old: str, new: str) -> Towers:
    names = dict(zip(old, new, strict=False))
    return tuple(sorted("".join(names[block] for block in tower) for tower in towers))


def _distance(state: Towers, goal: Towers) -> int:
    """Moves of a shortest plan from one to the other, or back, which is as long."""
    return _distances(_heights(goal))[_renamed(state, _in_order(goal), _BLOCKS)]


@functools.cache
def _distances(heights: tuple[int, ...]) -> dict[Towers, int]:
    """Breadth-first search: each state's distance to towers of these heights, nearest first.

    The blocks of the goal are named in order: heights 2 and 1 are the goal `ab/c`.
    """
    ends = list(itertools.accumulate(heights, initial=0))
    goal = tuple(_BLOCKS[start:end] for start, end in itertools.pairwise(ends))
    found, queue = {goal: 0}, deque([goal])
    while queue:
        state = queue.popleft()
        for _, near in _moves(state):
            if near not in found:
                found[near] = found[state] + 1
                queue.append(near)
    return found


@functools.cache
def _levels(heights: tuple[int, ...]) -> list[list[Towers]]:
    """The states at each distance from towers of these heights."""
    found = _distances(heights)
    by_distance = itertools.groupby(found, key=found.__getitem__)  # they come nearest first
    return [list(states) for _, states in by_distance]


@functools.cache
def _goals(blocks: int, most: int) -> list[Towers]:
    """All states with so many towers at most."""
    return [state for state in _distances((blocks,)) if len(state) <= most]
