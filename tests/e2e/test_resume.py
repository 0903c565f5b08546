"""Killed at many random instants and started again, a stage ends with the same bytes."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rlp_core.workspace import Workspace
from tests.e2e import checkout
from tests.stages.admitted import admit

KILLS = 12
STEPS = {"bootstrap": 120, "rlp": 60}
"""More than the kills leave time for, as a stage that ends early is killed less often."""


def micro_params() -> dict[str, Any]:
    """Many short steps, each followed by a save; all that RLP can remember between steps."""
    params = checkout.micro_params()
    params["prepare"]["folder"] = str(checkout.REPOSITORY / "data" / "external")
    for stage, steps in STEPS.items():
        params[stage]["steps"] = steps
    params["rlp"] |= {"estimator": "gae", "replay": {"groups": 2}}
    params["rlp"]["heldout"] = {"every": 7, "documents": 4, "keep": "best"}
    params["runtime"] |= {"checkpoint_seconds": 0.0, "device": "cpu"}
    return params


class Driver:
    """The process that forks the attempts."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "stages.log"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.kills"],
            cwd=checkout.REPOSITORY,
            env=checkout.environment(checkout.REPOSITORY),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, root: Path, stage: str, kills: int = 0) -> tuple[list[int], str]:
        """The exit codes of the attempts, and all that they printed."""
        self.log.write_text("")
        order = {"root": str(root), "stage": stage, "kills": kills, "seed": 7}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({**order, "log": str(self.log)}) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        said = self.log.read_text()
        assert answer, said
        return json.loads(answer), said

    def close(self) -> None:
        self.process.communicate()


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    made = Driver(tmp_path_factory.mktemp("driver"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory, driver: Driver, empty_store: Path) -> Workspace:
    """Data and the models to start from; validation is tested elsewhere."""
    workspace = Workspace(tmp_path_factory.mktemp("start"))
    checkout.write_params(workspace.root, micro_params())
    shutil.copy(checkout.REPOSITORY / "dvc.yaml", workspace.root)
    workspace.private.mkdir()
    shutil.copy(empty_store, workspace.private / "mlflow.db")
    for stage in ("prepare", "base", "bootstrap"):
        codes, said = driver.run(workspace.root, stage)
        assert codes == [0], said
        if stage == "prepare":
            admit(workspace)
    return workspace


def copy(workspace: Workspace, root: Path, stage: str) -> Workspace:
    """A workspace in which a stage has not run, as DVC leaves it before it runs the stage."""
    made = Workspace(Path(shutil.copytree(workspace.root, root)))
    for folder in (made.model(stage), made.report(stage)):
        shutil.rmtree(folder, ignore_errors=True)
    made.run_record(stage).unlink(missing_ok=True)
    return made


def outputs(workspace: Workspace, stage: str) -> dict[str, bytes]:
    folders = (workspace.model(stage), workspace.report(stage))
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(workspace.root)): path.read_bytes() for path in files}


def runs(workspace: Workspace, stage: str) -> list[Any]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{workspace.private.absolute() / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("rlp").experiment_id
    found = client.search_runs([experiment], f"tags.`rlp.stage` = '{stage}'")
    return [(run, client) for run in found]


@pytest.mark.parametrize("stage", STEPS)
def test_killed_at_many_instants_a_stage_ends_with_the_same_bytes(
    start: Workspace, driver: Driver, tmp_path: Path, stage: str
) -> None:
    whole = copy(start, tmp_path / "whole", stage)
    assert driver.run(whole.root, stage)[0] == [0]
    killed = copy(start, tmp_path / "killed", stage)
    earlier = len(runs(killed, stage))
    codes, said = driver.run(killed.root, stage, KILLS)
    assert codes == [-signal.SIGKILL] * KILLS + [0], said[-6000:]
    assert said.count("goes on after step") >= KILLS // 3, said[-6000:]
    assert "is damaged" not in said
    expected = outputs(whole, stage)
    assert f"models/{stage}/model.safetensors" in expected
    assert f"reports/{stage}/steps.csv" in expected
    assert len(expected[f"reports/{stage}/steps.csv"].splitlines()) == STEPS[stage] + 1
    assert outputs(killed, stage) == expected
    assert not (killed.private / "scratch" / stage).exists()
    found = runs(killed, stage)
    assert len(found) == earlier + 1
    run_, client = found[0]
    assert run_.info.status == "FINISHED"
    for name in ("loss", "tokens_per_second"):
        history = client.get_metric_history(run_.info.run_id, name)
        assert [point.step for point in history] == list(range(1, STEPS[stage] + 1))
