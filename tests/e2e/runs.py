"""Runs of the micro graph, each made once and shared by the tests that only look at it."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e import checkout
from tests.e2e.offline import offline


@dataclass(frozen=True)
class FlowRun:
    """A run of the whole flow without a network.

    Attributes:
        root: the copy of the checkout that it ran in.
        said: what it printed.
        calls: what it tried to reach; empty: nothing.
    """

    root: Path
    said: str
    calls: str


@pytest.fixture(scope="session")
def by_dvc(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A copy in which `dvc repro` has run, its lock committed."""

    def make(folder: Path) -> None:
        root = checkout.copy_to(folder / "copy")
        checkout.run(root, "dvc", "repro")
        checkout.git(root, "add", "dvc.lock")
        checkout.git(root, "commit", "-q", "-m", "Run")

    return _once("by-dvc", make, tmp_path_factory, worker_id) / "copy"


@pytest.fixture(scope="session")
def by_flow(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> FlowRun:
    """The whole flow, with neither a server nor a network."""

    def make(folder: Path) -> None:
        root = checkout.copy_to(folder / "copy")
        done = offline(root, folder / "calls", "flows.pipeline")
        assert done.returncode == 0, done.stdout[-6000:]
        (folder / "said").write_text(done.stdout, encoding="utf-8")

    folder = _once("by-flow", make, tmp_path_factory, worker_id)
    calls = folder / "calls"
    return FlowRun(
        folder / "copy",
        (folder / "said").read_text(encoding="utf-8"),
        calls.read_text(encoding="utf-8") if calls.exists() else "",
    )


def _once(
    name: str, make: Callable[[Path], None], factory: pytest.TempPathFactory, worker: str
) -> Path:
    """A folder that `make` filled, in whichever test process came first; a copy in each."""
    own = factory.getbasetemp()
    shared = own if worker == "master" else own.parent
    folder, finished = shared / f"made-{name}", shared / f"made-{name}.finished"
    with (shared / f"made-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not finished.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a process that failed
            folder.mkdir()
            make(folder)
            finished.touch()
    if not (own / name).exists():  # each folder of tests that takes the fixture has its own
        shutil.copytree(folder, own / name, symlinks=True)
    return own / name
