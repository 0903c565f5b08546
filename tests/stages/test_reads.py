"""What a stage reads is what `dvc.yaml` says it reads, or what it has just written itself."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from rlp_core import arms, prompts
from rlp_core.params import Params
from rlp_core.stage import StageContext
from rlp_core.stages import base, prepare, validate
from rlp_core.tracking.lineage import StageSpec, stage_spec
from rlp_core.workspace import SOURCE_PARTS, Workspace
from tests.stages.admitted import admit
from tests.stages.test_training import params as small
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


def not_its_own(read: set[str], spec: StageSpec) -> set[str]:
    """What a stage read, without its outputs: written beside their place, then renamed."""
    marks = [f"/.{Path(out).name}." for out in spec.outs]
    found = {path for path in read if not any(mark in f"/{path}" for mark in marks)}
    return set(outside(found, *spec.outs))


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
        assert outside(not_its_own(read, spec), *spec.deps) == []
        expected = {"prepare": "texts/a.jsonl", "validate": "data/prepared/rlp.jsonl"}[name]
        assert expected in read


FINETUNED = arms.declared().starts
CODE = (".py", ".pyc")
AFTER = [f"{kind}@{arm}" for kind in arms.POST_TRAINING for arm in FINETUNED]
TRAINED = ["base", "bootstrap", "rlp", "cpt", *AFTER]


@pytest.fixture(scope="module")
def reads(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """What each training stage reads of the workspace and of the package's data, its own left out.

    Its own are the outputs that it has just written, and its checkpoints, whose folder is named
    after all that decides the result. Weights are opened by a library that raises no event; they
    lie beside the configuration, and folders are dependencies as a whole.
    """
    root = tmp_path_factory.mktemp("reads")
    (root / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    settings, workspace = small(thought__prompt="terse", rlvr__steps=2), Workspace(root)
    prepare.run(StageContext("prepare", settings, workspace, cast("Any", Silent())))
    admit(workspace)
    found = {}
    for name in TRAINED:
        scratch = workspace.private / "scratch" / name
        context = StageContext(name, settings, workspace, cast("Any", Silent()), scratch)
        stage = importlib.import_module(f"rlp_core.stages.{name.partition('@')[0]}")
        prompts._read.cache_clear()
        with files_read(root) as data, files_read(ROOT) as code:
            stage.run(context)
        spec = stage_spec(name, settings, workspace)
        assert spec is not None
        package = {p for p in code if p.startswith("rlp_core/") and not p.endswith(CODE)}
        found[name] = set(outside(not_its_own(data, spec), ".rlp")) | package
    return found


@pytest.mark.parametrize("stage", TRAINED)
def test_training_reads_its_dependencies_alone(stage: str, reads: dict[str, set[str]]) -> None:
    spec = stage_spec(stage, small(), Workspace(ROOT))
    assert spec is not None
    assert outside(reads[stage], *spec.deps) == []
    begins = {"bootstrap": "base", "rlp": "bootstrap", "cpt": "bootstrap"}
    begins |= {f"finetune@{arm}": arm for arm in FINETUNED}
    begins |= {f"rlvr@{arm}": f"{arm}-sft" for arm in FINETUNED}
    part = {"cpt": "rlp"}.get(stage, stage.partition("@")[0])
    expected = {f"data/validated/{part}.jsonl"}
    expected |= {f"models/{begins[stage]}/config.json"} if stage in begins else set()
    expected |= {"rlp_core/prompts/terse.yaml"}
    expected |= {"reports/rlp/ledger.json"} if stage == "cpt" else set()
    assert expected <= reads[stage]


def test_a_checkpoint_is_read_below_the_folder_that_base_depends_on(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    folder = "data/checkpoints/start"
    settings, workspace = small(), Workspace(tmp_path)
    prepare.run(StageContext("prepare", settings, workspace, cast("Any", Silent())))
    admit(workspace)
    base.run(StageContext("base", settings, workspace, cast("Any", Silent())))
    (tmp_path / folder).parent.mkdir()
    workspace.model("base").rename(tmp_path / folder)
    settings = small(
        base__checkpoint=str(tmp_path / folder), base__architecture=None, base__steps=0
    )
    spec = stage_spec("base", settings, workspace)
    assert spec is not None
    with files_read(tmp_path) as read:
        base.run(StageContext("base", settings, workspace, cast("Any", Silent())))
    assert outside(not_its_own(read, spec), *spec.deps) == []
    assert f"{folder}/config.json" in read


def test_the_trace_sees_a_read_and_no_write(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("x")
    with files_read(tmp_path) as read:
        (tmp_path / "in").read_text()
        (tmp_path / "out").write_text("y")
    (tmp_path / "out").read_text()
    assert read == {"in"}
    assert outside(read, "other", "i") == ["in"]
    assert outside(read, "in") == []
