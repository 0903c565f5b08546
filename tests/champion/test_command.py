"""What `rlp lineage`, `rlp rollback` and `rlp reproduce` say of a past that is known."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rlp_core.cli import main
from rlp_core.params import load
from rlp_core.tracking.ancestry import Ancestry, trace
from rlp_core.tracking.asked import AskedRegistry
from rlp_core.tracking.lineage import dvc_digest
from rlp_core.workspace import Workspace
from tests.e2e.checkout import git

WAY = ["prepare", "validate", "base", "bootstrap", "rlp"]


def rlp(workspace: Workspace, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--root", str(workspace.root), *arguments])


def traced(workspace: Workspace, model: str) -> Ancestry:
    return trace(AskedRegistry(workspace, load(workspace.params)), model)


def head(workspace: Workspace) -> str:
    command = ["git", "-C", str(workspace.root), "rev-parse", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_the_way_leads_to_every_stage_and_no_other(workspace: Workspace) -> None:
    found = traced(workspace, "rlp-policy@champion")
    assert (found.version.number, found.arm) == ("2", "rlp")
    assert sorted(run.stage for run in found.made) == sorted(WAY)
    order = [run.stage for run in found.made]
    assert order.index("prepare") < order.index("validate") < order.index("base")
    assert order[-1] == "rlp"
    assert {run.stage for run in found.judged} == {"evaluate@rlp", "evaluate@base"}
    assert found.lost == {}
    assert {run.commit for run in found.runs} == {head(workspace)}
    made = found.made[-1]
    assert made.outputs["models/rlp"] == dvc_digest(workspace.model("rlp"))
    assert made.code == {"rlp_core/data": dvc_digest(workspace.root / "rlp_core" / "data")}
    assert made.parameters["rlp.group_size"] == "8"


def test_each_version_leads_to_its_own_runs(workspace: Workspace) -> None:
    new, old = (traced(workspace, f"rlp-policy/{number}") for number in (2, 1))
    assert old.version.aliases == ("previous-champion",)
    assert new.made[-1].outputs["models/rlp"] != old.made[-1].outputs["models/rlp"]
    assert new.made[-1].run_id != old.made[-1].run_id
    assert new.promoted.run_id != old.promoted.run_id
    assert max(run.started for run in old.runs) <= old.promoted.started


def test_lineage_tells_it(workspace: Workspace) -> None:
    done = rlp(workspace, "lineage", "rlp-policy@champion")
    assert done.exit_code == 0, done.output
    assert done.output.startswith("rlp-policy version 2 (champion): arm rlp, approved\n")
    assert f"code: commit {head(workspace)}\n" in done.output
    assert "flow run: none" in done.output
    assert f"made models/rlp {dvc_digest(workspace.model('rlp'))}" in done.output
    assert f"read data/bias {dvc_digest(workspace.root / 'data' / 'bias')}" in done.output
    assert "validation: run " in done.output
    assert "lost" not in done.output
    tree = json.loads(rlp(workspace, "lineage", "models:/rlp-policy/2", "--json").output)
    assert tree["made"][-1]["parameters"]["seed"] == "1"


def test_a_run_that_is_gone_is_named(workspace: Workspace) -> None:
    from mlflow.tracking import MlflowClient

    asked = AskedRegistry(workspace, load(workspace.params))
    gone = next(run for run in traced(workspace, "rlp-policy").made if run.stage == "bootstrap")
    client = MlflowClient(asked.store.uri)
    for run in asked.runs("tags.`rlp.stage` = 'bootstrap'"):
        client.delete_run(run.info.run_id)
    done = rlp(workspace, "lineage", "rlp-policy@champion")
    digest = gone.outputs["models/bootstrap"]
    assert f"lost: no run in this store made models/bootstrap with digest {digest}" in done.output


BAD: list[tuple[str, int, str]] = [
    ("rlp-policy@champoin", 66, "did you mean `champion`?"),
    ("rlp-policy/9", 66, "versions: 1, 2"),
    ("rlp-polici@champion", 66, "did you mean `rlp-policy`?"),
    ("rlp-policy@a/b", 64, "NAME@ALIAS"),
    ("rlp-policy@challenger", 66, "aliases: champion (version 2), previous-champion (version 1)"),
]


@pytest.mark.parametrize(("model", "code", "message"), BAD)
def test_a_model_that_is_not_there_is_told(
    workspace: Workspace, model: str, code: int, message: str
) -> None:
    for command in (["lineage", model], ["reproduce", model, str(workspace.root / "again")]):
        done = rlp(workspace, *command)
        assert done.exit_code == code, done.output
        assert message in done.output
    assert not (workspace.root / "again").exists()


def test_rollback_says_what_it_did_and_goes_back_once(workspace: Workspace) -> None:
    done = rlp(workspace, "rollback")
    assert done.exit_code == 0, done.output
    assert "champion of rlp-policy is version 1 again; version 2 is challenger" in done.output
    assert traced(workspace, "rlp-policy@champion").version.number == "1"
    assert traced(workspace, "rlp-policy@challenger").version.number == "2"
    done = rlp(workspace, "rollback")
    assert done.exit_code == 66
    assert "no previous-champion" in done.output
    assert rlp(workspace, "rollback", "other").exit_code == 66


@pytest.mark.parametrize("command", [["rollback"], ["lineage", "rlp-policy"]])
def test_without_a_registry_the_error_says_so(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    done = rlp(workspace, *command)
    assert done.exit_code == 69
    assert "MLflow does not answer" in done.output
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{workspace.root / 'none.db'}")
    done = rlp(workspace, *command)
    assert done.exit_code == 66
    assert "nothing was tracked here yet" in done.output
    assert not (workspace.root / "none.db").exists()
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    params = workspace.params.read_text()
    workspace.params.write_text(params.replace("runtime:\n", "runtime:\n  tracking: false\n"))
    assert rlp(workspace, *command).exit_code == 78


def reproduced(workspace: Workspace, folder: Path) -> Result:
    return rlp(workspace, "reproduce", "rlp-policy@champion", str(folder))


def test_what_no_cache_holds_is_named(workspace: Workspace, tmp_path: Path) -> None:
    """Made without DVC: code and parameters are there again, and all that is tracked is missing."""
    folder = tmp_path / "again"
    (workspace.root / "rlp_core" / "data" / "code.py").write_text("CODE = 2\n")  # since then
    workspace.params.write_text(workspace.params.read_text().replace("seed: 1", "seed: 2"))
    done = reproduced(workspace, folder)
    assert done.exit_code == 1, done.output
    assert "the run kept no dvc.lock" in done.output
    assert (folder / "rlp_core" / "data" / "code.py").read_text() == "CODE = 1\n"
    assert "output models/rlp is missing, was" in done.output
    assert "data data/bias is missing, was" in done.output
    assert "code " not in done.output.split("checked out")[1]
    assert "parameter " not in done.output
    shutil.copytree(workspace.root / "data", folder / "data", dirs_exist_ok=True)
    for name in ("models", "reports"):
        shutil.copytree(workspace.root / name, folder / name)
    done = reproduced(workspace, folder)  # what was missing was put there
    assert "data " not in done.output.split("checked out")[1]
    assert "rlp: " in done.output


def differing(workspace: Workspace, folder: Path) -> dict[str, Any]:
    from rlp_core.champion.verify import checks_of

    found = traced(workspace, "rlp-policy@champion")
    checks = checks_of(found.made, folder)
    return {f"{check.stage} {check.kind} {check.name}": check for check in checks
            if not check.equal}  # fmt: skip


def test_every_byte_and_parameter_is_compared(workspace: Workspace) -> None:
    assert differing(workspace, workspace.root) == {}
    (workspace.model("rlp") / "config.json").write_text("{}")
    assert set(differing(workspace, workspace.root)) == {"rlp output models/rlp"}
    text = workspace.params.read_text()
    assert "group_size: 8" in text
    workspace.params.write_text(text.replace("group_size: 8", "group_size: 4"))
    found = differing(workspace, workspace.root)
    assert str(found["rlp parameter rlp.group_size"]) == ("parameter rlp.group_size is 4, was 8")


def test_a_commit_that_is_not_here_is_told(workspace: Workspace, tmp_path: Path) -> None:
    commit = head(workspace)
    shutil.rmtree(workspace.root / ".git")
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "Other"]):
        git(workspace.root, *command)
    done = reproduced(workspace, tmp_path / "again")
    assert done.exit_code == 66
    assert f"this repository has no commit {commit}" in done.output
    assert not (tmp_path / "again").exists()


def test_a_folder_that_holds_something_else_is_left_alone(
    workspace: Workspace, tmp_path: Path
) -> None:
    folder = tmp_path / "taken"
    folder.mkdir()
    (folder / "mine").write_text("mine")
    done = reproduced(workspace, folder)
    assert done.exit_code == 73
    assert [path.name for path in folder.iterdir()] == ["mine"]
