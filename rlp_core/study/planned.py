"""Which runs a study consists of, and with which parameters: nothing is written here."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlp_core import profiles
from rlp_core.errors import ConfigError, RlpError, UsageError, did_you_mean
from rlp_core.params import Params, from_tree
from rlp_core.study.config import StudyFile
from rlp_core.yaml_file import read_yaml

Tree = dict[str, Any]

FOLDER_KEYS = (
    "prepare.folder",
    "evaluate.benchmark_folder",
    "base.checkpoint_folder",
    "evaluate.bias.folder",
    "rlp.reward_folder",
)
"""Parameters that name folders of the checkout which the user fills."""


@dataclass(frozen=True)
class StudyRun:
    """One run of the pipeline: a variant with a seed, in a workspace of its own.

    Attributes:
        variant: its name.
        seed: of the run.
        folder: its workspace.
        tree: what its `params.yaml` holds.
        params: the same, checked.
        links: folders of the checkout that the workspace sees as its own, relative to both.
        until: stages to run to; none: all.
    """

    variant: str
    seed: int
    folder: Path
    tree: Tree
    params: Params
    links: tuple[str, ...]
    until: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.variant}, seed {self.seed}"


def planned(
    study: StudyFile,
    root: Path,
    folder: Path,
    where: str,
    seeds: Sequence[int] = (),
    variants: Sequence[str] = (),
) -> tuple[StudyRun, ...]:
    """The runs, seed by seed, and within a seed in the order of the variants.

    Args:
        study: as read.
        root: the checkout.
        folder: of the study's workspaces.
        where: the study file, for messages.
        seeds, variants: only these; none: all.

    Raises:
        UsageError: a seed or variant that the study has not.
        ConfigError: parameters that cannot be, of whichever runs, all told.
    """
    _check_chosen("seed", seeds, study.seeds)
    _check_chosen("variant", variants, list(study.variants))
    base = read_yaml(profiles.path(root, study.profile), "see profiles/tiny.yaml for the shape")
    runs: list[StudyRun] = []
    faults: dict[str, ConfigError] = {}
    for seed in seeds or study.seeds:
        for name in (v for v in study.variants if not variants or v in variants):
            try:
                runs.append(_run(study, root, folder, where, base, name, seed))
            except ConfigError as error:
                faults.setdefault(f"variant {name}: {error.what}", error)
    if faults:
        raise ConfigError(
            "\n".join(faults),
            where=where,
            fix="correct `overrides` or the profile; docs/reference/params.md lists all keys",
        )
    return tuple(runs)


def _run(
    study: StudyFile, root: Path, folder: Path, where: str, base: Tree, name: str, seed: int
) -> StudyRun:
    tree = copy.deepcopy(base)
    for given in (study.overrides, study.variants[name].overrides):
        tree = merged(tree, given)
    tree["seed"] = seed
    place = f"{where}, profile {study.profile} with the overrides of variant {name}"
    until = study.variants[name].until or study.until
    return run_of(tree, root, _folder(folder, name, seed), name, place, until)


def run_of(
    tree: Tree, root: Path, folder: Path, variant: str, where: str, until: tuple[str, ...]
) -> StudyRun:
    """A run by its parameters.

    Args:
        tree: all parameters; folders beside the checkout become absolute in it.
        root: the checkout.
        folder: the run's workspace.
        variant: what the run is called, beside its seed.
        where: what a message calls the place of the parameters.
        until: stages to run to; none: all.

    Raises:
        ConfigError: parameters that cannot be.
    """
    links = _resolve(tree, from_tree(tree, where), root)
    params = from_tree(tree, where)
    return StudyRun(variant, params.seed, folder, tree, params, tuple(links), until)


def planned_folders(study: StudyFile, folder: Path) -> tuple[Path, ...]:
    """The workspaces of all runs, asked for now or not: each may have what others need."""
    return tuple(_folder(folder, name, seed) for seed in study.seeds for name in study.variants)


def _folder(folder: Path, variant: str, seed: int) -> Path:
    return folder / variant / f"seed-{seed}"


def merged(tree: Mapping[str, Any], given: Mapping[str, Any]) -> Tree:
    """Parameters with overrides: sections are merged, other values replaced, null taken out.

    Args:
        tree: parameters.
        given: by dotted key, `rlp.steps: 10`, or nested, `rlp: {steps: 10}`.
    """
    result = dict(tree)
    for dotted, value in given.items():
        key, dot, rest = dotted.partition(".")
        inner = {rest: value} if dot else value
        if isinstance(inner, Mapping):
            old = result.get(key)
            result[key] = merged(old if isinstance(old, Mapping) else {}, inner)
        elif inner is None:
            result.pop(key, None)
        else:
            result[key] = inner
    return result


def _resolve(tree: Tree, params: Params, root: Path) -> list[str]:
    """Have the folders of the checkout found from a workspace; return those to be linked.

    A folder within the checkout keeps its name, so that it is the same parameter here and there.
    One beside the checkout has another relative name from a workspace: it becomes absolute.
    """
    values = params.model_dump(mode="json", by_alias=True)
    links: list[str] = []
    for dotted in FOLDER_KEYS:
        name = str(value_at(values, dotted))
        inside = os.path.normpath(name)
        if Path(name).is_absolute():
            continue
        if inside.startswith(".."):
            _set(tree, dotted, os.path.normpath(root / name))
        else:
            links.append(inside)
    checkpoint = str(params.base.checkpoint or "")
    beside = os.path.normpath(checkpoint).startswith("..")
    if beside and (root / checkpoint).is_dir():
        tree["base"]["checkpoint"] = os.path.normpath(root / checkpoint)
    outer = [a for a in dict.fromkeys(links) if not any(_within(a, b) for b in links if a != b)]
    return sorted(outer)


def _within(inner: str, outer: str) -> bool:
    return Path(inner).is_relative_to(outer)


def value_at(tree: Any, dotted: str) -> Any:
    for key in dotted.split("."):
        tree = tree[key]
    return tree


def _set(tree: Tree, dotted: str, value: Any) -> None:
    *sections, last = dotted.split(".")
    for key in sections:
        tree = tree.setdefault(key, {})
    tree[last] = value


def _check_chosen(what: str, chosen: Sequence[Any], known: Sequence[Any]) -> None:
    for one in chosen:
        if one not in known:
            listed = [str(name) for name in known]
            raise UsageError(
                f"the study has no {what} {one}",
                where=f"--{what}s",
                fix=f"{did_you_mean(str(one), listed)}known: {', '.join(listed)}; or add it to the "
                "study file",
            )


def told_at_once(faults: Mapping[str, RlpError]) -> None:
    """Raise what stands in the way of several runs: the one fault, or all of them in one.

    Args:
        faults: by what is told of each.

    Raises:
        RlpError: unless there are none.
    """
    if len(faults) == 1:
        raise next(iter(faults.values()))
    if faults:
        raise ConfigError(
            "\n".join([f"{len(faults)} things stand in the way:", *(f"  - {t}" for t in faults)]),
            where="the study and what it names",
            fix="mend each as said, then give the same command again",
        )
