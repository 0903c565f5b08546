"""Which stage may start now: the graph walked side by side, within limits.

Nothing here knows Prefect or DVC: `start` begins a stage and calls `finished` when it is over.
"""

from __future__ import annotations

import functools
import queue
from collections.abc import Callable
from dataclasses import dataclass

from flows.graph import Stage

Results = queue.SimpleQueue[tuple[str, bool]]
Start = Callable[[Stage, tuple[str, ...], Callable[[bool], None]], None]


@dataclass(frozen=True)
class Limits:
    """How much may run at once.

    Attributes:
        parallel: stages.
        gpus: what can be given to stages that use some, each to one at a time; empty where there
            is none, and such stages then count as any other.
    """

    parallel: int
    gpus: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.parallel < 1:
            raise ValueError("max_parallel must be at least 1")
        if len(set(self.gpus)) < len(self.gpus):
            raise ValueError("a GPU must be named once")

    def take(self, stage: Stage, taken: set[str]) -> tuple[str, ...] | None:
        """The GPUs for a stage; all, if it wants more than there are. None: it has to wait."""
        wanted = min(stage.meta.gpus, len(self.gpus))
        free = [gpu for gpu in self.gpus if gpu not in taken]
        return tuple(free[:wanted]) if len(free) >= wanted else None


def alone(stages: tuple[Stage, ...]) -> frozenset[str]:
    """The stages beside which no other of them can run: each needs it, or is needed for it."""
    above: dict[str, set[str]] = {}
    for stage in stages:  # in the order in which they can run
        known = [name for name in stage.upstream if name in above]
        above[stage.name] = set(known).union(*(above[name] for name in known))
    below = {name: sum(name in others for others in above.values()) for name in above}
    return frozenset(name for name in above if len(above[name]) + below[name] + 1 == len(above))


def walk(stages: tuple[Stage, ...], limits: Limits, start: Start) -> list[str]:
    """Start every stage after those that it needs; return the names of those not finished well.

    Earlier stages of the plan come first. After a failure nothing new starts, and what runs is
    waited for: its result is kept by DVC. Stages outside `stages` count as finished.

    Args:
        start: begins a stage on the GPUs given to it until it ends, without blocking; calls its
            last argument, from any thread, with whether the stage ended well.
    """
    names = {stage.name for stage in stages}
    waiting = list(stages)
    running: dict[str, tuple[str, ...]] = {}
    finished: set[str] = set()
    failed: list[str] = []
    results: Results = queue.SimpleQueue()
    while running or (waiting and not failed):
        for stage in list(waiting):
            if failed or len(running) >= limits.parallel:
                break
            gpus = limits.take(stage, {gpu for taken in running.values() for gpu in taken})
            if gpus is not None and not (names - finished).intersection(stage.upstream):
                waiting.remove(stage)
                running[stage.name] = gpus
                start(stage, gpus, functools.partial(_report, results, stage.name))
        name, good = results.get()
        del running[name]
        if good:
            finished.add(name)
        else:
            failed.append(name)
    return failed + [stage.name for stage in waiting]


def _report(results: Results, name: str, good: bool) -> None:
    results.put((name, good))
