"""Runs of stages in MLflow: what they hold, how they end, and that no store is worth a stage."""

from __future__ import annotations

import http.server
import json
import math
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rlp_core.arms import declared
from rlp_core.errors import TryAgainError
from rlp_core.params import Params
from rlp_core.tracking import (
    close_pipeline_run,
    masked,
    note_reused,
    open_pipeline_run,
    open_run,
)
from rlp_core.workspace import Workspace
from tests import warm
from tests.tracking.runs import client_of, experiments_of, only_run, run_apart

ROOT = Path(__file__).resolve().parents[2]


def record_of(workspace: Workspace, stage: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(workspace.run_record(stage).read_text())
    return read


def test_a_run_holds_parameters_metrics_lineage_and_outputs(
    workspace: Workspace, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RLP_PARENT_RUN_ID", "a" * 32)
    monkeypatch.setenv("RLP_PREFECT_FLOW_RUN_ID", "flow-7")
    data = workspace.part("rlp")
    data.parent.mkdir(parents=True)
    data.write_text("{}\n")
    with open_run("rlp", params, workspace) as tracker:
        tracker.metrics({"loss": 2.0}, step=1)
        tracker.metrics({"loss": math.nan, "gain": math.inf}, step=2)
        tracker.dataset("rlp", data, "f" * 64, "training")
        model = workspace.model("rlp")
        model.mkdir(parents=True)
        (model / "config.json").write_text("{}")
        tracker.model(model, "rlp")
        (workspace.root / "small.txt").write_text("hello")
        tracker.artifact(workspace.root / "small.txt")
    run = only_run(workspace)
    client = client_of(workspace)
    assert run.info.status == "FINISHED"
    assert run.data.params["rlp.group_size"] == str(params.rlp.group_size)
    assert run.data.params["rlp.optimizer.lr"] == str(params.rlp.optimizer.lr)
    assert run.data.params["seed"] == str(params.seed)
    assert not any(key.startswith(("runtime", "cpt", "base")) for key in run.data.params)
    loss = client.get_metric_history(run.info.run_id, "loss")
    assert [point.step for point in loss] == [1, 2]
    assert loss[0].value == 2.0
    assert math.isnan(loss[1].value)
    assert math.isnan(run.data.metrics["gain"])
    assert run.data.metrics["process/wall_seconds"] > 0
    tags = run.data.tags
    assert tags["rlp.infinite"] == "gain"
    assert tags["rlp.stage"] == "rlp"
    assert tags["mlflow.runColor"] == declared()["rlp"].colour.light
    assert tags["mlflow.parentRunId"] == "a" * 32
    assert tags["prefect.flow_run_id"] == "flow-7"
    assert tags["dvc.dep.data/validated/rlp.jsonl.md5"] == "8a80554c91d9fca8acb82f023de02f11"
    assert tags["dvc.out.models/rlp.md5"].endswith(".dir")
    entry = run.inputs.dataset_inputs[0].dataset
    assert json.loads(entry.source) == {"uri": "data/validated/rlp.jsonl"}
    assert json.loads(entry.profile) == {"digest": "f" * 64}
    assert [item.path for item in client.list_artifacts(run.info.run_id)] == ["small.txt"]
    logged = client.search_logged_models([run.info.experiment_id])
    assert [(m.name, m.status) for m in logged] == [("rlp", "READY")]
    assert [o.model_id for o in run.outputs.model_outputs] == [logged[0].model_id]
    record = record_of(workspace, "rlp")
    assert record["mlflow_run_id"] == run.info.run_id
    assert record["pid"] == os.getpid()
    assert record["outputs"]["models/rlp"] == tags["dvc.out.models/rlp.md5"]
    assert not (workspace.root / "mlruns").exists()


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (KeyboardInterrupt(), "KILLED"),
        (TryAgainError("told to end", where="here", fix="again"), "KILLED"),
        (ValueError("wrong"), "FAILED"),
    ],
)
def test_a_run_ends_as_its_stage_did(
    workspace: Workspace, params: Params, error: BaseException, status: str
) -> None:
    with pytest.raises(type(error)), open_run("base", params, workspace):
        raise error
    assert only_run(workspace).info.status == status


def test_a_killed_stage_continues_its_run_without_logging_twice(
    workspace: Workspace, params: Params
) -> None:
    with pytest.raises(KeyboardInterrupt), open_run("base", params, workspace) as tracker:
        for step in range(3):
            tracker.metrics({"loss": float(step)}, step=step)
        raise KeyboardInterrupt
    with open_run("base", params, workspace) as tracker:
        for step in range(5):
            tracker.metrics({"loss": float(step)}, step=step)
    run = only_run(workspace)
    assert run.info.status == "FINISHED"
    history = client_of(workspace).get_metric_history(run.info.run_id, "loss")
    assert [point.step for point in history] == [0, 1, 2, 3, 4]


