"""Trucks bring packages to the towns they are meant for (planning, the domain logistics).

`deliver 1 a>c 2 b>a, x at a, roads ab bc` asks for package 1 to be brought from town a to c and
package 2 from b to a. Truck `x`, and `y` where there are two, drives along one road at a time and
holds any number of packages. The answer is a shortest plan, its actions parted by a blank:

    x+1    package 1 is loaded where both are        x>b    x drives to the next town, b
    x-1    package 1 is unloaded where x is

Often there are several, and each is right. A step is an action and the state after it: where the
trucks are and then where each package is, in a town or in a truck. The expert's steps here are

    x+1 axb;x>b bxb;x+2 bxx;x>a axx;x-2 axa;x>b bxa;x>c cxa;x-1 cca

and bringing package 1 to c first takes eight actions too. The domain is that of the first planning
competition (McDermott 2000, "The 1998 AI planning systems competition") with trucks alone. The
expert is breadth-first search (Moore 1959) over all states, from those where each package is where
it is meant to be.
"""

from __future__ import annotations

import functools
import itertools
import random
import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, model_validator

from rlp_core.environments import Environment, ExpertSettings, Solution

TRIES = 5
"""Draws of roads and goals before a row of towns with one goal, where every length occurs."""

_TOWNS = "abcde"
_TRUCKS = "xy"
_QUESTION = re.compile(
    "deliver (1 [a-e]>[a-e](?: [23] [a-e]>[a-e]){0,2}), "
    "(x at [a-e](?: y at [a-e])?), roads ([a-e]{2}(?: [a-e]{2}){0,9})"
)
_STEP = re.compile("([xy](?:>[a-e]|[+-][1-3])) ([a-exy]{2,5})")

_Packages = Annotated[int, Field(ge=1, le=3)]
_Actions = Annotated[int, Field(ge=3, le=20)]


class LogisticsSettings(ExpertSettings):
    """How many towns, trucks and packages there are, and how long a shortest plan is."""

    towns: Annotated[int, Field(ge=2, le=len(_TOWNS))] = Field(default=4, description="Towns.")
    extra_roads: Annotated[int, Field(ge=0, le=3)] = Field(
        default=1, description="Roads beyond those without which towns were cut off, at most."
    )
    trucks: Annotated[int, Field(ge=1, le=len(_TRUCKS))] = Field(default=1, description="Trucks.")
    min_packages: _Packages = Field(default=1, description="Packages, at least.")
    max_packages: _Packages = Field(default=2, description="Packages, at most.")
    min_actions: _Actions = Field(default=3, description="Actions of a shortest plan, at least.")
    max_actions: _Actions = Field(default=7, description="Actions of a shortest plan, at most.")

    @model_validator(mode="after")
    def _possible(self) -> LogisticsSettings:
        if self.trucks > 1 and self.max_packages > 2:
            raise ValueError(
                "three packages and two trucks have too many states to search: "
                "lower `max_packages` or `trucks`"
            )
        fewest = 2 * self.max_packages + 1
        if self.max_actions < fewest:
            raise ValueError(
                f"{self.max_packages} packages need {fewest} actions at least, not "
                f"{self.max_actions}: raise `max_actions` or lower `max_packages`"
            )
        most = 2 * self.min_packages + 2 * (self.towns - 1)
        if self.min_actions > most:
            raise ValueError(
                f"{self.min_actions} actions are too many for {self.towns} towns and "
                f"{self.min_packages} packages, where {most} can be promised: lower `min_actions`, "
                "or raise `towns` or `min_packages`"
            )
        return self


@dataclass(frozen=True)
class Haulage:
    """Where trucks and packages are, where the packages are meant for, and the roads.

    Attributes:
        start: the towns of the trucks, then those of the packages.
        goals: the towns that the packages are meant for.
        roads: both ends of each, in order; every town can be reached from every other.
    """

    start: str
    goals: str
    roads: tuple[str, ...]

    @property
    def trucks(self) -> int:
        return len(self.start) - len(self.goals)


