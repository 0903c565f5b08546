"""What a run came from: its parameters, its inputs' digests, the commit, in words MLflow can hold.

Digests are computed as DVC computes them, so a tag of a run equals the entry in `dvc.lock`. That
is how a run is found again when DVC restores an output from its cache and no stage runs.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from rlp_core.workspace import Workspace

if TYPE_CHECKING:
    from rlp_core.params import Params

_NOT_TRACKED = ("__pycache__", ".pyc")  # as in .dvcignore


@dataclass(frozen=True)
class StageSpec:
    """A stage of `dvc.yaml` with its variables filled in.

    Attributes:
        params: keys of `params.yaml` that the stage depends on, `rlp` or `rlp.max_tokens`.
        deps: paths it reads, relative to the root.
        outs: paths it writes, metrics and plots among them.
    """

    params: tuple[str, ...]
    deps: tuple[str, ...]
    outs: tuple[str, ...]


def stage_spec(stage: str, params: Params, workspace: Workspace) -> StageSpec | None:
    """Read a stage from `dvc.yaml`; None where the workspace has no graph or not this stage."""
    graph = workspace.root / "dvc.yaml"
    if not graph.is_file():
        return None
    name, _, arm = stage.partition("@")
    entry = _stages(graph.read_text(encoding="utf-8")).get(name)
    if entry is None:
        return None
    entry = entry.get("do", entry)
    tree = params.model_dump(mode="json", by_alias=True)

    def paths(key: str) -> list[str]:
        listed = [next(iter(i)) if isinstance(i, dict) else i for i in entry.get(key, [])]
        return [_fill(item, arm, tree) for item in listed]

    return StageSpec(
        params=tuple(paths("params")),
        deps=tuple(paths("deps")),
        outs=tuple(paths("outs") + paths("metrics") + paths("plots")),
    )


@functools.lru_cache(maxsize=4)
def _stages(graph: str) -> dict[str, Any]:
    """The stages of a graph by name, to be read alone: one file is asked for every stage of it."""
    stages: dict[str, Any] = yaml.safe_load(graph)["stages"]
    return stages


def read_within(spec: StageSpec, workspace: Workspace) -> tuple[str, ...]:
    """Paths inside a stage's outputs on which other stages depend: `data/validated/rlp.jsonl`.

    They have digests of their own, by which such a stage's input leads to the run that made it.
    """
    graph = _stages((workspace.root / "dvc.yaml").read_text(encoding="utf-8"))
    named = [dep for entry in graph.values() for dep in entry.get("do", entry).get("deps", [])]
    texts = {next(iter(dep)) if isinstance(dep, dict) else dep for dep in named}
    return tuple(
        sorted(t for t in texts if "${" not in t and any(t.startswith(f"{o}/") for o in spec.outs))
    )


def stage_parameters(spec: StageSpec | None, params: Params) -> dict[str, str]:
    """The stage's own parameters, flat: `rlp.optimizer.lr` -> `0.001`."""
    tree = params.model_dump(mode="json", by_alias=True)
    flat: dict[str, str] = {}
    for key in spec.params if spec else ():
        _flatten(key, _look_up(tree, key), flat)
    return flat


def digests(paths: tuple[str, ...], workspace: Workspace) -> dict[str, str]:
    """DVC's digest of every path that exists."""
    found = {path: workspace.root / path for path in paths}
    return {path: dvc_digest(place) for path, place in found.items() if place.exists()}


def dvc_digest(path: Path) -> str:
    """The md5 that `dvc.lock` holds: of a file its bytes, of a folder its sorted listing."""
    if path.is_file():
        return _md5(path)
    listing = [
        {"md5": _md5(file), "relpath": file.relative_to(path).as_posix()}
        for file in path.rglob("*")
        if file.is_file() and not any(part.endswith(_NOT_TRACKED) for part in file.parts)
    ]
    listing.sort(key=lambda row: row["relpath"])
    text = json.dumps(listing, sort_keys=True)
    return hashlib.md5(text.encode()).hexdigest() + ".dir"


def fingerprint(stage: str, parameters: Mapping[str, str], inputs: Mapping[str, str]) -> str:
    """One digest of all that decides a stage's result: its parameters, data and code."""
    whole = json.dumps([stage, dict(parameters), dict(inputs)], sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()


def git_tags(root: Path) -> dict[str, str]:
    """Commit, and whether tracked files were changed since; empty outside a git checkout."""
    commit = _git(root, "rev-parse", "HEAD")
    if commit is None:
        return {}
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    return {"mlflow.source.git.commit": commit, "git.dirty": "true" if changed else "false"}


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None  # no git, or no commit: the run then carries no commit
    return done.stdout.strip()


def _fill(text: str, arm: str, tree: Mapping[str, Any]) -> str:
    """Replace `${key}`, `${item}` (both the arm) and `${section.key}` as DVC does."""

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        return arm if name in ("key", "item") else str(_look_up(tree, name))

    return re.sub(r"\$\{([^}]+)\}", value, text)


def _look_up(tree: Mapping[str, Any], key: str) -> Any:
    node: Any = tree
    for part in key.split("."):
        node = node[part]
    return node


def _flatten(prefix: str, value: Any, into: dict[str, str]) -> None:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            _flatten(f"{prefix}.{key}", inner, into)
    elif isinstance(value, list) and any(isinstance(inner, dict) for inner in value):
        for number, inner in enumerate(value):
            _flatten(f"{prefix}.{number}", inner, into)
    else:
        into[prefix] = str(value)


def _md5(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "md5").hexdigest()
