"""An order in which the stages of `dvc.yaml` can run, without DVC."""

from __future__ import annotations

import graphlib
import posixpath
from collections.abc import Mapping, Sequence

from rlp_core.tracking.lineage import StageSpec


def in_order(specs: Mapping[str, StageSpec], until: Sequence[str]) -> tuple[str, ...]:
    """The stages that `until` needs, itself among them, each after those whose outputs it reads.

    Args:
        specs: all stages.
        until: stages; none: all.

    Raises:
        graphlib.CycleError: stages need one another, which DVC would refuse too.
    """
    above = upstream(specs)
    wanted: set[str] = set()
    waiting = list(until or specs)
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            waiting += above[name]
    within = {name: above[name] for name in specs if name in wanted}
    return tuple(graphlib.TopologicalSorter(within).static_order())


def upstream(specs: Mapping[str, StageSpec]) -> dict[str, list[str]]:
    """Of each stage those whose outputs it reads."""
    return {
        name: [
            other
            for other, theirs in specs.items()
            if other != name and any(_overlap(d, o) for d in spec.deps for o in theirs.outs)
        ]
        for name, spec in specs.items()
    }


def _overlap(first: str, second: str) -> bool:
    """Whether one path is the other, or lies within it."""
    a, b = (f"{posixpath.normpath(path)}/" for path in (first, second))
    return a.startswith(b) or b.startswith(a)
