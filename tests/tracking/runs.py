"""Look at the runs of a workspace, or make some in a process apart."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from rlp_core.tracking import tracking_uri
from rlp_core.workspace import Workspace
from tests import warm

ROOT = Path(__file__).resolve().parents[2]


def client_of(workspace: Workspace) -> Any:
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri(workspace))


def experiments_of(workspace: Workspace) -> list[str]:
    return [client_of(workspace).get_experiment_by_name("rlp").experiment_id]


def runs_of(workspace: Workspace) -> list[Any]:
    return list(client_of(workspace).search_runs(experiments_of(workspace)))


def only_run(workspace: Workspace) -> Any:
    runs = runs_of(workspace)
    assert len(runs) == 1
    return runs[0]


def run_apart(
    script: str, workspace: Workspace, python: str | Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own, the workspace's root as its argument.

    `python` is the interpreter; None: one that has MLflow imported already.
    """
    return subprocess.run(
        [python or warm.python(), "-c", script, str(workspace.root)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
