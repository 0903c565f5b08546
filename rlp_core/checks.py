"""What can be known to go wrong before any work, beyond what `params.yaml` says by itself.

`load` finds what is wrong within the file. Here the file is held against the rest: the arms and
metrics that there are, the files that are read, the model that is begun with.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rlp_core import arms
from rlp_core.data import files, harness_config
from rlp_core.data.benchmark_config import Benchmark
from rlp_core.data.config import Files
from rlp_core.data.harness_config import HarnessTask
from rlp_core.data.mapping import Mapper
from rlp_core.data.prepare import places_of
from rlp_core.data.procedural_config import Procedural
from rlp_core.data.records import kind_of
from rlp_core.errors import (
    ConfigError,
    DataError,
    MissingInputError,
    RlpError,
    UnavailableError,
    did_you_mean,
)
from rlp_core.evaluation import benchmarks
from rlp_core.evaluation.bias import bbq, holisticbias, sets, winobias
from rlp_core.evaluation.rankable import metric_fault
from rlp_core.objective import reward_terms
from rlp_core.params import Params
from rlp_core.params.root import sequence_lengths
from rlp_core.policy.context_length import context_length
from rlp_core.workspace import PARTS, TRAINING_PARTS
from rlp_core.yaml_file import read_yaml


def check(params: Params, root: Path, *, data: bool = True) -> None:
    """Raise what stands in the way of a run, all of it at once.

    Args:
        params: as read.
        root: the checkout.
        data: whether the run begins at its beginning: then the files of `prepare.folder` are
            needed, and the model that is begun with; stages behind `prepare` read no file.

    Raises:
        RlpError: the one fault; or, of several, a ConfigError that tells them all.
    """
    found = list({str(fault): fault for fault in _faults(params, root, data=data)}.values())
    if len(found) == 1:
        raise found[0]
    if found:
        told = [f"  - {fault.what} ({fault.where}); {fault.fix}" for fault in found]
        raise ConfigError(
            "\n".join([f"{len(found)} things stand in the way:", *told]),
            where="params.yaml, and what it names",
            fix="mend each as said; `rlp params check` looks again",
        )


def _faults(params: Params, root: Path, *, data: bool) -> Iterator[RlpError]:
    yield from _promotion(params)
    yield from _arms_asked(params)
    yield from _checkpoint(params, root, begins=data)
    yield from _own_reward_terms(params, root)
    if data:
        yield from _folder(root / params.prepare.folder)
        yield from _folder(root / params.base.checkpoint_folder)
        yield from _folder(root / params.rlp.reward_folder)
        yield from _sources(params, root)
        yield from _bias_sets(params, root)


def _promotion(params: Params) -> Iterator[RlpError]:
    known = arms.declared().names
    for arm in params.promote.candidates:
        if arm not in known:
            yield _no_arm(arm, known, "promote.candidates")
    if not params.promote.candidates:
        yield ConfigError(
            "no arm may win",
            where="params.yaml, key promote.candidates",
            fix=f"name at least one of: {', '.join(known)}",
        )
    named = {"promote.metric": params.promote.metric}
    gate = params.promote.gate
    for i, one in enumerate(gate.no_regression):
        named[f"promote.gate.no_regression.{i}.metric"] = one.metric
    for i, limit in enumerate(gate.limits):
        named[f"promote.gate.limits.{i}.metric"] = limit.metric
    for key, metric in named.items():
        fault = metric_fault(
            metric, key, params.evaluate.benchmarks, controls=params.evaluate.controls
        )
        if fault is not None:
            yield fault


def _arms_asked(params: Params) -> Iterator[RlpError]:
    known = arms.declared().names
    for arm in params.evaluate.shots.arms:
        if arm not in known:
            yield _no_arm(arm, known, "evaluate.shots.arms")


def _no_arm(arm: str, known: Sequence[str], key: str) -> RlpError:
    return ConfigError(
        f"no arm is called {arm!r}",
        where=f"params.yaml, key {key}",
        fix=f"{did_you_mean(arm, known)}choose among: {', '.join(known)}",
    )


def _own_reward_terms(params: Params, root: Path) -> Iterator[RlpError]:
    """Functions of a user's own that are not there, or do not import."""
    for name in filter(reward_terms.is_own, params.rlp.reward_terms):
        try:
            reward_terms.get(name, str(root / params.rlp.reward_folder))
        except RlpError as error:
            yield error


def _checkpoint(params: Params, root: Path, *, begins: bool) -> Iterator[RlpError]:
    """A folder's place, a hub's model in the cache, and sequences against the model's longest."""
    name = params.base.checkpoint
    if not name:
        return
    folder = root / Path(name).expanduser()
    if not folder.is_dir():
        if name.startswith((".", "/", "~")):
            yield MissingInputError(
                "no such folder",
                where=f"params.yaml: base.checkpoint = {name!r}",
                fix="correct it, or give the name of a model on the hub",
            )
        elif begins and not (root / "models" / "base" / "config.json").is_file():
            try:
                _hub_model(name, params)
            except RlpError as error:
                yield error
        return
    within = (root / params.base.checkpoint_folder).resolve()
    if not folder.resolve().is_relative_to(within):
        yield ConfigError(
            "the checkpoint could change and nothing would run again: stage `base` depends on "
            f"{params.base.checkpoint_folder}, and it lies elsewhere",
            where=f"params.yaml: base.checkpoint = {name!r}",
            fix="set `base.checkpoint_folder` to the checkpoint's folder; or copy it there",
        )
    try:
        limit = _longest(folder / "config.json")
    except RlpError as error:
        yield error
        return
    lengths = sequence_lengths(params) | {"base.max_tokens": params.base.max_tokens}
    for keys, length in lengths.items():
        if limit is not None and length > limit:
            yield ConfigError(
                f"{keys} = {length} exceeds the longest sequence of the checkpoint, {limit}",
                where=f"params.yaml, and {folder / 'config.json'}",
                fix="lower one of the keys, or take a model with a longer context",
            )


