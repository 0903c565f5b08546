"""A sweep is one run with a child for each trial, whichever process goes on with it."""

from __future__ import annotations

import os

from rlp_core.params import Params, load
from rlp_core.tracking import SweepRuns, open_run, tracking_uri
from rlp_core.workspace import Workspace


def runs_of(workspace: Workspace) -> dict[str, object]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=tracking_uri(workspace))
    experiment = client.get_experiment_by_name("rlp")
    assert experiment is not None
    return {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}


def opened(workspace: Workspace, key: str = "k") -> tuple[SweepRuns, Params]:
    params = load(workspace.params)
    return SweepRuns(workspace, params, "rate", key), params


def test_trials_are_children_of_the_sweep_and_stages_of_their_trial(
    tracked: Workspace, monkeypatch
) -> None:
    sweep, params = opened(tracked)
    for number in range(3):
        run_id = sweep.begin(number, f"trial-{number}", {"rlp.optimizer.lr": str(number)})
        assert run_id is not None
        monkeypatch.setitem(os.environ, "RLP_PARENT_RUN_ID", run_id)
        if number == 0:
            with open_run("prepare", params, tracked):
                pass
    sweep.end(0, "FINISHED", {"final_reward": 2.0})
    sweep.end(1, "FAILED", {}, "exit code 79")
    sweep.close("KILLED", {"final_reward": 2.0})

    found = runs_of(tracked)
    parent = found["sweep, rate"]
    trials = [found[f"trial-{number}"] for number in range(3)]
    assert [run.info.status for run in trials] == ["FINISHED", "FAILED", "KILLED"]
    assert {run.data.tags["mlflow.parentRunId"] for run in trials} == {parent.info.run_id}
    assert trials[0].data.metrics == parent.data.metrics == {"sweep/final_reward": 2.0}
    assert trials[1].data.tags["rlp.ended"] == "exit code 79"
    assert trials[2].data.params == {"rlp.optimizer.lr": "2"}
    assert found["prepare"].data.tags["mlflow.parentRunId"] == trials[0].info.run_id
    assert parent.info.status == "KILLED"

    again, _ = opened(tracked)
    assert again.parent == parent.info.run_id
    assert again.begin(2, "trial-2", {"rlp.optimizer.lr": "2"}) == trials[2].info.run_id
    again.end(2, "FINISHED", {"final_reward": 3.0})
    again.close("FINISHED", {"final_reward": 3.0})
    found = runs_of(tracked)
    assert len(found) == 5
    assert found["sweep, rate"].data.metrics == {"sweep/final_reward": 3.0}
    assert {found[name].info.status for name in ("sweep, rate", "trial-2")} == {"FINISHED"}

    other, _ = opened(tracked, "another key")  # the same name, other trials
    assert other.parent != parent.info.run_id


def test_without_tracking_nothing_is_logged(tracked: Workspace) -> None:
    params = load(tracked.params)
    runtime = params.runtime.model_copy(update={"tracking": False})
    sweep = SweepRuns(tracked, params.model_copy(update={"runtime": runtime}), "rate", "k")
    assert sweep.begin(0, "trial-0", {}) is None
    sweep.end(0, "FINISHED", {"final_reward": 1.0})
    sweep.close("FINISHED", {})
    assert sweep.parent is None
