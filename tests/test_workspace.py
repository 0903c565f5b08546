"""The graph in `dvc.yaml` names the folders and stages that the code knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from rlp_core.arms import declared
from rlp_core.params import load
from rlp_core.stage import stage_names
from rlp_core.tracking.lineage import stage_spec
from rlp_core.workspace import (
    EVALUATION_PARTS,
    EXAMPLE_PART,
    PARTS,
    TRAINING_PARTS,
    WRITTEN,
    Workspace,
)

ROOT = Path(__file__).resolve().parents[1]
ARMS = declared()
STAGES = stage_names()
WORKSPACE = Workspace(ROOT)
PARAMS = load(ROOT / "profiles" / "tiny.yaml")
GRAPH: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))


def outs(stage: str) -> set[Path]:
    spec = stage_spec(stage, PARAMS, WORKSPACE)
    assert spec is not None
    return {ROOT / path for path in spec.outs}


def deps(stage: str) -> set[Path]:
    spec = stage_spec(stage, PARAMS, WORKSPACE)
    assert spec is not None
    return {ROOT / path for path in spec.deps}


def test_the_graph_has_the_stages_of_the_code() -> None:
    names = []
    for name, entry in GRAPH["stages"].items():
        each = {"${arms}": ("key", ARMS.names), "${finetuned}": ("item", ARMS.starts)}
        variable, arms = each.get(entry.get("foreach"), ("", ()))
        names += [f"{name}@{arm}" for arm in arms] if arms else [name]
        wanted = f"python -m rlp_core.stage {name}" + (f"@${{{variable}}}" if arms else "")
        assert entry.get("do", entry)["cmd"] == wanted
    assert names == list(STAGES)


def test_what_the_last_stages_read_of_every_arm_is_named() -> None:
    compare, promote = deps("compare"), deps("promote")
    for arm in ARMS.all:
        assert WORKSPACE.report(f"evaluate@{arm.name}") in compare, arm.name
        assert arm.stage is None or WORKSPACE.report(arm.stage) / "steps.csv" in compare, arm.name
        assert arm.name == ARMS.base or WORKSPACE.model(arm.name) in promote, arm.name


@pytest.mark.parametrize("stage", STAGES)
def test_paths_of_the_graph_are_those_of_the_workspace(stage: str) -> None:
    name, _, arm = stage.partition("@")
    wanted = {
        "prepare": {WORKSPACE.prepared},
        "validate": {WORKSPACE.validated, WORKSPACE.quarantine},
        "base": {WORKSPACE.model("base")},
        "bootstrap": {WORKSPACE.model("bootstrap")},
        "rlp": {WORKSPACE.model("rlp"), WORKSPACE.report("rlp") / "ledger.json"},
        "cpt": {WORKSPACE.model("cpt")},
        "finetune": {WORKSPACE.supervised(arm)},
        "rlvr": {WORKSPACE.model(f"{arm}-ft")},
        "evaluate": {WORKSPACE.report(stage) / "items"},
        "compare": {WORKSPACE.reports / "comparison.json", WORKSPACE.reports / "index.html"},
        "promote": {WORKSPACE.reports / "promotion.json"},
    }[name]
    assert wanted <= outs(stage)
    if name not in ("compare", "promote"):
        assert WORKSPACE.report(stage) / "metrics.json" in outs(stage)


@pytest.mark.parametrize("stage", STAGES)
def test_data_goes_through_validation(stage: str) -> None:
    read = {path for path in deps(stage) if ROOT / "data" in path.parents}
    allowed = {WORKSPACE.part(name) for name in PARTS}
    if stage == "prepare":
        allowed = {ROOT / PARAMS.prepare.folder, ROOT / PARAMS.evaluate.benchmark_folder}
    elif stage == "validate":
        allowed = {WORKSPACE.prepared}
    elif stage.startswith("evaluate"):
        allowed = {WORKSPACE.part(name) for name in (*EVALUATION_PARTS, EXAMPLE_PART)}
        allowed |= {ROOT / PARAMS.evaluate.bias.folder}
    elif stage == "promote":
        allowed = {WORKSPACE.prepared / "manifest.json"}  # names and licences, and no text
    elif stage != "compare":
        allowed = {ROOT / PARAMS.base.checkpoint_folder} if stage == "base" else set()
        allowed |= {WORKSPACE.part(name) for name in TRAINING_PARTS}
        allowed |= {ROOT / PARAMS.rlp.reward_folder} if stage == "rlp" else set()  # code, no text
        allowed |= {WORKSPACE.seams} if stage == "bootstrap" else set()  # kinds, and no text
    assert read <= allowed


@pytest.mark.parametrize("stage", STAGES)
def test_code_that_a_stage_depends_on_exists(stage: str) -> None:
    code = {path for path in deps(stage) if ROOT / "rlp_core" in path.parents}
    assert ROOT / "rlp_core" / "stages" / f"{stage.partition('@')[0]}.py" in code
    assert [path for path in code if not path.exists()] == []


@pytest.mark.parametrize("stage", STAGES)
def test_no_stage_depends_on_what_changes_no_result(stage: str) -> None:
    spec = stage_spec(stage, PARAMS, WORKSPACE)
    assert spec is not None
    assert [key for key in spec.params if key.partition(".")[0] == "runtime"] == []


def test_reports_and_records_have_one_place_per_stage() -> None:
    assert len({WORKSPACE.report(stage) for stage in STAGES}) == len(STAGES)
    assert len({WORKSPACE.run_record(stage) for stage in STAGES}) == len(STAGES)
    assert WORKSPACE.report("evaluate@rlp-ft") == ROOT / "reports" / "evaluate" / "rlp-ft"


def test_the_folders_that_stages_write_to_are_known() -> None:
    for stage in STAGES:
        spec = stage_spec(stage, PARAMS, WORKSPACE)
        assert spec is not None
        for path in spec.outs:
            assert any(path == folder or path.startswith(f"{folder}/") for folder in WRITTEN), path
