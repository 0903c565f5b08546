"""Stage `validate`: what lies where afterwards, when it passes and when it stops."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rlp_core.data import seam
from rlp_core.errors import DataError
from rlp_core.files import folder_sha256, read_jsonl, sha256
from rlp_core.params import load
from rlp_core.stage import StageContext
from rlp_core.stages import validate
from rlp_core.workspace import PARTS, Workspace
from tests.contracts.samples import SETTINGS, record, write_prepared

PROFILE = Path(__file__).resolve().parents[2] / "profiles" / "tiny.yaml"


@dataclass
class Tracker:
    """Remembers what a stage says."""

    numbers: dict[str, float] = field(default_factory=dict)
    datasets: dict[str, str] = field(default_factory=dict)
    artifacts: list[Path] = field(default_factory=list)

    def metrics(self, values: dict[str, float], step: int | None = None) -> None:
        assert step is None
        self.numbers |= values

    def dataset(self, name: str, path: Path, digest: str, context: str) -> None:
        assert context == "validate"
        assert sha256(path) == digest
        self.datasets[name] = digest

    def artifact(self, path: Path) -> None:
        self.artifacts.append(path)


def run(root: Path, changed: dict[str, list[Any]]) -> Tracker:
    workspace = Workspace(root)
    write_prepared(workspace.prepared, changed)
    params = load(PROFILE).model_copy(update={"validate_": SETTINGS})
    tracker = Tracker()
    validate.run(StageContext("validate", params, workspace, tracker))  # type: ignore[arg-type]
    return tracker


def test_rows_pass_or_lie_in_quarantine(tmp_path: Path) -> None:
    unsound = record("bootstrap", 8, thought="2*8 = 24")
    half = record("rlp", 8, text="half a pair \ud800 here")
    changed = {
        "bootstrap": [*(record("bootstrap", n) for n in range(6)), unsound],
        "rlp": [half, *(record("rlp", n) for n in range(6))],
    }
    tracker = run(tmp_path, changed)
    workspace = Workspace(tmp_path)
    assert sorted(p.name for p in workspace.validated.iterdir()) == sorted(
        ["manifest.json", "seams.json", *(f"{part}.jsonl" for part in PARTS)]
    )
    quarantine = {part: list(read_jsonl(workspace.quarantine / f"{part}.jsonl")) for part in PARTS}
    assert quarantine.pop("bootstrap") == [
        {"id": "bootstrap-8", "rules": ["steps_hold"], "record": unsound}
    ]
    assert quarantine.pop("rlp") == [{"id": "rlp-8", "rules": ["surrogates"], "record": half}]
    assert not any(quarantine.values())
    assert list(read_jsonl(workspace.part("bootstrap"))) == changed["bootstrap"][:6]
    manifest = json.loads((workspace.validated / "manifest.json").read_text(encoding="utf-8"))
    for part in PARTS:
        assert manifest["parts"][part]["records"] == 6
        assert manifest["parts"][part]["sha256"] == sha256(workspace.part(part))
        assert tracker.datasets[part] == manifest["parts"][part]["sha256"]
    numbers = json.loads((workspace.report("validate") / "metrics.json").read_text("utf-8"))
    assert numbers["bootstrap_rows_in"] == 7
    assert numbers["bootstrap_quarantined"] == numbers["failed_steps_hold"] == 1
    assert tracker.numbers == numbers
    assert (workspace.private / "data-docs" / "index.html").is_file()
    assert [path.name for path in tracker.artifacts] == ["data-report.html"]


def test_a_critical_fault_leaves_reports_and_no_validated_data(tmp_path: Path) -> None:
    run(tmp_path, {})
    workspace = Workspace(tmp_path)
    assert workspace.validated.is_dir()
    with pytest.raises(DataError, match="id_unique"):
        run(tmp_path, {"base": [record("base", n, id="same") for n in range(6)]})
    assert not workspace.validated.exists()
    report = workspace.report("validate")
    assert "The pipeline stops here" in (report / "data-report.html").read_text("utf-8")
    assert json.loads((report / "metrics.json").read_text("utf-8"))["critical_failures"] == 2
    assert len(list(read_jsonl(workspace.quarantine / "base.jsonl"))) == 6


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    digests = []
    for name in ("one", "two"):
        changed = {
            "rlp": [*(record("rlp", n) for n in range(6)), record("rlp", 8, text="\ufffd!!!")]
        }
        run(tmp_path / name, changed)
        workspace = Workspace(tmp_path / name)
        folders = workspace.validated, workspace.quarantine, workspace.report("validate")
        digests.append([folder_sha256(folder) for folder in folders])
        page = (workspace.report("validate") / "data-report.html").read_text("utf-8")
        assert str(tmp_path) not in page
    assert digests[0] == digests[1]


def test_the_seams_of_what_passed_are_noted_and_prompts_that_end_otherwise_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quarantined = record("bootstrap", 8, thought="2*8 = 24", continuation=" 7\n")
    run(tmp_path, {"bootstrap": [*(record("bootstrap", n) for n in range(6)), quarantined]})
    found = seam.read(Workspace(tmp_path).seams)
    assert found["bootstrap"] == [seam.Seam(".\n", "", "a")]
    assert found["rlp"] == found["heldout"] == [seam.Seam("", "", "a")]
    assert "warning: validate: prompts" not in capsys.readouterr().out
    asked = [record("problems", n) for n in range(6)]
    for row in asked:
        row["prompt"] = row["prompt"].rstrip()
    run(tmp_path, {"problems": asked})
    assert "warning: validate: prompts of benchmark made-up end in no white space" in (
        capsys.readouterr().out
    )
