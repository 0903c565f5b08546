"""A stage that is told to end is repeated by Prefect, and goes on where it was."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from flows import phases
from tests.flows import project

pytestmark = pytest.mark.usefixtures("prefect_server")

STEPS = 8
# The real entry point and the real loop around a trainer that counts. A node that goes away is
# played by the first attempt: it gets SIGTERM in step 3.
WORK = f"""
import os, signal, sys
from pathlib import Path
from rlp_core import stage
from rlp_core.stages import bootstrap, common
from rlp_core.training.checkpoint import State
from rlp_core.training.loop import StepResult

class Counter:
    total = 0
    def step(self, number):
        with open(".rlp/counted", "a") as steps:
            print(number, file=steps)
        if number == 3 and not Path(".rlp/told").exists():
            Path(".rlp/told").touch()
            os.kill(os.getpid(), signal.SIGTERM)
        self.total += number
        return StepResult({{"loss": float(self.total)}}, 1, 1)
    def state(self):
        return State(values={{"total": self.total}})
    def restore(self, state):
        self.total = state.values["total"]

def run(context):
    log = common.train(context, Counter(), {STEPS})
    log.close(context.workspace.report("bootstrap") / "steps.csv")

bootstrap.run = run
sys.exit(stage.main(["bootstrap"]))
"""
GRAPH = """
stages:
  bootstrap:
    cmd: python work.py
    deps: [work.py]
    params: [seed, bootstrap]
    plots: [reports/bootstrap/steps.csv]
    meta: {phase: il-bootstrap, gpus: 0, retries: 1, timeout_minutes: 5}
"""


def test_the_repeat_goes_on_from_the_checkpoint_in_the_same_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_store: Path
) -> None:
    root = project.make(tmp_path / "p")
    (root / "work.py").write_text(WORK)
    (root / "dvc.yaml").write_text(GRAPH)
    shutil.copy(project.REPOSITORY / "profiles" / "tiny.yaml", root / "params.yaml")
    (root / ".rlp").mkdir()
    shutil.copy(empty_store, root / ".rlp" / "mlflow.db")
    monkeypatch.chdir(root)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(project.REPOSITORY))
    monkeypatch.setattr(phases, "stage_task", phases.stage_task.with_options(retry_delay_seconds=0))
    phases.il_bootstrap()
    assert (root / ".rlp" / "counted").read_text().split() == [str(i) for i in range(STEPS)]
    rows = (root / "reports" / "bootstrap" / "steps.csv").read_text().splitlines()
    assert rows == [
        "step,loss",
        *(f"{i + 1},{float(sum(range(i + 1)))}" for i in range(STEPS)),
    ]
    run, client = only_stage_run(root)
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [point.step for point in history] == list(range(1, STEPS + 1))
    assert run.info.status == "FINISHED"
    record = json.loads((root / ".rlp" / "runs" / "bootstrap.json").read_text())
    assert record["mlflow_run_id"] == run.info.run_id
    assert not (root / ".rlp" / "scratch" / "bootstrap").exists()


def only_stage_run(root: Path) -> tuple[Any, Any]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{root / '.rlp' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("rlp").experiment_id
    runs = client.search_runs([experiment], "tags.`rlp.stage` = 'bootstrap'")
    assert len(runs) == 1
    return runs[0], client
