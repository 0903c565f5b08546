"""The task graph, read from `dvc.yaml` by DVC itself, so that it is written in one place only.

DVC resolves templates and matrices and decides which stage needs which. What a scheduler needs
beside the graph stands under `meta:` of each stage, and is checked here.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlp_core.errors import ConfigError, MissingInputError

PHASES = (
    "validate-data",
    "il-bootstrap",
    "rlp-pretrain",
    "fine-tune",
    "evaluate",
    "promote",
)


@dataclass(frozen=True)
class Meta:
    """What `meta:` of a stage says.

    Attributes:
        phase: the flow that the stage belongs to, one of `PHASES`.
        gpus: how many GPUs it uses where there are any.
        retries: how often to repeat it after exit code 75; no other code is repeated.
        timeout_minutes: wall time after which its process tree is ended.
    """

    phase: str
    gpus: int
    retries: int
    timeout_minutes: int


@dataclass(frozen=True)
class Stage:
    """A stage as DVC resolved it.

    Attributes:
        name: DVC's address, `evaluate@rlp`.
        description: `desc:` of the stage.
        upstream: names of the stages whose outputs it reads, in DVC's order.
        meta: what the scheduler needs.
    """

    name: str
    description: str
    upstream: tuple[str, ...]
    meta: Meta


def load_graph(root: Path) -> tuple[Stage, ...]:
    """Read every stage of `dvc.yaml` at `root`, in the order in which `dvc repro` runs them.

    Raises:
        MissingInputError: `root` is no DVC project, or has no git.
        ConfigError: DVC cannot read the file, or a `meta:` is incomplete or unknown.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro
    from dvc.stage import PipelineStage

    if not (root / "dvc.yaml").is_file() or not (root / ".dvc").is_dir():
        raise MissingInputError(
            "no pipeline here", where=str(root), fix="start from the root of the checkout"
        )
    refuse_without_git(root)
    try:
        with Repo(str(root)) as repo:
            graph = get_active_graph(repo.index.graph)
            ordered = plan_repro(graph, collect_stages(repo, [str(root / "dvc.yaml")]))
            return tuple(
                Stage(
                    name=node.name,
                    description=node.desc or "",
                    upstream=tuple(
                        needed.name
                        for needed in graph.successors(node)
                        if isinstance(needed, PipelineStage)
                    ),
                    meta=parse_meta(node.name, node.meta),
                )
                for node in ordered
                if isinstance(node, PipelineStage)  # a `.dvc` file of data has nothing to run
            )
    except DvcException as error:
        raise ConfigError(
            f"DVC cannot read the pipeline: {error}",
            where=str(root / "dvc.yaml"),
            fix="mend what it names (if it is your data folder: `prepare.folder` in params.yaml "
            "must lie outside of what stages write); `dvc stage list` shows the same error",
        ) from error


def refuse_without_git(root: Path) -> None:
    """DVC works in a git checkout, or where it was told that there is none.

    Raises:
        MissingInputError: there is none, and DVC was not told: an archive was unpacked here.
    """
    from dvc.config import Config

    if any((folder / ".git").exists() for folder in (root, *root.parents)):
        return
    if (root / ".dvc").is_dir() and not Config(str(root / ".dvc"))["core"].get("no_scm"):
        raise MissingInputError(
            "no git checkout here, and DVC needs one",
            where=str(root),
            fix="`git init`, or `git clone` the project; to do without git, "
            "`dvc config --local core.no_scm true`",
        )


def in_phases(stages: tuple[Stage, ...], phases: tuple[str, ...]) -> tuple[Stage, ...]:
    """The stages of some phases, in order."""
    return tuple(stage for stage in stages if stage.meta.phase in phases)


def parse_meta(name: str, meta: Any) -> Meta:
    """Check the `meta:` of stage `name`.

    Raises:
        ConfigError: a key is missing or unknown, or a value cannot be.
    """
    if not isinstance(meta, Mapping):
        raise _bad(
            name, "there is no `meta:`", f"add phase, gpus, retries, timeout_minutes: {meta}"
        )
    known = list(Meta.__dataclass_fields__)
    for key in meta:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean `{near[0]}`? " if near else ""
            raise _bad(name, f"`{key}` is not known", f"{hint}known: {', '.join(known)}")
    missing = [key for key in known if key not in meta]
    if missing:
        raise _bad(name, f"`{missing[0]}` is missing", f"add it; needed: {', '.join(known)}")
    if meta["phase"] not in PHASES:
        raise _bad(name, f"phase {meta['phase']!r} is not known", f"one of {', '.join(PHASES)}")
    for key, least in (("gpus", 0), ("retries", 0), ("timeout_minutes", 1)):
        value = meta[key]
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise _bad(name, f"`{key}` = {value!r}", f"a whole number of at least {least}")
    return Meta(**{key: meta[key] for key in known})


def _bad(stage: str, what: str, fix: str) -> ConfigError:
    return ConfigError(f"stage {stage}: {what}", where=f"dvc.yaml, stages.{stage}.meta", fix=fix)