def kill_at(instant: str, stage: str, workspace: Workspace) -> None:
    """Run a stage in a process that kills itself where a function of the tracking is called."""
    script = f"""
import os, signal, sys
from pathlib import Path
from rlp_core.params import load
from rlp_core.tracking import run, tracker
from rlp_core.workspace import Workspace
def kill(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
workspace = Workspace(Path(sys.argv[1]))
module, name = {instant!r}.split(".")
if module == "run":
    setattr(run, name, kill)
else:
    setattr(tracker.Tracker, name, kill)
with run.open_run({stage!r}, load(workspace.params), workspace) as t:
    t.metrics({{"loss": 0.0}}, step=0)
    t.flush()
    t.model(workspace.model("rlp"), "rlp")
"""
    done = run_apart(script, workspace)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize(
    "instant",
    ["run.connect", "tracker.__init__", "run._describe", "run._note_outputs", "tracker.close"],
)
def test_wherever_a_stage_is_killed_its_work_keeps_one_run_and_one_model(
    workspace: Workspace, params: Params, instant: str
) -> None:
    model = workspace.model("rlp")
    model.mkdir(parents=True)
    (model / "config.json").write_text("{}")
    kill_at(instant, "base", workspace)
    with open_run("base", params, workspace) as tracker:
        for step in range(2):
            tracker.metrics({"loss": float(step)}, step=step)
        tracker.model(model, "rlp")
    run = only_run(workspace)
    assert run.info.status == "FINISHED"
    history = client_of(workspace).get_metric_history(run.info.run_id, "loss")
    assert [point.step for point in history] == [0, 1]
    assert len(client_of(workspace).search_logged_models(experiments_of(workspace))) == 1
    assert len(run.outputs.model_outputs) == 1


def test_other_parameters_begin_another_run(workspace: Workspace, params: Params) -> None:
    with pytest.raises(ValueError, match="wrong"), open_run("base", params, workspace):
        raise ValueError("wrong")
    other = params.model_copy(update={"seed": 9})
    with open_run("base", other, workspace) as tracker:
        second = tracker.run_id
    runs = client_of(workspace).search_runs(experiments_of(workspace))
    assert sorted(run.info.status for run in runs) == ["FAILED", "FINISHED"]
    assert next(r for r in runs if r.info.run_id == second).data.params["seed"] == "9"


def test_tracking_off_imports_no_mlflow(workspace: Workspace) -> None:
    script = """
import sys
from pathlib import Path
from rlp_core.params import load
from rlp_core.tracking import open_run, open_pipeline_run
from rlp_core.workspace import Workspace
w = Workspace(Path(sys.argv[1]))
p = load(w.params)
p = p.model_copy(update={"runtime": p.runtime.model_copy(update={"tracking": False})})
with open_run("base", p, w) as t:
    t.metrics({"a": 1.0}, step=1); t.dataset("x", w.root, "0", "training"); t.model(w.root, "base")
assert open_pipeline_run(w, p, "x", {}) is None
assert "mlflow" not in sys.modules
"""
    done = run_apart(script, workspace, sys.executable)
    assert (done.returncode, done.stderr) == (0, "")
    assert record_of(workspace, "base")["mlflow_run_id"] is None


@pytest.fixture
def failing_server() -> Iterator[tuple[str, list[int]]]:
    """A server whose answer is the last code of the list it comes with."""
    codes = [500]

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"no"
            self.send_response(codes[-1])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://someone:secret@127.0.0.1:{server.server_port}", codes
    server.shutdown()
    server.server_close()


def stage_without_store(
    workspace: Workspace, params: Params, capsys: pytest.CaptureFixture[str], word: str = "is away"
) -> str:
    with open_run("base", params, workspace) as tracker:
        tracker.metrics({"loss": 1.0}, step=1)
        tracker.model(workspace.root, "base")
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert word in said
    assert "secret" not in said
    record = workspace.run_record("base").read_text()
    assert "secret" not in record
    assert json.loads(record)["mlflow_run_id"] is None
    return said


