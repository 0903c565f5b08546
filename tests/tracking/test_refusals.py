"""What MLflow refuses costs what was refused, says so, and never ends tracking."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rlp_core.params import Params
from rlp_core.tracking import Tracker, open_run
from rlp_core.tracking.naming import acceptable_name
from rlp_core.tracking.store import Store, connect
from rlp_core.workspace import Workspace
from tests.tracking.runs import client_of, only_run, runs_of

NAMES = st.text(st.characters(), max_size=300)
VALUES = st.text(st.characters(), max_size=9000)


def refusing(store: Store, monkeypatch: pytest.MonkeyPatch, name: str, code: str) -> None:
    """Have the store refuse requests that hold a name, as a server of another version might."""
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import ErrorCode

    log_batch = store._client.log_batch

    def refuse(run_id: str, **parts: Any) -> None:
        if any(row.key == name for rows in parts.values() for row in rows):
            raise MlflowException(f"no {name} here", error_code=ErrorCode.Value(code))
        log_batch(run_id, **parts)

    monkeypatch.setattr(store._client, "log_batch", refuse)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(NAMES, min_size=1, max_size=5, unique=True), value=VALUES)
@example(names=["", "..", "../../corpus", "../corpus (v2)", "sound?", "/a//b/", "\ud800"], value="")
@example(names=["a?", "a!", "a_"], value="x" * 8001)
def test_odd_names_and_values_reach_the_store(
    workspace: Workspace, params: Params, names: list[str], value: str
) -> None:
    store = connect(workspace, params)
    assert store is not None
    run_id = store.attempt(lambda client: client.create_run(store.experiment_id).info.run_id)
    tracker = Tracker(store, run_id, workspace, "base")
    tracker.parameters(dict.fromkeys(names, value))
    tracker.parameters(dict.fromkeys(names, value))  # a continued run sends them again
    tracker.tags(dict.fromkeys(names, value))
    tracker.metrics({name: float(number) for number, name in enumerate(names)}, step=1)
    for name in names:
        tracker.dataset(name + "data", workspace.root / "data" / "x", "f" * 64, name)
        model = workspace.model("base")
        model.mkdir(parents=True, exist_ok=True)
        tracker.model(model, name)
    tracker.close("FINISHED")
    assert store.open
    assert not store.refused
    run = client_of(workspace).get_run(run_id)
    assert run.info.status == "FINISHED"
    keys = {acceptable_name(name) for name in names}
    assert keys == set(run.data.params) == set(run.data.metrics)
    assert keys <= set(run.data.tags)
    assert len({entry.dataset.name for entry in run.inputs.dataset_inputs}) > 0
    assert len(run.outputs.model_outputs) == len(names)


def test_a_changed_name_and_a_cut_value_are_told_once(
    workspace: Workspace, params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_run("base", params, workspace) as tracker:
        for step in range(3):
            tracker.metrics({"gain?": 1.0}, step=step)
        tracker.tags({"long": "x" * 9000})
    said = capsys.readouterr().err.splitlines()
    name = acceptable_name("gain?")
    assert said == [
        f"MLflow: metric gain? is logged as {name}",
        "MLflow: tag long is cut to 8000 of its 9000 characters",
    ]
    run = only_run(workspace)
    history = client_of(workspace).get_metric_history(run.info.run_id, name)
    assert [point.step for point in history] == [0, 1, 2]


def test_a_continued_run_skips_metrics_of_changed_names_too(
    workspace: Workspace, params: Params
) -> None:
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt), open_run("base", params, workspace) as tracker:
            tracker.metrics({"gain?": 1.0}, step=0)
            raise KeyboardInterrupt
    run = only_run(workspace)
    history = client_of(workspace).get_metric_history(run.info.run_id, acceptable_name("gain?"))
    assert len(history) == 1


@pytest.mark.parametrize("code", ["INVALID_PARAMETER_VALUE", "RESOURCE_ALREADY_EXISTS"])
def test_one_refused_name_of_a_batch_costs_that_name(
    workspace: Workspace,
    params: Params,
    code: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with open_run("base", params, workspace) as tracker:
        assert tracker.store is not None
        refusing(tracker.store, monkeypatch, "odd", code)
        for step in range(3):
            tracker.metrics({"loss": 1.0, "odd": 2.0}, step=step)
        tracker.tags({"odd": "x", "even": "y"})
        tracker.parameters({"odd": "x", "even": "y"})
    run = only_run(workspace)
    history = client_of(workspace).get_metric_history(run.info.run_id, "loss")
    assert [point.step for point in history] == [0, 1, 2]
    assert run.data.tags["even"] == run.data.params["even"] == "y"
    assert run.info.status == "FINISHED"
    assert run.data.tags["rlp.refused"] == "metric odd, parameter odd, tag odd"
    said = capsys.readouterr().err
    assert "is away" not in said
    assert said.count("refused metric odd") == 1
    assert "refused 5 values in all: metric odd, parameter odd, tag odd" in said


def test_a_right_that_is_missing_is_counted_and_tracking_goes_on(
    workspace: Workspace,
    params: Params,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with open_run("base", params, workspace) as tracker:
        assert tracker.store is not None
        refusing(tracker.store, monkeypatch, "odd", "PERMISSION_DENIED")
        tracker.metrics({"loss": 1.0, "odd": 2.0}, step=0)
        tracker.flush()
        tracker.metrics({"loss": 1.0}, step=1)
    run = only_run(workspace)
    history = client_of(workspace).get_metric_history(run.info.run_id, "loss")
    assert [point.step for point in history] == [1]
    assert "refused 2 values in all: metric loss, metric odd" in capsys.readouterr().err


def test_artifacts_that_cannot_be_kept_do_not_end_tracking(
    workspace: Workspace, params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace.private / "mlartifacts").write_text("a file where the folder should be")
    (workspace.root / "small [v2]#?.txt").write_text("hello")
    with open_run("base", params, workspace) as tracker:
        tracker.artifact(workspace.root / "small [v2]#?.txt")
        tracker.metrics({"loss": 1.0}, step=0)
    assert only_run(workspace).data.metrics["loss"] == 1.0
    said = capsys.readouterr().err
    assert "refused file small [v2]#?.txt" in said
    assert "is away" not in said


@pytest.mark.parametrize("name", ["corpus (v2)", "100% [x] #1", "what?", "a:b@c", "ä b"])
def test_a_checkout_in_a_folder_of_any_name(
    workspace: Workspace, params: Params, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    root = workspace.root / name
    root.mkdir()
    for part in ("params.yaml", "dvc.yaml"):
        shutil.copy(workspace.root / part, root)
    (root / ".rlp").mkdir()
    shutil.copy(workspace.private / "mlflow.db", root / ".rlp")
    odd = Workspace(root)
    file = root / "small.txt"
    file.write_text("hello")
    with open_run("base", params, odd) as tracker:
        tracker.artifact(file)
        tracker.metrics({"loss": math.pi}, step=0)
    assert capsys.readouterr().err == ""
    run = only_run(odd)
    assert run.data.metrics["loss"] == math.pi
    client = client_of(odd)
    assert [item.path for item in client.list_artifacts(run.info.run_id)] == [file.name]
    assert Path(client.download_artifacts(run.info.run_id, file.name)).read_text() == "hello"
    assert list((root / ".rlp" / "mlartifacts").rglob(file.name))


def test_stages_that_read_from_odd_places_are_tracked(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    from rlp_core.params import load

    text = workspace.params.read_text()
    workspace.params.write_text(text.replace("folder: data/external", "folder: ../corpus (v2)"))
    corpus = workspace.root.parent / "corpus (v2)"
    corpus.mkdir()
    (corpus / "x.txt").write_text("a line")
    with open_run("prepare", load(workspace.params), workspace):
        pass
    assert "is away" not in capsys.readouterr().err
    tags = only_run(workspace).data.tags
    assert acceptable_name("dvc.dep.../corpus (v2).md5") in tags
    assert json.loads(workspace.run_record("prepare").read_text())["mlflow_run_id"]
    assert len(runs_of(workspace)) == 1
