"""Which stage may start now: the graph walked side by side, within limits.

Nothing here knows Prefect or DVC: `start` begins a stage and calls `finished` when it is over.
"""

from __future__ import annotations

import functools
import os
import queue
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flows.graph import Stage

Results = queue.SimpleQueue[tuple[str, bool]]


@dataclass(frozen=True)
class Limits:
    """How much may run at once.

    Attributes:
        parallel: stages.
        gpu_slots: GPUs to share out among stages that use some; 0 where there is none, and
            such stages then count as any other.
    """

    parallel: int
    gpu_slots: int

    def __post_init__(self) -> None:
        if self.parallel < 1:
            raise ValueError("max_parallel must be at least 1")
        if self.gpu_slots < 0:
            raise ValueError("gpu_slots must not be negative")

    def gpus(self, stage: Stage) -> int:
        """Slots that a stage takes: all of them, if it wants more than there are."""
        return min(stage.meta.gpus, self.gpu_slots)


def walk(
    stages: tuple[Stage, ...],
    limits: Limits,
    start: Callable[[Stage, Callable[[bool], None]], None],
) -> list[str]:
    """Start every stage after those that it needs; return the names of those not finished well.

    Earlier stages of the plan come first. After a failure nothing new starts, and what runs is
    waited for: its result is kept by DVC. Stages outside `stages` count as finished.

    Args:
        start: begins a stage without blocking; calls its second argument, from any thread, with
            whether the stage ended well.
    """
    names = {stage.name for stage in stages}
    waiting = list(stages)
    running: dict[str, Stage] = {}
    finished: set[str] = set()
    failed: list[str] = []
    results: Results = queue.SimpleQueue()
    while running or (waiting and not failed):
        for stage in list(waiting):
            if not failed and _may_start(stage, names - finished, running, limits):
                waiting.remove(stage)
                running[stage.name] = stage
                start(stage, functools.partial(_report, results, stage.name))
        name, good = results.get()
        del running[name]
        if good:
            finished.add(name)
        else:
            failed.append(name)
    return failed + [stage.name for stage in waiting]


def count_gpu_slots(wanted: int) -> int:
    """`wanted` on a machine with a GPU, else 0. Looks for devices, as importing torch is slow."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in ("", "-1"):
        return 0
    devices = [*Path("/dev").glob("nvidia[0-9]*"), *Path("/dev").glob("kfd")]
    return wanted if devices else 0


def _may_start(stage: Stage, missing: set[str], running: dict[str, Stage], limits: Limits) -> bool:
    used = sum(limits.gpus(other) for other in running.values())
    return (
        not missing.intersection(stage.upstream)
        and len(running) < limits.parallel
        and used + limits.gpus(stage) <= limits.gpu_slots
    )


def _report(results: Results, name: str, good: bool) -> None:
    results.put((name, good))