def test_refused_connection(
    workspace: Workspace,
    params: Params,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: connecting is refused
        port = taken.getsockname()[1]
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://someone:secret@127.0.0.1:{port}")
        said = stage_without_store(workspace, params, capsys)
        assert f"127.0.0.1:{port}" in said
        assert open_pipeline_run(workspace, params, "pipeline", {}) is None


@pytest.mark.parametrize(
    ("code", "word"),
    [
        (401, "refused the experiment"),
        (403, "refused the experiment"),
        (404, "refused the experiment"),
        (500, "is away"),
        (503, "is away"),
    ],
)
def test_server_that_answers_with_an_error(
    workspace: Workspace,
    params: Params,
    failing_server: tuple[str, list[int]],
    code: int,
    word: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    address, codes = failing_server
    codes.append(code)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    assert str(code) in stage_without_store(workspace, params, capsys, word)


def test_store_that_goes_away_in_mid_run(
    workspace: Workspace, params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_run("base", params, workspace) as tracker:
        tracker.metrics({"loss": 1.0}, step=1)
        database = workspace.private / "mlflow.db"
        database.write_bytes(b"no database any more" * 1000)
        for step in range(2, 2000):
            tracker.metrics({"loss": 1.0}, step=step)
        assert not tracker.active
    assert capsys.readouterr().err.count("is away") == 1


_MANY = """
import sys
from pathlib import Path
from rlp_core.params import load
from rlp_core.tracking import open_run
from rlp_core.workspace import Workspace
w = Workspace(Path(sys.argv[1]))
with open_run(sys.argv[2], load(w.params), w) as tracker:
    for step in range(50):
        tracker.metrics({"loss": 1.0}, step=step)
"""


def test_processes_that_open_a_fresh_database_together(workspace: Workspace) -> None:
    (workspace.private / "mlflow.db").unlink()
    stages = ("evaluate@base", "evaluate@rlp", "evaluate@cpt")
    running = [
        subprocess.Popen(
            [warm.python(), "-c", _MANY, str(workspace.root), stage],
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for stage in stages
    ]
    assert [process.communicate()[1] for process in running] == ["", "", ""]
    assert [process.returncode for process in running] == [0, 0, 0]
    runs = client_of(workspace).search_runs(experiments_of(workspace))
    assert sorted(run.data.tags["rlp.stage"] for run in runs) == sorted(stages)
    assert {run.info.status for run in runs} == {"FINISHED"}


_CUT_SHORT = """
import os, signal, sys
from pathlib import Path
from alembic.ddl.impl import DefaultImpl
from rlp_core.params import load
from rlp_core.tracking.store import connect
from rlp_core.workspace import Workspace
# SQLite cannot change a table: a migration copies it, drops the old one and renames the copy.
DefaultImpl.drop_table = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
w = Workspace(Path(sys.argv[1]))
connect(w, load(w.params))
"""


def test_a_database_whose_making_was_killed_is_made_again(
    workspace: Workspace, params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    database = workspace.private / "mlflow.db"
    database.unlink()
    done = run_apart(_CUT_SHORT, workspace)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with open_run("base", params, workspace) as tracker:
        tracker.metrics({"loss": 1.0}, step=1)
    assert "is away" not in capsys.readouterr().err
    assert only_run(workspace).info.status == "FINISHED"
    assert list(workspace.private.glob(".mlflow.db*")) == []


def test_the_parent_names_the_runs_of_reused_outputs(workspace: Workspace, params: Params) -> None:
    report = workspace.report("evaluate@rlp") / "metrics.json"
    with open_run("evaluate@rlp", params, workspace) as tracker:
        report.parent.mkdir(parents=True)
        report.write_text('{"a": 1}\n')
        made = tracker.run_id
    parent = open_pipeline_run(workspace, params, "pipeline", {"rlp.profile": "tiny"})
    found = note_reused(workspace, params, parent, ["evaluate@rlp", "base"])
    assert found == {"evaluate@rlp": made}
    workspace.run_record("evaluate@rlp").unlink()  # a fresh clone has no record: by digest then
    assert note_reused(workspace, params, parent, ["evaluate@rlp"]) == {"evaluate@rlp": made}
    report.write_text('{"a": 2}\n')
    assert note_reused(workspace, params, parent, ["evaluate@rlp"]) == {}
    close_pipeline_run(workspace, params, parent, succeeded=True)
    run = client_of(workspace).get_run(parent)
    assert run.info.status == "FINISHED"
    assert run.data.tags["rlp.reuse.evaluate/rlp"] == made
    assert run.data.tags["rlp.profile"] == "tiny"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://me:pw@host:5000/x", "http://***@host:5000/x"),
        ("https://token@host", "https://***@host"),
        ("sqlite:////a/b.db", "sqlite:////a/b.db"),
        ("at http://u:p@a and postgresql://v:q@b", "at http://***@a and postgresql://***@b"),
    ],
)
def test_credentials_are_masked(text: str, shown: str) -> None:
    assert masked(text) == shown