class Logistics(Environment[Haulage, LogisticsSettings]):
    """Shortest plans for trucks that deliver packages."""

    settings = LogisticsSettings

    def sample(self, rng: random.Random, settings: LogisticsSettings) -> Haulage:
        """Roads and goals, a uniformly drawn length, and a start with a shortest plan of it."""
        packages = rng.randint(settings.min_packages, settings.max_packages)
        lengths = range(settings.min_actions, settings.max_actions + 1)
        towns = _TOWNS[: settings.towns]
        for tried in range(TRIES + 1):
            goals = "".join(rng.choice(towns) for _ in range(packages))
            roads = _drawn_roads(rng, towns, settings.extra_roads)
            if tried == TRIES:
                row = rng.sample(towns, len(towns))
                roads = tuple(sorted("".join(sorted(ends)) for ends in itertools.pairwise(row)))
                goals = row[0] * packages
            starts = _starts(roads, settings.trucks, goals)
            possible = [length for length in lengths if length in starts]
            if possible:
                break
        return Haulage(rng.choice(starts[rng.choice(possible)]), goals, roads)

    def question(self, task: Haulage) -> str:
        trucks, towns = task.trucks, task.start[task.trucks :]
        pairs = zip(towns, task.goals, strict=True)
        packages = " ".join(f"{i} {town}>{goal}" for i, (town, goal) in enumerate(pairs, 1))
        at = " ".join(f"{_TRUCKS[i]} at {task.start[i]}" for i in range(trucks))
        return f"deliver {packages}, {at}, roads {' '.join(task.roads)}"

    def read(self, question: str) -> Haulage | None:
        found = _QUESTION.fullmatch(question)
        if found is None:
            return None
        packages, trucks, roads = found.group(1), found.group(2), tuple(found.group(3).split(" "))
        starts, goals = packages[2::6], packages[4::6]
        if packages[::6] != "123"[: len(goals)] or (len(trucks) > len("x at a") and len(goals) > 2):
            return None
        task = Haulage(trucks[5::7] + starts, goals, roads)
        towns = _TOWNS[: len(set("".join(roads)))]
        there = _are_roads(roads, towns) and {*task.start, *goals} <= {*towns}
        return task if there and _all_away(starts, goals) else None

    def expert(self, task: Haulage) -> Solution:
        """The first action (of a truck: `+`, then `-`, then `>`) that brings the goal nearer."""
        state, left = task.start, _left(task.roads, task.trucks, task.goals)
        actions, steps = [], []
        while left[state]:
            action, state = min(
                (action, after)
                for action, after in _actions(state, task.trucks, task.roads)
                if left[after] == left[state] - 1
            )
            actions.append(action)
            steps.append(f"{action} {state}")
        return Solution(tuple(steps), " ".join(actions))

    def verify(self, task: Haulage, answer: str) -> bool:
        """Whether the actions can be done and bring all packages home, and no plan has fewer."""
        left, plan, state = _left(task.roads, task.trucks, task.goals), answer.strip(), task.start
        if len(plan) != len("x>a ") * left[state] - 1:
            return False
        for action in plan.split(" "):
            after = dict(_actions(state, task.trucks, task.roads)).get(action)
            if after is None:
                return False
            state = after
        return left[state] == 0

    def check_step(self, task: Haulage, step: str) -> bool | None:
        """Whether some shortest plan has the action, and this state after it."""
        found = _STEP.fullmatch(step)
        if found is None:
            return None
        action, after = found.groups()
        left, gone = _left(task.roads, task.trucks, task.goals), _gone(task)
        return after in left and any(
            (action, after) in _actions(before, task.trucks, task.roads)
            and gone[before] + 1 + left[after] == left[task.start]
            for _, before in _actions(after, task.trucks, task.roads)
        )


def _actions(state: str, trucks: int, roads: tuple[str, ...]) -> list[tuple[str, str]]:
    """Every action that can be done, and the state after it; each can be undone by another."""
    made, near = [], _near(roads)
    for at in range(trucks):
        truck, town = _TRUCKS[at], state[at]
        for other in near[town]:
            made.append((f"{truck}>{other}", f"{state[:at]}{other}{state[at + 1 :]}"))
        for place in range(trucks, len(state)):
            if state[place] == town:
                after = f"{state[:place]}{truck}{state[place + 1 :]}"
                made.append((f"{truck}+{place - trucks + 1}", after))
            elif state[place] == truck:
                after = f"{state[:place]}{town}{state[place + 1 :]}"
                made.append((f"{truck}-{place - trucks + 1}", after))
    return made


@functools.lru_cache(maxsize=1024)
def _near(roads: tuple[str, ...]) -> dict[str, str]:
    """The towns at the other ends of each town's roads."""
    towns = sorted(set("".join(roads)))
    return {
        town: "".join(road.replace(town, "") for road in roads if town in road) for town in towns
    }


def _distances(sources: Iterable[str], trucks: int, roads: tuple[str, ...]) -> dict[str, int]:
    """Breadth-first search: actions between each state and the nearest source, nearest first."""
    found = dict.fromkeys(sources, 0)
    queue = deque(found)
    while queue:
        state = queue.popleft()
        for _, after in _actions(state, trucks, roads):
            if after not in found:
                found[after] = found[state] + 1
                queue.append(after)
    return found


@functools.lru_cache(maxsize=256)
def _left(roads: tuple[str, ...], trucks: int, goals: str) -> dict[str, int]:
    """Actions of a shortest plan from each state."""
    ends = itertools.product(_near(roads), repeat=trucks)
    return _distances(("".join(end) + goals for end in ends), trucks, roads)


@functools.lru_cache(maxsize=256)
def _gone(task: Haulage) -> dict[str, int]:
    """Actions from the start to each state."""
    return _distances([task.start], task.trucks, task.roads)


@functools.lru_cache(maxsize=256)
def _starts(roads: tuple[str, ...], trucks: int, goals: str) -> dict[int, list[str]]:
    """States to begin with, no package in a truck or at its goal, by the length of their plans."""
    towns, starts = set(_near(roads)), dict[int, list[str]]()
    for state, length in _left(roads, trucks, goals).items():
        if towns.issuperset(state) and _all_away(state[trucks:], goals):
            starts.setdefault(length, []).append(state)
    return starts


def _all_away(places: str, goals: str) -> bool:
    return all(place != goal for place, goal in zip(places, goals, strict=True))


def _are_roads(roads: tuple[str, ...], towns: str) -> bool:
    """Whether roads are written in order and lead from each of the towns to each."""
    in_order = sorted({"".join(sorted({*road})) for road in roads})
    if list(roads) != in_order or {*"".join(roads)} != {*towns}:
        return False
    near, reached = _near(roads), towns[0]
    for _ in towns:
        reached = "".join(sorted({*reached, *(far for town in reached for far in near[town])}))
    return reached == towns


def _drawn_roads(rng: random.Random, towns: str, most_extra: int) -> tuple[str, ...]:
    """A tree of towns, and roads beyond it."""
    order = rng.sample(towns, len(towns))
    roads = {"".join(sorted((order[i], order[rng.randrange(i)]))) for i in range(1, len(order))}
    others = [road for road in map("".join, itertools.combinations(towns, 2)) if road not in roads]
    extra = rng.sample(others, min(rng.randint(0, most_extra), len(others)))
    return tuple(sorted({*roads, *extra}))
