"""The taxi of Gymnasium drives passengers through a small town, by its exact tables.

    +---------+
    |R: | : :G|     The town of Taxi-v4 (Dietterich 2000, "Hierarchical reinforcement learning with
    | : | : : |     the MAXQ value function decomposition"): five rows and columns, walls `|`, and
    | : : : : |     four stands. A passenger waits at one stand and wants to another. A move into a
    | | : | : |     wall leaves the taxi where it is, and costs as much as any other.
    |Y| : |B: |
    +---------+

A question tells the taxi's cell, row and column counted from 1 at the top left, and the rides in
order: `taxi at 1,2: R>G B>Y`. Each ride begins where the last has ended. The answer is the actions
of any shortest plan, `S` south, `N` north, `E` east, `W` west, `P` pick up, `D` drop off. A step is
an action, the cell after it, and how many actions are left: `W 1,1 9`.

Nothing of the town stands here: states, actions and rewards are Gymnasium's own tables, and the
expert is value iteration over them (Bellman 1957, "Dynamic Programming"), undiscounted. Every
action costs 1, but the last of a ride pays 20 and a mistaken `P` or `D` costs 10, so the plans of
greatest return are the shortest.
"""

from __future__ import annotations

import functools
import random
import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from rlp_core.environments import Environment, ExpertSettings, Extra, Solution

MOST_RIDES = 6
STANDS = "RGYB"
"""In the order of Gymnasium's tables."""
ACTIONS = "SNEWPD"
"""Likewise."""
SIDE = 5

_CELL = f"([1-{SIDE}]),([1-{SIDE}])"
_RIDE = f"[{STANDS}]>[{STANDS}]"
_QUESTION = re.compile(f"taxi at {_CELL}: ({_RIDE}(?: {_RIDE}){{0,{MOST_RIDES - 1}}})")
_STEP = re.compile(f"[{ACTIONS}] {_CELL} (?:0|[1-9][0-9]{{0,2}})")

_Rides = Annotated[int, Field(ge=1, le=MOST_RIDES)]


class TaxiSettings(ExpertSettings):
    """How many passengers wait.

    One ride makes 300 different tasks, each further ride twelve times as many.
    """

    min_rides: _Rides = Field(default=1, description="Fewest rides.")
    max_rides: _Rides = Field(default=2, description="Most rides.")


@dataclass(frozen=True)
class Rides:
    """Where the taxi is, as row and column counted from 0, and the rides as places in `STANDS`."""

    cell: tuple[int, int]
    rides: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Mdp:
    """Gymnasium's tables without what is never needed: no chance is in them.

    Attributes:
        start: the state of (row, column, stand of the passenger, stand where they want to).
        cell: row and column of a state.
        best: the actions of greatest return in a state, in the order of `ACTIONS`; none where all
            is done.
        after: the state that an action leads to.
        left: actions that the shortest plan from a state has.
    """

    start: dict[tuple[int, int, int, int], int]
    cell: dict[int, tuple[int, int]]
    best: dict[int, str]
    after: dict[tuple[int, str], int]
    left: dict[int, int]


