"""Stage `prepare`: what it leaves behind, also when it fails."""

import json
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from rlp_core.errors import MissingInputError
from rlp_core.files import sha256
from rlp_core.params import Params
from rlp_core.stage import StageContext
from rlp_core.stages import prepare
from rlp_core.workspace import PARTS, SOURCE_PARTS, Workspace

TINY = Path(__file__).resolve().parents[2] / "profiles" / "tiny.yaml"


class Tracker:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.datasets: dict[str, dict[str, Any]] = {}
        self.values: dict[str, float] = {}

    def dataset(self, *, name: str, path: Path, digest: str, context: str) -> None:
        self.datasets[name] = {"path": path, "digest": digest, "context": context}

    def metrics(self, values: dict[str, float], step: int | None = None) -> None:
        assert step is None
        self.values |= values


def context(root: Path, **parts: Any) -> tuple[StageContext, Tracker]:
    tree = yaml.safe_load(TINY.read_text())
    for part in SOURCE_PARTS:
        for source in tree["prepare"][part]:
            source["count"] = 30
    tree["prepare"] |= parts
    tracker = Tracker()
    params = Params.model_validate(tree)
    return StageContext("prepare", params, Workspace(root), cast("Any", tracker)), tracker


def test_outputs_metrics_and_tracker_agree(tmp_path: Path) -> None:
    stage, tracker = context(tmp_path)
    prepare.run(stage)
    workspace = stage.workspace
    metrics = json.loads((workspace.report("prepare") / "metrics.json").read_text())
    assert tracker.values == metrics
    assert metrics["base_records"] == 60
    assert set(tracker.datasets) == set(PARTS)
    for part, told in tracker.datasets.items():
        assert told["path"] == workspace.prepared / f"{part}.jsonl"
        assert told["digest"] == sha256(told["path"])
        assert told["context"] == "prepare"


def test_again_gives_the_same_folder(tmp_path: Path) -> None:
    first, _ = context(tmp_path / "a")
    second, _ = context(tmp_path / "b")
    for stage in (first, first, second):
        prepare.run(stage)
    one, two = first.workspace.prepared, second.workspace.prepared
    assert {p.name: p.read_bytes() for p in one.iterdir()} == {
        p.name: p.read_bytes() for p in two.iterdir()
    }


def test_a_failure_leaves_nothing_half_written(tmp_path: Path) -> None:
    good, _ = context(tmp_path)
    prepare.run(good)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    missing = {"kind": "files", "name": "n", "licence": "MIT", "pattern": "*.jsonl"}
    bad, tracker = context(
        tmp_path, finetune=[missing | {"mapping": {"context": "{a}", "continuation": "{b}"}}]
    )
    with pytest.raises(MissingInputError, match="no such folder"):
        prepare.run(bad)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before
    assert not tracker.datasets
