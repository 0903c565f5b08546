"""Which runs a sweep consists of: nothing is written here.

A trial is a run of the pipeline, in a workspace of its own, as far as the stage whose metric is
judged. What no parameter of the space can change is computed once, before the trials.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlp_core import profiles
from rlp_core.errors import ConfigError, did_you_mean
from rlp_core.stage import stage_names
from rlp_core.study.graph import in_order, upstream
from rlp_core.study.planned import StudyRun, Tree, merged, run_of
from rlp_core.sweep.config import Choices, Domain, GridSampler, SweepFile, SweepPruner
from rlp_core.sweep.reading import impossible
from rlp_core.tracking.lineage import StageSpec, stage_spec
from rlp_core.workspace import Workspace
from rlp_core.yaml_file import read_yaml

Values = Mapping[str, Any]
"""Dotted key of a parameter to its value in a trial."""

SHARED = "shared"
"""The workspace of what all trials have in common."""


@dataclass(frozen=True)
class SweepPlan:
    """A sweep, held against the checkout.

    Attributes:
        sweep: as read.
        path: its file.
        root: the checkout.
        folder: of the workspaces.
        tree: the parameters that all trials begin with.
        shared: stages that no parameter of the space decides, in an order that can run.
        own: the other stages that a trial runs.
        probes: runs that show every value of a grid, or every bound and choice of the space.
    """

    sweep: SweepFile
    path: Path
    root: Path
    folder: Path
    tree: Tree
    shared: tuple[str, ...]
    own: tuple[str, ...]
    probes: tuple[StudyRun, ...] = ()

    def trial(self, number: int, values: Values) -> StudyRun:
        """The run of a trial.

        Args:
            number: of the trial, from 0.
            values: of the parameters of the space.

        Raises:
            ConfigError: parameters that cannot be, together.
        """
        name = trial_name(number)
        told = ", ".join(f"{key} = {value}" for key, value in values.items())
        return self._run(values, name, f"{self.path}, {name}: {told}", (self.sweep.metric.stage,))

    def common(self) -> StudyRun:
        """The run of the stages that all trials share, with the first values of the space."""
        return self._run(end_values(self.sweep), SHARED, str(self.path), self.shared)

    def _run(self, values: Values, name: str, where: str, until: tuple[str, ...]) -> StudyRun:
        tree = with_values(copy.deepcopy(self.tree), values)
        return run_of(tree, self.root, self.folder / name, name, where, until)


def trial_name(number: int) -> str:
    """What a trial is called, and the folder of its workspace."""
    return f"trial-{number:04d}"


def end_values(sweep: SweepFile, last: bool = False) -> dict[str, Any]:
    """The lower bound of every range and the first of all choices; or the upper, and the last."""
    end = -1 if last else 0
    return {key: bounds(domain)[end] for key, domain in sweep.space.items()}


def bounds(domain: Domain) -> tuple[Any, ...]:
    """Both ends of a range, or all choices."""
    return domain.values if isinstance(domain, Choices) else (domain.low, domain.high)


def grid(sweep: SweepFile) -> list[Values]:
    """All combinations of a grid, the last parameter changing first; of other samplers none."""
    if not isinstance(sweep.sampler, GridSampler):
        return []
    choices = [of.values for of in sweep.space.values() if isinstance(of, Choices)]
    return [dict(zip(sweep.space, values, strict=True)) for values in itertools.product(*choices)]


def with_values(tree: Tree, values: Values) -> Tree:
    """Parameters with the values of a trial; here null is a value, and takes no key out."""
    tree = merged(tree, {key: value for key, value in values.items() if value is not None})
    for dotted in (key for key, value in values.items() if value is None):
        *sections, last = dotted.split(".")
        inner = tree
        for section in sections:
            inner = inner.setdefault(section, {})
        inner[last] = None
    return tree


def plan(sweep: SweepFile, path: Path, root: Path, folder: Path) -> SweepPlan:
    """Hold a sweep against the checkout: its profile, its parameters, what they decide.

    Raises:
        ConfigError: a parameter that cannot be, or that decides nothing of what is judged; all
            such are told.
    """
    base = read_yaml(profiles.path(root, sweep.profile), "see profiles/tiny.yaml for the shape")
    if given := sorted(_flat(sweep.overrides) & sweep.space.keys()):
        raise impossible(path, [f"`overrides.{key}`: is varied by `space` too" for key in given])
    tree = merged(base, sweep.overrides)
    runs = _probes(SweepPlan(sweep, path, root, folder, tree, (), ()))
    specs = {
        name: spec
        for name in stage_names()
        if (spec := stage_spec(name, runs[0].params, Workspace(root))) is not None
    }
    stages = in_order(specs, (sweep.metric.stage,))
    changed = {key: [name for name in stages if decides(key, specs[name])] for key in sweep.space}
    idle = [key for key, names in changed.items() if not names]
    if idle:
        raise impossible(
            path,
            [
                f"`space.{key}`: decides nothing of stage {sweep.metric.stage}: all trials would "
                "be the same"
                for key in idle
            ],
        )
    touched = {name for names in changed.values() for name in names}
    above, own_ones = upstream(specs), set[str]()
    for name in stages:  # each stands behind those whose outputs it reads
        if name in touched or own_ones.intersection(above[name]):
            own_ones.add(name)
    shared = tuple(name for name in stages if name not in own_ones)
    own = tuple(name for name in stages if name in own_ones)
    if sweep.pruner is not None:
        _check_pruner(sweep.pruner, path, {name: specs[name] for name in own})
    return SweepPlan(sweep, path, root, folder, tree, shared, own, tuple(runs))


def _check_pruner(pruner: SweepPruner, path: Path, own: Mapping[str, StageSpec]) -> None:
    trains = [name for name, of in own.items() if any(out.endswith("steps.csv") for out in of.outs)]
    if pruner.stage not in trains:
        told = (
            f"{did_you_mean(pruner.stage, trains)}those of a trial: {', '.join(trains) or 'none'}"
        )
        raise impossible(
            path, [f"`pruner.stage`: {pruner.stage!r} is no training stage of a trial; {told}"]
        )


def _probes(plan: SweepPlan) -> list[StudyRun]:
    """Runs with every value of a grid together, or every bound and choice at least once.

    Raises:
        ConfigError: a combination of a grid cannot be; or a bound or choice, beside the first
            values of all others and beside the last.
    """
    runs: list[StudyRun] = []
    faults: dict[str, None] = {}
    for number, alternatives in enumerate(_to_probe(plan.sweep)):
        errors = []
        for values in alternatives:
            try:
                runs.append(plan.trial(number, values))
                break
            except ConfigError as error:
                errors.append(error.what.removeprefix("impossible parameters:\n  - "))
        else:
            faults[errors[0]] = None
    if faults:
        raise impossible(plan.path, list(faults))
    return runs


def _to_probe(sweep: SweepFile) -> Iterator[list[Values]]:
    """Sets of values, of each of which one must be possible."""
    if combinations := grid(sweep):
        yield from ([values] for values in combinations)
        return
    first, last = end_values(sweep), end_values(sweep, last=True)
    for key, domain in sweep.space.items():
        for value in bounds(domain):
            yield [{**first, key: value}, {**last, key: value}]


def decides(key: str, spec: StageSpec) -> bool:
    """Whether a stage depends on a parameter, as `dvc.yaml` says it."""
    return any(
        key == own or key.startswith(f"{own}.") or own.startswith(f"{key}.") for own in spec.params
    )


def _flat(tree: Mapping[str, Any], before: str = "") -> set[str]:
    """Dotted keys of overrides, those of sections too."""
    keys: set[str] = set()
    for key, value in tree.items():
        keys.add(before + key)
        if isinstance(value, Mapping):
            keys |= _flat(value, f"{before}{key}.")
    return keys
