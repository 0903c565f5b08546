"""What would run, and why."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from flows import plan
from flows.graph import Meta, Stage, load_graph
from rlp_core.errors import ConfigError, TryAgainError
from tests.flows import project

META = Meta("evaluate", 0, 1, 60)
CHAIN = (Stage("a", "", (), META), Stage("b", "", ("a",), META), Stage("c", "", (), META))
NAMES = frozenset("abc")


def test_nothing_changed_is_all_fresh() -> None:
    lines = plan.derive(CHAIN, {}, NAMES)
    assert all(line.fresh for line in lines)
    assert plan.summary(lines) == "3 stages: 0 to run, 3 fresh"


def test_what_follows_a_changed_stage_runs_too() -> None:
    status = {"a": [{"changed deps": {"params.yaml": {"seed": "modified"}}}]}
    lines = {line.stage.name: line for line in plan.derive(CHAIN, status, NAMES)}
    assert lines["a"].why == "seed modified"
    assert (lines["b"].fresh, lines["b"].why) == (False, "after a")
    assert lines["c"].fresh


def test_reasons_are_kept_short() -> None:
    deps = {f"file{number}": "modified" for number in range(9)}
    line = plan.derive(CHAIN, {"a": [{"changed deps": deps}, "changed command"]}, NAMES)[0]
    assert "file0 modified" in line.why
    assert "and 6 more" in line.why


def test_both_forms_name_every_stage() -> None:
    lines = plan.derive(CHAIN, {}, frozenset("ab"))
    text, table = plan.as_text(lines), plan.as_markdown(lines)
    for form in (text, table):
        assert "has not run here" in form
    assert table.count("| `") == 3


def test_dvc_says_what_is_fresh(tmp_path: Path) -> None:
    root = project.make(tmp_path / "p", project.stage("a"), project.stage("b", "ok", ("a",)))
    stages = load_graph(root)
    assert [line.why for line in plan.make_plan(root, stages)] == ["has not run here"] * 2
    project.dvc(root, "repro")
    assert all(line.fresh for line in plan.make_plan(root, stages))
    (root / "out" / "b.txt").unlink()
    lines = plan.make_plan(root, stages)
    assert [line.fresh for line in lines] == [True, False]
    assert "out/b.txt" in lines[1].why


def test_a_workspace_held_by_another_command_is_named(tmp_path: Path) -> None:
    root = project.make(tmp_path / "p", project.stage("a", "hang"))
    command = [sys.executable, "-m", "dvc", "repro"]
    with subprocess.Popen(
        command, cwd=root, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as holder:
        assert holder.stdout is not None
        for line in holder.stdout:
            if "hanging" in line:
                break
        try:
            with pytest.raises(TryAgainError, match=str(holder.pid)):
                plan.dvc_status(root, lambda _text: None)
        finally:
            pids = (root / ".rlp" / "pids").read_text().split()
            subprocess.run(["kill", "-9", *pids], check=True)


def test_a_failing_status_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="dvc status"):
        plan.dvc_status(tmp_path, lambda _text: None)


def test_the_command_prints_the_plan(tmp_path: Path) -> None:
    root = project.make(tmp_path / "p", project.stage("a"))
    finished = subprocess.run(
        [sys.executable, "-m", "flows.plan"],
        cwd=root,
        env={"PYTHONPATH": str(project.REPOSITORY), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stdout.splitlines()[0] == "1 stages: 1 to run, 0 fresh"
    assert json.dumps("has not run here").strip('"') in finished.stdout