class Taxi(Environment[Rides, TaxiSettings]):
    """Gymnasium's taxi: the shortest plan that drives passengers where they want to."""

    settings = TaxiSettings
    needs = Extra("gym", "gymnasium")

    def sample(self, rng: random.Random, settings: TaxiSettings) -> Rides:
        """A uniform cell, number of rides, and stands; nobody waits where they want to."""
        cell = (rng.randrange(SIDE), rng.randrange(SIDE))
        pairs = [(a, b) for a in range(len(STANDS)) for b in range(len(STANDS)) if a != b]
        count = rng.randint(settings.min_rides, settings.max_rides)
        return Rides(cell, tuple(rng.choice(pairs) for _ in range(count)))

    def question(self, task: Rides) -> str:
        rides = " ".join(f"{STANDS[a]}>{STANDS[b]}" for a, b in task.rides)
        return f"taxi at {task.cell[0] + 1},{task.cell[1] + 1}: {rides}"

    def read(self, question: str) -> Rides | None:
        found = _QUESTION.fullmatch(question)
        if found is None:
            return None
        row, column, rides = found.groups()
        pairs = tuple((STANDS.index(ride[0]), STANDS.index(ride[2])) for ride in rides.split())
        if any(a == b for a, b in pairs):
            return None
        return Rides((int(row) - 1, int(column) - 1), pairs)

    def expert(self, task: Rides) -> Solution:
        """The first best action of each state."""
        mdp, plan, steps = tables(), "", []
        states = _starts(task)
        left = sum(mdp.left[state] for state in states)
        for state in states:
            while mdp.best[state]:
                action = mdp.best[state][0]
                state = mdp.after[state, action]
                left -= 1
                plan += action
                steps.append(_step(action, mdp.cell[state], left))
        return Solution(tuple(steps), plan)

    def verify(self, task: Rides, answer: str) -> bool:
        """Whether each action is a best one where it is taken, and the last ends the last ride."""
        mdp, plan, states = tables(), answer.strip(), list(_starts(task))
        if len(plan) != sum(mdp.left[state] for state in states):
            return False
        state = states.pop(0)
        for action in plan:
            if action not in mdp.best[state]:
                return False
            state = mdp.after[state, action]
            if not mdp.best[state] and states:
                state = states.pop(0)
        return not states and not mdp.best[state]

    def check_step(self, task: Rides, step: str) -> bool | None:
        """Whether some shortest plan takes the action, to that cell with so many actions left."""
        return step in _true_steps(task) if _STEP.fullmatch(step) else None


@functools.cache
def tables() -> Mdp:
    """What Gymnasium says of the town, and what value iteration makes of it."""
    from gymnasium.envs.toy_text.taxi import TaxiEnv

    env = TaxiEnv()
    town: dict[tuple[int, str], tuple[int, int]] = {}
    done: set[int] = set()
    for state, actions in env.P.items():
        for action, ways in actions.items():
            # The default town drives without chance: its actions have one outcome each.
            ((_, after, reward, ends),) = ways
            town[state, ACTIONS[action]] = (int(after), int(reward))
            if ends:
                done.add(int(after))
    return _solved({state: env.decode(state) for state in env.P}, town, done)


def _solved(
    states: dict[int, tuple[int, int, int, int]],
    town: dict[tuple[int, str], tuple[int, int]],
    done: set[int],
) -> Mdp:
    """Undiscounted value iteration, and the actions that are greedy to its values."""
    value = dict.fromkeys(states, 0)
    before: dict[int, int] = {}
    returns: dict[tuple[int, str], int] = {}
    while value != before:
        before = value
        returns = {pair: reward + value[after] for pair, (after, reward) in town.items()}
        value = {
            state: 0 if state in done else max(returns[state, action] for action in ACTIONS)
            for state in states
        }
    best = {
        state: "".join(
            action
            for action in ACTIONS
            if state not in done and returns[state, action] == value[state]
        )
        for state in states
    }
    after = {pair: state for pair, (state, _) in town.items()}
    return Mdp(
        start={place: state for state, place in states.items()},
        cell={state: place[:2] for state, place in states.items()},
        best=best,
        after=after,
        left={state: _length(state, best, after) for state in states},
    )


def _length(state: int, best: dict[int, str], after: dict[tuple[int, str], int]) -> int:
    count = 0
    while best[state]:
        state = after[state, best[state][0]]
        count += 1
    return count


def _starts(task: Rides) -> list[int]:
    """The state that each ride begins in."""
    mdp, cell, found = tables(), task.cell, []
    for waits, wants in task.rides:
        found.append(mdp.start[(*cell, waits, wants)])
        # A ride ends at the stand that its passenger wants to, on whatever way.
        state = found[-1]
        while mdp.best[state]:
            state = mdp.after[state, mdp.best[state][0]]
        cell = mdp.cell[state]
    return found


def _step(action: str, cell: tuple[int, int], left: int) -> str:
    return f"{action} {cell[0] + 1},{cell[1] + 1} {left}"


@functools.lru_cache(maxsize=2048)
def _true_steps(task: Rides) -> frozenset[str]:
    """The steps of all shortest plans."""
    mdp, states = tables(), _starts(task)
    left, found = sum(mdp.left[state] for state in states), set()
    for start in states:
        front = {start}
        for _ in range(mdp.left[start]):
            left -= 1
            taken = {(action, mdp.after[s, action]) for s in front for action in mdp.best[s]}
            found |= {_step(action, mdp.cell[after], left) for action, after in taken}
            front = {after for _, after in taken}
    return frozenset(found)
