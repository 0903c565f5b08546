"""`rlp rollback`, `rlp lineage` and `rlp reproduce`: what the commands say, for `rlp_core.cli`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rlp_core.champion import verify
from rlp_core.champion.reproduce import reproduce
from rlp_core.params import load
from rlp_core.tracking.ancestry import AncestorRun, trace
from rlp_core.tracking.asked import AskedRegistry
from rlp_core.tracking.rollback import roll_back
from rlp_core.workspace import Workspace

Say = Callable[[str], None]


def told_rollback(root: Path, name: str) -> str:
    """Go back to the previous champion; say what was done.

    Raises:
        RlpError: there is none, or the registry does not answer.
    """
    done = roll_back(_registry(root), name)
    return (
        f"champion of {name} is version {done.champion} again; version {done.former} is "
        "challenger, and stays it until a person takes away its tag rlp.rolled_back"
    )


def told_lineage(root: Path, model: str) -> Iterator[str]:
    """All that a model came from, line by line.

    Raises:
        RlpError: there is no such model, or the registry does not answer.
    """
    found = trace(_registry(root), model)
    yield f"{found.version}: arm {found.arm}, {found.version.tags.get('validation_status', '?')}"
    yield f"code: {_code(found.promoted)}"
    yield f"flow run: {found.promoted.flow_run or 'none, it was started without Prefect'}"
    yield f"judged by run {found.promoted.run_id}, {_time(found.promoted)}"
    for title, runs in (("made by", found.made), ("measured by", found.judged)):
        yield f"{title}:"
        for run in runs:
            yield from _run_lines(run, found.promoted)
    validated = next((run for run in found.made if run.stage == "validate"), None)
    yield f"validation: {f'run {validated.run_id}' if validated else 'no run in this store'}"
    for path, digest in found.lost.items():
        yield f"lost: no run in this store made {path} with digest {digest}"


def lineage_tree(root: Path, model: str) -> dict[str, Any]:
    """The same as a tree, with every parameter."""
    found = trace(_registry(root), model)
    tree = dataclasses.asdict(found)
    tree["version"]["tags"] = dict(found.version.tags)
    return tree


def run_reproduce(root: Path, model: str, folder: Path, *, again: bool, say: Say) -> bool:
    """Check a model's code out, restore or compute its data, verify; return whether all is equal.

    Raises:
        RlpError: the model is not known, its commit is not here, or the folder is taken.
    """
    registry = _registry(root)
    found = trace(registry, model)
    say(f"{found.version}: arm {found.arm}; code: {_code(found.promoted)}")
    checks = reproduce(root, registry, found, folder, again=again, say=say)
    stages = dict.fromkeys(check.stage for check in checks)
    for stage in stages:
        mine = [check for check in checks if check.stage == stage]
        say(f"{stage}: {sum(check.equal for check in mine)} of {len(mine)} equal")
        for check in mine:
            if not check.equal:
                say(f"  {check}")
    for path, digest in found.lost.items():
        say(f"not verified: no run in this store made {path} with digest {digest}")
    equal = all(check.equal for check in checks) and not found.lost
    say(verify.verdict(checks, folder, again=again) if not equal else "all is equal")
    return equal


def _registry(root: Path) -> AskedRegistry:
    workspace = Workspace(root)
    return AskedRegistry(workspace, load(workspace.params))


def _code(run: AncestorRun) -> str:
    if not run.commit:
        return "no commit, it did not run in a git checkout"
    return f"commit {run.commit}{', with changes that no commit holds' if run.dirty else ''}"


def _time(run: AncestorRun) -> str:
    return datetime.fromtimestamp(run.started / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _run_lines(run: AncestorRun, last: AncestorRun) -> Iterator[str]:
    yield f"  {run.stage}: run {run.run_id}, {_time(run)}, {len(run.parameters)} parameters"
    if (run.commit, run.dirty) != (last.commit, last.dirty):
        yield f"    code: {_code(run)}"
    if run.flow_run and run.flow_run != last.flow_run:
        yield f"    flow run: {run.flow_run}"
    for path, digest in run.data.items():
        yield f"    read {path} {digest}"
    for path, digest in sorted(run.outputs.items()):
        yield f"    made {path} {digest}"
