"""What a stage reads is what `dvc.yaml` says it reads, or what it has just written itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import yaml

from rlp_core.params import Params
from rlp_core.stage import StageContext
from rlp_core.stages import prepare, validate
from rlp_core.tracking.lineage import stage_spec
from rlp_core.workspace import SOURCE_PARTS, Workspace
from tests.tracing import files_read, outside

ROOT = Path(__file__).resolve().parents[2]


class Silent:
    """A tracker that takes everything and reads nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


def params(folder: str) -> Params:
    tree = yaml.safe_load((ROOT / "profiles" / "tiny.yaml").read_text(encoding="utf-8"))
    for part in SOURCE_PARTS:
        tree["prepare"][part] = [
            source | {"count": min(source["count"], 20)} for source in tree["prepare"][part]
        ]
    file = {"kind": "files", "name": "f", "licence": "MIT", "pattern": "*.jsonl"}
    tree["prepare"] |= {"folder": folder, "rlp": [file]}
    tree["validate"] |= {"max_quarantine_share": 1.0}
    return Params.model_validate(tree)


def test_prepare_and_validate_read_their_dependencies_alone(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    (tmp_path / "data" / "benchmarks").mkdir(parents=True)
    for folder in ("texts", "elsewhere"):
        (tmp_path / folder).mkdir()
        rows = [{"text": f"{folder} {n} by the water"} for n in range(9)]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / folder / "a.jsonl").write_text(lines)
    settings, workspace = params("texts"), Workspace(tmp_path)
    for stage in (prepare, validate):
        name = stage.__name__.rpartition(".")[2]
        spec = stage_spec(name, settings, workspace)
        assert spec is not None
        with files_read(tmp_path) as read:
            stage.run(StageContext(name, settings, workspace, cast("Any", Silent())))
        marks = [f"/.{Path(out).name}." for out in spec.outs]  # written beside, then renamed
        own = {path for path in read if any(mark in f"/{path}" for mark in marks)}
        assert outside(read - own, *spec.deps, *spec.outs) == []
        expected = {"prepare": "texts/a.jsonl", "validate": "data/prepared/rlp.jsonl"}[name]
        assert expected in read


def test_the_trace_sees_a_read_and_no_write(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("x")
    with files_read(tmp_path) as read:
        (tmp_path / "in").read_text()
        (tmp_path / "out").write_text("y")
    (tmp_path / "out").read_text()
    assert read == {"in"}
    assert outside(read, "other", "i") == ["in"]
    assert outside(read, "in") == []
