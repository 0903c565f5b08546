"""Runs of killed processes end at the next start; those of living ones go on."""

from __future__ import annotations

import os
import signal

import pytest

from rlp_core.params import Params
from rlp_core.tracking import end_lost_runs, open_pipeline_run, open_run
from rlp_core.tracking.lost import PROCESS, WORKSPACE
from rlp_core.tracking.process import Process, workspace_id
from rlp_core.workspace import Workspace
from tests.tracking.runs import client_of, experiments_of, run_apart, runs_of

_KILLED = """
import os, signal, sys
from pathlib import Path
from rlp_core.params import load
from rlp_core.tracking import open_pipeline_run, open_run
from rlp_core.workspace import Workspace
w = Workspace(Path(sys.argv[1]))
p = load(w.params)
open_pipeline_run(w, p, "pipeline", {})
with open_run("base", p, w) as tracker:
    tracker.metrics({"loss": 1.0}, step=1)
    tracker.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def killed(workspace: Workspace) -> None:
    done = run_apart(_KILLED, workspace)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert {run.info.status for run in runs_of(workspace)} == {"RUNNING"}


def statuses(workspace: Workspace) -> dict[str, str]:
    return {run.data.tags["rlp.stage"]: run.info.status for run in runs_of(workspace)}


def test_runs_of_a_killed_process_end_as_killed(
    workspace: Workspace, params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    killed(workspace)
    assert len(end_lost_runs(workspace, params)) == 2
    assert "process is gone: base, pipeline" in capsys.readouterr().err
    assert statuses(workspace) == {"base": "KILLED", "pipeline": "KILLED"}
    for run in runs_of(workspace):
        last = max([run.info.start_time, *(m.timestamp for m in run.data._metric_objs)])
        assert run.info.end_time == last
    assert end_lost_runs(workspace, params) == []


def test_the_next_stage_ends_them_and_continues_its_own(
    workspace: Workspace, params: Params
) -> None:
    killed(workspace)
    with open_run("base", params, workspace):
        assert statuses(workspace) == {"base": "RUNNING", "pipeline": "KILLED"}
    assert statuses(workspace) == {"base": "FINISHED", "pipeline": "KILLED"}


def test_the_next_flow_ends_them(workspace: Workspace, params: Params) -> None:
    killed(workspace)
    parent = open_pipeline_run(workspace, params, "again", {})
    assert [r.info.run_id for r in runs_of(workspace) if r.info.status == "RUNNING"] == [parent]


def test_a_living_process_keeps_its_runs(workspace: Workspace, params: Params) -> None:
    open_pipeline_run(workspace, params, "pipeline", {})
    with open_run("base", params, workspace):
        assert end_lost_runs(workspace, params) == []
        assert set(statuses(workspace).values()) == {"RUNNING"}


@pytest.mark.parametrize(
    ("tag", "value", "ended"),
    [
        (PROCESS, str(Process("elsewhere", 1, 0.0)), False),
        (PROCESS, str(Process(os.uname().nodename, os.getpid(), 12.0)), True),  # number used again
        (PROCESS, "not ours", False),
        (WORKSPACE, "another", False),
    ],
    ids=["elsewhere", "number used again", "not ours", "another workspace"],
)
def test_only_runs_that_are_known_to_be_lost_end(
    workspace: Workspace, params: Params, tag: str, value: str, ended: bool
) -> None:
    parent = open_pipeline_run(workspace, params, "pipeline", {})
    if tag == WORKSPACE:
        gone = str(Process(os.uname().nodename, os.getpid(), 12.0))
        client_of(workspace).set_tag(parent, PROCESS, gone)
    client_of(workspace).set_tag(parent, tag, value)
    assert end_lost_runs(workspace, params) == ([parent] if ended else [])


def test_a_stage_that_could_not_tell_the_store_ends_as_its_record_says(
    workspace: Workspace, params: Params
) -> None:
    from rlp_core.files import write_json

    killed(workspace)
    run = next(r for r in runs_of(workspace) if r.data.tags["rlp.stage"] == "base")
    record = {"mlflow_run_id": run.info.run_id, "exit_code": 0}
    write_json(workspace.run_record("base"), record)
    end_lost_runs(workspace, params)
    assert statuses(workspace) == {"base": "FINISHED", "pipeline": "KILLED"}


def test_nothing_is_searched_with_tracking_off(workspace: Workspace, params: Params) -> None:
    off = params.runtime.model_copy(update={"tracking": False})
    assert end_lost_runs(workspace, params.model_copy(update={"runtime": off})) == []


def test_a_process_knows_itself_and_its_workspace(workspace: Workspace) -> None:
    this = Process.this()
    assert Process.read(str(this)) == this
    assert not this.is_gone()
    assert workspace_id(workspace) == workspace_id(Workspace(workspace.root))


def test_other_parameters_after_a_kill_leave_no_run_open(
    workspace: Workspace, params: Params
) -> None:
    killed(workspace)
    with open_run("base", params.model_copy(update={"seed": 9}), workspace):
        pass
    runs = client_of(workspace).search_runs(experiments_of(workspace))
    assert sorted(run.info.status for run in runs) == ["FINISHED", "KILLED", "KILLED"]
