"""An order in which the stages of `dvc.yaml` can run, without DVC."""

from __future__ import annotations

import graphlib
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from rlp_core.tracking.lineage import StageSpec


def in_order(specs: Mapping[str, StageSpec], until: Sequence[str]) -> tuple[str, ...]:
    """The stages that `until` needs, itself among them, each after those whose outputs it reads.

    Args:
        specs: all stages.
        until: stages; none: all.

    Raises:
        graphlib.CycleError: stages need one another, which DVC would refuse too.
    """
    upstream = {
        name: [
            other
            for other, theirs in specs.items()
            if other != name and any(_overlap(d, o) for d in spec.deps for o in theirs.outs)
        ]
        for name, spec in specs.items()
    }
    wanted: set[str] = set()
    waiting = list(until or specs)
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            waiting += upstream[name]
    within = {name: upstream[name] for name in specs if name in wanted}
    return tuple(graphlib.TopologicalSorter(within).static_order())


def _overlap(first: str, second: str) -> bool:
    """Whether one path is the other, or lies within it."""
    a, b = PurePosixPath(first), PurePosixPath(second)
    return a.is_relative_to(b) or b.is_relative_to(a)
