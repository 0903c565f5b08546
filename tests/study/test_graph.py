"""The graph without DVC is the graph that DVC runs; and a stage runs only where it must."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rlp_core.params import load
from rlp_core.stage import stage_names
from rlp_core.study.graph import in_order
from rlp_core.study.stages_runner import run_stages
from rlp_core.tracking.lineage import StageSpec, stage_spec
from rlp_core.workspace import Workspace
from tests.study import files

PARAMS = load(files.REPOSITORY / "profiles" / "tiny.yaml")


def specs(root: Path) -> dict[str, StageSpec]:
    return {name: stage_spec(name, PARAMS, Workspace(root)) for name in stage_names()}


def test_the_stages_are_those_that_dvc_lists() -> None:
    command = [sys.executable, "-m", "dvc", "stage", "list", "--name-only"]
    done = subprocess.run(command, cwd=files.REPOSITORY, capture_output=True, text=True, check=True)
    assert sorted(stage_names()) == sorted(done.stdout.split())


def test_every_stage_stands_behind_those_it_reads() -> None:
    every = specs(files.REPOSITORY)
    order = in_order(every, ())
    assert sorted(order) == sorted(every)
    made: list[str] = []
    for name in order:
        for dep in every[name].deps:
            if dep.startswith(("data/validated", "data/prepared", "models/", "reports/")):
                assert any(dep.startswith(out) or out.startswith(dep) for out in made), dep
        made += every[name].outs
    assert in_order(every, ("base",)) == ("prepare", "validate", "base")
    assert "cpt" not in in_order(every, ("evaluate@rlp",))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return files.checkout(tmp_path)


class Commands:
    """Makes the outputs of the stages that it is told to run, and notes which."""

    def __init__(self, root: Path, fails: str = "") -> None:
        self.root, self.fails, self.ran = root, fails, []

    def __call__(self, words: list[str]) -> int:
        name = words[-1]
        self.ran.append(name)
        for out in specs(self.root)[name].outs:
            path = self.root / out
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix:
                path.write_text(name, encoding="utf-8")
            else:
                path.mkdir(exist_ok=True)
                (path / "file").write_text(name, encoding="utf-8")
        return 3 if name == self.fails else 0

    def run(self, params=PARAMS, until=("evaluate@bootstrap",), others=()) -> int:
        self.ran = []
        return run_stages(self.root, params, until, self, [].append, others)


def test_only_what_changed_runs_again(root: Path) -> None:
    commands = Commands(root)
    assert commands.run() == 0
    assert commands.ran == ["prepare", "validate", "base", "bootstrap", "evaluate@bootstrap"]
    assert commands.run() == 0
    assert commands.ran == []
    steps = PARAMS.model_copy(
        update={"bootstrap": PARAMS.bootstrap.model_copy(update={"steps": 7})}
    )
    commands.run(steps)
    assert commands.ran == ["bootstrap"]  # its output is the same again
    (root / "models" / "base" / "file").write_text("damaged", encoding="utf-8")
    commands.run(steps)
    assert commands.ran == ["base"]


def test_a_stage_that_fails_ends_the_run_and_runs_again(root: Path) -> None:
    commands = Commands(root, fails="base")
    assert commands.run() == 3
    assert commands.ran == ["prepare", "validate", "base"]
    commands.fails = ""
    assert commands.run() == 0
    assert commands.ran == ["base", "bootstrap", "evaluate@bootstrap"]


def test_what_another_workspace_computed_is_copied_while_it_is_whole(tmp_path: Path) -> None:
    first, second = (Commands(files.checkout(tmp_path / name)) for name in ("first", "second"))
    first.run()
    (first.root / "models" / "bootstrap" / "file").write_text("damaged", encoding="utf-8")
    assert second.run(others=(first.root, second.root)) == 0
    assert second.ran == ["bootstrap"]  # evaluation read what is the same again, and was copied
    assert (second.root / "models" / "base" / "file").read_text(encoding="utf-8") == "base"
    second.run(others=(first.root, second.root))
    assert second.ran == []
