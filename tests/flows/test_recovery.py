"""A flow run whose process was killed is ended at the next start; one that lives is left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from flows import phases, recovery, worker
from rlp_core.errors import EXIT_UNAVAILABLE
from rlp_core.params import load
from rlp_core.tracking import open_pipeline_run
from rlp_core.workspace import Workspace
from tests.flows import project

HOLD = """
import sys, time
from pathlib import Path
from flows.recovery import claimed
from rlp_core.workspace import Workspace
with claimed(Workspace(Path(sys.argv[1])), sys.argv[2]):
    print("held", flush=True)
    time.sleep(600)
"""


def holder(root: Path, flow_run: str) -> subprocess.Popen[str]:
    """A process that holds the claim of a flow run, as a flow does."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(root), flow_run],
        cwd=project.REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def running_flow_run() -> str:
    """A flow run that the server believes to be running, with a running task."""
    from prefect import flow, task
    from prefect.client.orchestration import get_client
    from prefect.states import Running

    @flow(name="rlp-pipeline")
    def pipeline() -> None: ...

    @task(name="stage")
    def stage() -> None: ...

    with get_client(sync_client=True) as client:
        run = client.create_flow_run(pipeline, state=Running())
        client.create_task_run(stage, run.id, dynamic_key="0", state=Running())
    return str(run.id)


def states(flow_run: str) -> set[str]:
    """The types of the states of a flow run and its tasks."""
    from uuid import UUID

    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    with get_client(sync_client=True) as client:
        run = client.read_flow_run(UUID(flow_run))
        tasks = client.read_task_runs(
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
        )
        found: list[Any] = [run.state, *(item.state for item in tasks)]
    return {state.type.value for state in found}


@pytest.mark.usefixtures("prefect_server")
def test_a_run_is_ended_once_its_process_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = project.make(tmp_path / "p", project.stage("a"))
    workspace, params = Workspace(root), load(root / "params.yaml")
    flow_run = running_flow_run()
    said: list[str] = []
    process = holder(root, flow_run)
    try:
        assert recovery.recover(workspace, params, said.append) == []
        assert states(flow_run) == {"RUNNING"}
    finally:
        kill(process)
    monkeypatch.chdir(root)
    phases.rlp_pipeline()  # the next start
    assert states(flow_run) == {"CRASHED"}
    assert not list((root / ".rlp" / "flow-runs").iterdir())
    assert recovery.recover(workspace, params, said.append) == []
    assert said == []


@pytest.mark.usefixtures("prefect_server")
def test_a_run_that_the_server_does_not_know_is_forgotten(tmp_path: Path) -> None:
    root = project.make(tmp_path / "p", project.stage("a"))
    kill(holder(root, str(uuid4())))
    assert recovery.recover(Workspace(root), load(root / "params.yaml"), print) == []
    assert not list((root / ".rlp" / "flow-runs").iterdir())


@pytest.mark.usefixtures("prefect_server")
def test_the_name_of_a_pipeline_run_tells_runs_apart(tracked: Workspace) -> None:
    from mlflow.tracking import MlflowClient

    params = load(tracked.params)
    client = MlflowClient(f"sqlite:///{tracked.private / 'mlflow.db'}")
    names = []
    for profiles in (False, True):
        if profiles:
            (tracked.root / "profiles").mkdir()
            (tracked.root / "profiles" / "tiny.yaml").write_bytes(tracked.params.read_bytes())
        run_id = open_pipeline_run(tracked, params, "rlp-pipeline", {})
        names.append(client.get_run(run_id).info.run_name)
    assert names == [
        f"rlp-pipeline, own parameters, seed {params.seed}",
        f"rlp-pipeline, tiny, seed {params.seed}",
    ]


def status(workspace: Workspace, run_id: str | None) -> str:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{workspace.private / 'mlflow.db'}")
    return str(client.get_run(run_id).info.status)


def test_a_worker_without_a_server_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = project.make(tmp_path / "p", project.stage("a"))
    monkeypatch.chdir(root)
    assert worker.main([]) == EXIT_UNAVAILABLE
    assert "PREFECT_API_URL" in capsys.readouterr().err


@pytest.mark.e2e
def test_a_killed_command_is_crashed_by_the_next_on_the_private_server(tmp_path: Path) -> None:
    root = project.make(tmp_path / "p", project.stage("hang", "hang"))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    command = [sys.executable, "-m", "flows.pipeline"]
    environment = {**kept, "PYTHONPATH": str(project.REPOSITORY)}
    for attempt in range(2):
        with subprocess.Popen(
            command, cwd=root, env=environment, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            said = []
            for line in process.stdout:
                said.append(line)
                if "hanging" in line:
                    break
            process.send_signal(signal.SIGKILL)
        assert any("it is crashed now" in line for line in said) == (attempt == 1), said
