"""`rlp doctor`: what could go wrong on this machine, before it does."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rlp_core import quiet
from rlp_core.errors import RlpError
from rlp_core.params import Params, load
from rlp_core.workspace import Workspace

PACKAGES = ("torch", "transformers", "dvc", "prefect", "mlflow", "great-expectations", "fastapi")
"""Those whose versions decide most often."""

_LOW_DISK = 2 * 2**30  # bytes


@dataclass(frozen=True)
class Diagnosis:
    """One line of the report.

    Attributes:
        name: what was looked at.
        text: what was found, and where it is not fine, what to do.
        fine: whether all is well.
    """

    name: str
    text: str
    fine: bool = True


def examine(root: Path) -> list[Diagnosis]:
    """Look at everything; nothing is changed but the tracking database, made if it is absent."""
    workspace = Workspace(root)
    findings = [*_versions(), _switches(), _torch()]
    params: Params | None = None
    try:
        params = load(workspace.params)
        findings.append(Diagnosis("params.yaml", "all parameters are known and possible"))
    except RlpError as error:
        findings.append(Diagnosis("params.yaml", str(error), fine=False))
    findings += [_git(root), _dvc(root), _disk(root)]
    if params is not None:
        findings.append(_mlflow(workspace, params))
    return findings


def _versions() -> Iterator[Diagnosis]:
    for package in PACKAGES:
        try:
            yield Diagnosis(package, version(package))
        except PackageNotFoundError:
            yield Diagnosis(package, "not installed; run `make install`", fine=False)


def _switches() -> Diagnosis:
    changed = [
        f"{name}={os.environ[name]}"
        for name, value in quiet.SWITCHES.items()
        if os.environ.get(name, value) != value
    ]
    if changed:
        return Diagnosis("telemetry", f"set otherwise by you: {', '.join(changed)}")
    return Diagnosis("telemetry", f"off, and hubs offline ({len(quiet.SWITCHES)} switches)")


def _torch() -> Diagnosis:
    try:
        import torch
    except ImportError as error:
        return Diagnosis("torch threads", f"torch cannot be imported: {error}", fine=False)
    devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    cores = os.cpu_count() or 1
    threads = torch.get_num_threads()
    text = f"{threads} of {cores} cores; GPUs: {', '.join(devices) or 'none'}"
    return Diagnosis("torch threads", text, fine=threads <= cores)


def _git(root: Path) -> Diagnosis:
    try:
        commit = _output(root, "git", "rev-parse", "--short", "HEAD")
        changed = len(_output(root, "git", "status", "--porcelain").splitlines())
        shallow = _output(root, "git", "rev-parse", "--is-shallow-repository") == "true"
    except (OSError, subprocess.SubprocessError):
        text = "no git checkout: runs carry no commit, `dvc exp` does not work; `git init`"
        return Diagnosis("git", text, fine=False)
    if shallow:
        text = f"{commit}, a shallow clone: `dvc exp` may lose its result; `git fetch --unshallow`"
        return Diagnosis("git", text, fine=False)
    return Diagnosis("git", f"{commit}, {changed} files changed" if changed else f"{commit}, clean")


def _dvc(root: Path) -> Diagnosis:
    if not (root / ".dvc").is_dir():
        return Diagnosis("dvc", "no DVC workspace here; run in a checkout", fine=False)
    if not (root / "dvc.lock").is_file():
        return Diagnosis("dvc workspace", "nothing was run yet; `make run` or `dvc repro`")
    try:
        state = _output(root, "dvc", "status")
    except (OSError, subprocess.SubprocessError):
        text = "`dvc status` fails: another DVC may hold the workspace; wait for it, or run it"
        return Diagnosis("dvc workspace", text, fine=False)
    stale = [line for line in state.splitlines() if line and not line[0].isspace()]
    fresh = "up to date" in state
    names = ", ".join(line.rstrip(":") for line in stale)
    return Diagnosis("dvc workspace", "up to date" if fresh else f"would run: {names}")


def _disk(root: Path) -> Diagnosis:
    free = shutil.disk_usage(root).free
    text = f"{free / 2**30:.1f} GiB free"
    return Diagnosis("disk", text, fine=free > _LOW_DISK)


def _mlflow(workspace: Workspace, params: Params) -> Diagnosis:
    if not params.runtime.tracking:
        return Diagnosis("MLflow store", "off (runtime.tracking)")
    from rlp_core.tracking import masked
    from rlp_core.tracking.store import connect

    store = connect(workspace, params)
    if store is None or not store.open:
        return Diagnosis("MLflow store", "does not answer; see the warning above", fine=False)
    return Diagnosis("MLflow store", f"{masked(store.uri)}, experiment {params.runtime.experiment}")


def _output(root: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()