def _hub_model(name: str, params: Params) -> None:
    """See that stage `base` will find a hub's model, where nothing may be fetched.

    Raises:
        ConfigError: it is no name of a model.
        UnavailableError: it is not in the hub's cache, or not whole.
    """
    from huggingface_hub import constants, try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    revision = params.base.revision
    try:
        found = try_to_load_from_cache(name, "config.json", revision=revision or None)
    except HFValidationError as error:
        raise ConfigError(
            "neither a folder here nor the name of a model on a hub",
            where=f"params.yaml: base.checkpoint = {name!r}",
            fix="a hub's names are OWNER/MODEL; a folder lies below `base.checkpoint_folder`",
        ) from error
    if not constants.HF_HUB_OFFLINE:
        return  # stage `base` fetches what is not there
    told = "is not in the hub's cache, and runs are offline"
    if isinstance(found, str):
        from rlp_core.policy.checks import check_folder  # with torch, so only here

        try:
            check_folder(Path(found).parent)
            return
        except RlpError as error:
            told = f"is not whole in the hub's cache: {error.what}"
    folder = Path(params.base.checkpoint_folder) / name.rpartition("/")[2].lower()
    pinned = f" --revision {revision}" if revision else ""
    place = f"{name}, revision {revision}" if revision else name
    raise UnavailableError(
        f"the model to begin with {told}",
        where=f"params.yaml: base.checkpoint = {place}",
        fix=f"fetch it once: `HF_HUB_OFFLINE=0 rlp model import {name} {folder}{pinned}`, which "
        "fills the cache, and makes a folder that `base.checkpoint` can name too; a model that "
        f"you have: `rlp model import SOURCE {folder}` (docs/guides/import-a-model.md)",
    )


def _longest(config: Path) -> int | None:
    """The longest sequence that a configuration states; None where it states none."""
    try:
        tree: Any = json.loads(config.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise MissingInputError(
            "the checkpoint has no configuration",
            where=str(config),
            fix="name a folder that `save_pretrained` wrote, in `base.checkpoint`",
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"the configuration of the checkpoint cannot be read: {error}",
            where=str(config),
            fix="fetch the model again; a file of Git LFS needs `git lfs pull`",
        ) from error
    return context_length(tree) if isinstance(tree, dict) else None


def _folder(folder: Path) -> Iterator[RlpError]:
    """What DVC, which reads all of the folder, would wait for or stumble over."""
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            if (fault := files.unusual(Path(place, name))) is not None:
                yield fault


def _bias_sets(params: Params, root: Path) -> Iterator[RlpError]:
    """Sets that cannot be read: `evaluate` comes last, and would tell hours later."""
    bias = params.evaluate.bias
    folder = root / bias.folder
    try:
        used = sets.load(bias.sets, folder)
    except RlpError as error:
        yield error
        return
    readers: list[Callable[[], object]] = [
        functools.partial(sets.read_items, name, settings, folder)
        for name, settings in used.items()
    ]
    published = ((bias.bbq, bbq.load), (bias.winobias, winobias.load))
    readers += [functools.partial(load, folder / name, 0, 0) for name, load in published if name]
    if bias.holisticbias:
        readers.append(functools.partial(holisticbias.read, folder / bias.holisticbias, 0, 0))
    for read in readers:
        try:
            read()
        except RlpError as error:
            yield error


def _held_out(part: str, where: str, source: Procedural, params: Params) -> Iterator[RlpError]:
    """A training part that asks for a world that no training record may be of."""
    if part in TRAINING_PARTS and params.validate_.heldout_worlds.get(source.world) == 0:
        yield ConfigError(
            f"the world `{source.world}` is held out, and part {part} asks for records of it",
            where=f"params.yaml, key {where}",
            fix="take the source away, or the world out of `validate.heldout_worlds`",
        )


def _sources(params: Params, root: Path) -> Iterator[RlpError]:
    """Mappings that cannot be, and patterns that match nothing."""
    prepare, settings = params.prepare, params.evaluate
    used: dict[str, Benchmark] = {}
    try:
        used = benchmarks.load(settings.benchmarks, root / settings.benchmark_folder)
    except RlpError as error:
        yield error
    for part in PARTS:
        for place in places_of(prepare, used, part):
            if isinstance(place.source, Procedural):
                yield from _held_out(part, place.where, place.source, params)
                continue
            try:
                if isinstance(place.source, HarnessTask):
                    task = Path(place.source.file)
                    tree = read_yaml(task, "a task file of lm-evaluation-harness")
                    harness_config.data_files(task, tree, root, root / prepare.folder)
                    harness_config.require_harness(task)
                    continue
                Mapper(place.source, kind_of(part), prepare.heldout_share, place.where)
            except RlpError as error:
                yield error
            optional = place.examples and not settings.shots.count
            if isinstance(place.source, Files) and not optional:
                try:
                    files.matching(root / prepare.folder, place.source.pattern)
                except RlpError as error:
                    yield error
