"""A workspace with a past: every stage up to two promotions, each with its run in MLflow."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import yaml

from rlp_core.files import write_json, write_text
from rlp_core.params import Params, load
from rlp_core.stage import StageContext
from rlp_core.stages import promote
from rlp_core.tracking import Tracker, open_run
from rlp_core.workspace import PARTS, Workspace
from tests.e2e.checkout import REPOSITORY, git
from tests.evaluation import arms
from tests.reporting.run import write_reports
from tests.stages.test_promote import save_model


def live(root: Path, store: Path) -> Workspace:
    """Make it: arms base, bootstrap, rlp and cpt; rlp wins, and wins again with other weights.

    Args:
        root: an empty folder.
        store: an MLflow database without runs.
    """
    workspace = Workspace(root)
    tree = yaml.safe_load((REPOSITORY / "profiles" / "tiny.yaml").read_text(encoding="utf-8"))
    tree["promote"]["candidates"] = ["rlp", "cpt"]
    tree["compare"]["resamples"] = 300
    write_text(workspace.params, yaml.safe_dump(tree))
    shutil.copy(REPOSITORY / "dvc.yaml", root)
    write_text(root / "rlp_core" / "data" / "code.py", "CODE = 1\n")
    write_text(root / "data" / "bias" / "set.csv", "a,b\n")
    write_text(root / ".gitignore", "/.rlp/\n/models/\n/reports/\n/data/\n")
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "All"]):
        git(root, *command)
    workspace.private.mkdir()
    shutil.copy(store, workspace.private / "mlflow.db")
    params = load(workspace.params)
    with _ran("prepare", params, workspace):
        write_reports(workspace)
    with _ran("validate", params, workspace):
        for part in PARTS:
            write_json(workspace.part(part), {"part": part})
        write_json(workspace.seams, {})
    _train_and_promote(workspace, params, seed=0)
    _train_and_promote(workspace, params, seed=7)
    return workspace


@contextlib.contextmanager
def _ran(stage: str, params: Params, workspace: Workspace) -> Iterator[Tracker]:
    """As a stage's process does it: one that ended well is not gone on with."""
    with open_run(stage, params, workspace) as tracker:
        yield tracker
    record = workspace.run_record(stage)
    write_json(record, {**json.loads(record.read_text(encoding="utf-8")), "exit_code": 0})


def _train_and_promote(workspace: Workspace, params: Params, seed: int) -> None:
    for number, arm in enumerate(("base", "bootstrap", "rlp", "cpt")):
        with _ran(arm, params, workspace):
            save_model(workspace.model(arm), seed + number if arm == "rlp" else number)
    for arm in ("base", "rlp", "cpt"):
        with _ran(f"evaluate@{arm}", params, workspace):
            arms.write_arm(workspace.report(f"evaluate@{arm}") / "items", arm)
    with _ran("promote", params, workspace) as tracker:
        promote.run(StageContext("promote", params, workspace, tracker))
