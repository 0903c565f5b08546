"""The flows themselves, on a real Prefect server."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows import phases
from flows.graph import PHASES
from rlp_core.errors import ConfigError, UsageError
from tests.flows import project

SWEEP = "flows/sweep.py:sweep"

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phases, "stage_task", phases.stage_task.with_options(retry_delay_seconds=0))


def artifact(key: str) -> str:
    from prefect.artifacts import Artifact

    found: Any = Artifact.get(key)
    return "" if found is None else str(found.data)


@pytest.mark.usefixtures("at_once")
def test_a_passing_fault_is_repeated_and_the_lock_is_that_of_plain_repro(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = project.stage
    root = project.make(
        tmp_path / "p",
        stage("first"),
        stage("long", "ok 2", ("first",)),
        stage("short", "passing", ("first",)),
        stage("last", "ok", ("long", "short"), phase="promote"),
    )
    monkeypatch.chdir(root)
    reports = root / "reports"
    reports.mkdir()
    (reports / "comparison.md").write_text("| arm |\n")
    phases.rlp_pipeline(max_parallel=2)
    assert (root / ".rlp" / "short.count").read_text() == "2"
    assert "has not run here" in artifact("rlp-plan")
    assert artifact("rlp-comparison") == "| arm |\n"
    ours = (root / "dvc.lock").read_bytes()
    (root / "dvc.lock").unlink()
    project.dvc(root, "repro")
    assert (root / "dvc.lock").read_bytes() == ours
    phases.rlp_pipeline()
    assert "0 to run, 4 fresh" in artifact("rlp-plan")
    assert (root / ".rlp" / "long.count").read_text() == "1"


@pytest.mark.usefixtures("at_once")
def test_a_lasting_fault_is_not_repeated_and_stops_what_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = project.make(
        tmp_path / "p", project.stage("bad", "65"), project.stage("below", "ok", ("bad",))
    )
    monkeypatch.chdir(root)
    with pytest.raises(Exception, match="exit code 65"):
        phases.rlp_pipeline()
    assert (root / ".rlp" / "bad.count").read_text() == "1"
    assert not (root / ".rlp" / "below.count").exists()


def test_a_phase_refuses_input_that_is_not_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = project.make(
        tmp_path / "p", project.stage("a"), project.stage("b", "ok", ("a",), phase="promote")
    )
    monkeypatch.chdir(root)
    with pytest.raises(UsageError, match="stage a, which this phase reads, is not up to date"):
        phases.promote()
    phases.validate_data()
    phases.promote()
    assert (root / "out" / "b.txt").is_file()


def test_an_impossible_parameter_stops_it_before_any_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = project.make(tmp_path / "p", project.stage("a"))
    (root / "params.yaml").write_text((root / "params.yaml").read_text() + "  thread: 1\n")
    monkeypatch.chdir(root)
    with pytest.raises(ConfigError, match="did you mean `threads`"):
        phases.rlp_pipeline()
    assert not (root / "out").exists()


def test_every_phase_has_a_flow_and_every_flow_a_deployment() -> None:
    assert set(phases.FLOWS) == {"rlp-pipeline", *PHASES}
    deployed = yaml.safe_load((project.REPOSITORY / "prefect.yaml").read_text())["deployments"]
    entries = [entry["entrypoint"] for entry in deployed]
    names = [flow.fn.__name__ for flow in phases.FLOWS.values()]
    assert sorted(entries) == sorted([*(f"flows/phases.py:{name}" for name in names), SWEEP])


def test_the_automation_waits_for_several_heartbeats() -> None:
    path = project.REPOSITORY / "infra" / "automations" / "zombie.py"
    automation = runpy.run_path(str(path))["automation"]()
    deployed = yaml.safe_load((project.REPOSITORY / "prefect.yaml").read_text())["deployments"]
    for entry in deployed:
        variables = entry["work_pool"]["job_variables"]["env"]
        every = int(variables["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"])
        assert automation.trigger.within.total_seconds() >= 3 * every
