"""`make clean` keeps what cannot be made again, `make purge` asks, `make install` sees a move."""

from __future__ import annotations

import fcntl
import os
import pty
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HISTORY = ("mlflow.db", "mlartifacts/model", "prefect/prefect.db", "scratch/rlp/state")
FORMER = "params.previous.1.yaml"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The files that `make` reads, and what runs and tools leave."""
    root = tmp_path / "checkout"
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        root.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, root)
    for name in (
        *(f".rlp/{item}" for item in (*HISTORY, FORMER)),
        "models/base/x",
        ".mypy_cache/x",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def make(root: Path, *arguments: str, stdin: int = subprocess.DEVNULL) -> tuple[int, str]:
    done = subprocess.run(
        ["make", *arguments],
        cwd=root,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={name: value for name, value in os.environ.items() if name not in ("YES", "MAKEFLAGS")},
    )
    return done.returncode, done.stdout


def kept(root: Path) -> set[str]:
    return {name for name in (*HISTORY, FORMER) if (root / ".rlp" / name).exists()}


def test_clean_keeps_the_history(checkout: Path) -> None:
    code, said = make(checkout, "clean")
    assert code == 0, said
    assert not (checkout / ".mypy_cache").exists()
    assert kept(checkout) == {*HISTORY, FORMER}


def test_purge_refuses_where_nobody_can_be_asked(checkout: Path) -> None:
    code, said = make(checkout, "purge")
    assert code != 0
    assert "make purge YES=1" in said
    assert kept(checkout) == {*HISTORY, FORMER}


@pytest.mark.parametrize(("answer", "gone"), [("purge", True), ("y", False), ("", False)])
def test_purge_asks_and_says_what_goes(answer: str, gone: bool, checkout: Path) -> None:
    ours, theirs = pty.openpty()
    os.write(ours, f"{answer}\n".encode())
    code, said = make(checkout, "purge", stdin=theirs)
    os.close(theirs)
    os.close(ours)
    assert (code == 0) == gone
    assert "champion" in said
    assert kept(checkout) == ({FORMER} if gone else {*HISTORY, FORMER})
    assert (checkout / "models" / "base" / "x").exists()


def test_purge_leaves_a_running_stage_alone(checkout: Path) -> None:
    lock = checkout / ".rlp" / "locks" / "rlp.lock"
    lock.parent.mkdir()
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        code, said = make(checkout, "purge", "YES=1")
    assert code != 0
    assert "rlp.lock" in said
    assert kept(checkout) == {*HISTORY, FORMER}
    code, said = make(checkout, "purge", "YES=1")
    assert (code, kept(checkout)) == (0, {FORMER}), said


def test_purge_of_nothing_is_no_error(checkout: Path) -> None:
    shutil.rmtree(checkout / ".rlp")
    code, said = make(checkout, "purge")
    assert (code, "nothing to remove" in said) == (0, True)


@pytest.mark.parametrize("place", ["moved", "checkout/checkout"])
def test_an_environment_that_was_moved_is_made_anew(place: str, checkout: Path) -> None:
    venv.create(checkout / ".venv")
    (checkout / ".venv" / ".installed").touch()
    code, said = make(checkout, "-n", "install")
    assert (code, "Nothing to be done" in said) == (0, True), said
    new = checkout.parent / "aside"
    checkout.rename(new)
    target = checkout.parent / place
    target.parent.mkdir(exist_ok=True)
    new.rename(target)
    code, said = make(target, "-n", "install")
    assert code == 0
    assert "rm -rf .venv" in said
    assert f"made for {checkout}/.venv" in said


def test_the_linter_looks_at_every_file() -> None:
    """A folder of the root that is left out must not leave out those of its name elsewhere."""
    shown = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--show-files"],
        capture_output=True, text=True, cwd=ROOT, check=True,
    )  # fmt: skip
    looked_at = {Path(line).relative_to(ROOT) for line in shown.stdout.splitlines()}
    tops = ("rlp_core", "flows", "benchmarks", "tests")
    files = {path.relative_to(ROOT) for top in tops for path in (ROOT / top).rglob("*.py")}
    assert files - looked_at == set()
