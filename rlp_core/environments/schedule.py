"""Project scheduling: tasks that take time and wait for others; when is everything done at best?

`project a4 b7 ab>c2 c>d3` has four tasks: a takes 4, b takes 7, c takes 2 once a and b are done, d
takes 3 once c is. Any number of tasks may run at once. The expert is the forward pass of the
critical path method (J. E. Kelley and M. R. Walker, Critical-path planning and scheduling, 1959),
with tasks in the order of A. B. Kahn (Topological sorting of large networks, 1962): `a: 0+4=4`,
`b: 0+7=7`, `c: max(4,7)+2=9`, `d: 9+3=12`, `end: 12`, and the answer `12`.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, model_validator

from rlp_core.environments import Environment, ExpertSettings, Solution

NAMES = "abcdefghij"

_NUMBER = r"(?:0|[1-9][0-9]{0,5})"
_LARGEST = rf"max\({_NUMBER}(?:,{_NUMBER}){{1,{len(NAMES) - 1}}}\)"
_TASK = re.compile(rf"(?:([a-j]{{1,{len(NAMES) - 1}}})>)?([a-j])([1-9][0-9]?)")
_QUESTION = re.compile(rf"project(?: {_TASK.pattern}){{2,{len(NAMES)}}}")
_STEP = re.compile(rf"([a-j]): ({_NUMBER}|{_LARGEST})\+({_NUMBER})=({_NUMBER})")
_END = re.compile(rf"end: (?:({_LARGEST})=)?({_NUMBER})")


class ScheduleSettings(ExpertSettings):
    """How many tasks there are, how long they take and how they wait for each other."""

    min_tasks: Annotated[int, Field(ge=2)] = Field(default=3, description="Fewest tasks.")
    max_tasks: Annotated[int, Field(ge=2, le=len(NAMES))] = Field(
        default=5, description="Most tasks."
    )
    longest: Annotated[int, Field(ge=2, le=99)] = Field(
        default=9, description="Longest that one task takes."
    )
    predecessors: Annotated[int, Field(ge=1, le=4)] = Field(
        default=2, description="Most tasks that one task waits for."
    )
    shuffled: bool = Field(
        default=False, description="Whether a task may be listed before those it waits for."
    )

    @model_validator(mode="after")
    def _possible(self) -> ScheduleSettings:
        if self.predecessors >= self.max_tasks:
            raise ValueError("`predecessors` must be below `max_tasks`: no task waits for itself")
        return self


@dataclass(frozen=True)
class Project:
    """Tasks by number: how long each takes, and the numbers of those it waits for, ascending."""

    durations: tuple[int, ...]
    waits: tuple[tuple[int, ...], ...]

    def order(self) -> list[int]:
        """The tasks, each after those it waits for; fewer than all where they wait in a circle."""
        order: list[int] = []
        left = list(range(len(self.durations)))
        while ready := [i for i in left if all(j in order for j in self.waits[i])]:
            order.append(ready[0])
            left.remove(ready[0])
        return order

    def ends(self) -> list[int]:
        """The earliest end of each task."""
        ends = [0] * len(self.durations)
        for i in self.order():
            ends[i] = max((ends[j] for j in self.waits[i]), default=0) + self.durations[i]
        return ends

    def last(self) -> list[int]:
        """The tasks that none waits for."""
        awaited = {j for waits in self.waits for j in waits}
        return [i for i in range(len(self.durations)) if i not in awaited]


class Schedule(Environment[Project, ScheduleSettings]):
    """The earliest end of a project whose tasks wait for each other."""

    settings = ScheduleSettings

    def sample(self, rng: random.Random, settings: ScheduleSettings) -> Project:
        """Each task waits for some of those before it; then, if asked for, all are renamed."""
        count = rng.randint(settings.min_tasks, settings.max_tasks)
        name = list(range(count))
        if settings.shuffled:
            rng.shuffle(name)
        durations, waits = [0] * count, [()] * count  # type: list[int], list[tuple[int, ...]]
        for i in range(count):
            chosen = rng.sample(range(i), rng.randint(0, min(i, settings.predecessors)))
            durations[name[i]] = rng.randint(1, settings.longest)
            waits[name[i]] = tuple(sorted(name[j] for j in chosen))
        return Project(tuple(durations), tuple(waits))

    def question(self, task: Project) -> str:
        listed = []
        for name, duration, waits in zip(NAMES, task.durations, task.waits, strict=False):
            before = "".join(NAMES[j] for j in waits)
            listed.append(f"{before}{'>' if before else ''}{name}{duration}")
        return f"project {' '.join(listed)}"

    def read(self, question: str) -> Project | None:
        """None too where a task waits for itself, in a circle, or for one that is not there."""
        if not _QUESTION.fullmatch(question):
            return None
        found = _TASK.findall(question.removeprefix("project"))
        waits = (tuple(NAMES.index(name) for name in before) for before, _, _ in found)
        task = Project(tuple(int(duration) for _, _, duration in found), tuple(waits))
        sound = all(list(waits) == sorted(set(waits)) for waits in task.waits)
        if not sound or self.question(task) != question:
            return None
        return task if len(task.order()) == len(found) else None

    def expert(self, task: Project) -> Solution:
        """The end of each task from the ends of those it waits for, then the last end of all."""
        ends = task.ends()
        steps = [
            f"{NAMES[i]}: {_largest([ends[j] for j in task.waits[i]] or [0])}"
            f"+{task.durations[i]}={ends[i]}"
            for i in task.order()
        ]
        last = [ends[i] for i in task.last()]
        steps.append(f"end: {_largest(last)}{f'={max(last)}' if len(last) > 1 else ''}")
        return Solution(tuple(steps), str(max(ends)))

    def verify(self, task: Project, answer: str) -> bool:
        return answer.strip() == str(max(task.ends()))

    def check_step(self, task: Project, step: str) -> bool | None:
        """Whether an end is that of its task, found from all that it waits for, in any order."""
        ends = task.ends()
        if found := _STEP.fullmatch(step):
            i = NAMES.index(found[1])
            if i >= len(ends):
                return False
            values = sorted(ends[j] for j in task.waits[i]) or [0]
            said = (_numbers(found[2]), int(found[3]), int(found[4]))
            return said == (values, task.durations[i], ends[i])
        if found := _END.fullmatch(step):
            return int(found[2]) == max(ends) and _numbers(found[1] or found[2]) == sorted(
                ends[i] for i in task.last()
            )
        return None


def _largest(values: list[int]) -> str:
    return str(values[0]) if len(values) == 1 else f"max({','.join(map(str, values))})"


def _numbers(text: str) -> list[int]:
    return sorted(int(number) for number in re.findall("[0-9]+", text))
