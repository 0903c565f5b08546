"""The stages of `dvc.yaml`, without DVC: their names, and an order in which they can run."""

from __future__ import annotations

import graphlib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from rlp_core.errors import ConfigError, MissingInputError
from rlp_core.tracking.lineage import StageSpec


def stage_names(root: Path) -> tuple[str, ...]:
    """Every stage, one of each kind per arm, in the order of the file.

    Raises:
        MissingInputError: there is no `dvc.yaml`: this is no checkout.
        ConfigError: a `foreach` names what the files under `vars` do not hold.
    """
    path = root / "dvc.yaml"
    if not path.is_file():
        raise MissingInputError(
            "no pipeline here",
            where=str(path),
            fix="run in a checkout of the project, or name one with --root",
        )
    tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    variables: dict[str, Any] = {}
    for name in tree.get("vars", []):
        variables |= yaml.safe_load((root / str(name)).read_text(encoding="utf-8"))
    found: list[str] = []
    for name, entry in tree["stages"].items():
        if "foreach" in entry:
            key = str(entry["foreach"]).removeprefix("${").removesuffix("}")
            if key not in variables:
                raise ConfigError(
                    f"stage {name} is made for each of {key!r}, which is declared nowhere",
                    where=str(path),
                    fix="declare it in a file under `vars`",
                )
            found += [f"{name}@{item}" for item in variables[key]]
        else:
            found.append(name)
    return tuple(found)


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
