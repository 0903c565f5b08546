"""Lineage: digests equal DVC's, and a fingerprint changes with whatever decides the result."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from rlp_core.params import load
from rlp_core.stage import stage_names
from rlp_core.tracking.lineage import dvc_digest, fingerprint, stage_parameters, stage_spec
from rlp_core.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]


def test_digests_are_those_of_dvc(tmp_path: Path) -> None:
    from dvc_data.hashfile.build import build
    from dvc_data.hashfile.db import HashFileDB
    from dvc_objects.fs.local import LocalFileSystem

    folder = tmp_path / "out"
    (folder / "b" / "c").mkdir(parents=True)
    (folder / "b" / "ä.txt").write_text("one\r\n")
    (folder / "b" / "c" / "x").write_text("two")
    (folder / "b.txt").write_bytes(bytes(range(256)))
    files = LocalFileSystem()
    cache = HashFileDB(files, str(tmp_path / "cache"))
    for path in (folder, folder / "b.txt"):
        _, _, built = build(cache, str(path), files, "md5")
        assert dvc_digest(path) == built.hash_info.value


@pytest.mark.parametrize("stage", stage_names())
def test_every_stage_has_a_spec_without_variables_left(stage: str) -> None:
    workspace = Workspace(ROOT)
    params = load(ROOT / "profiles" / "tiny.yaml")
    spec = stage_spec(stage, params, workspace)
    assert spec is not None
    assert spec.outs
    assert not [path for path in spec.deps + spec.outs if "$" in path]
    assert not [key for key in stage_parameters(spec, params) if key.startswith("runtime")]


def test_lists_of_sources_are_flattened() -> None:
    params = load(ROOT / "profiles" / "tiny.yaml")
    flat = stage_parameters(stage_spec("prepare", params, Workspace(ROOT)), params)
    assert flat["prepare.rlp.0.world"] == "arithmetic"


def test_no_graph_no_spec(tmp_path: Path) -> None:
    params = load(ROOT / "profiles" / "tiny.yaml")
    assert stage_spec("rlp", params, Workspace(tmp_path)) is None


def test_fingerprint_changes_with_stage_parameter_and_input() -> None:
    base = fingerprint("rlp", {"a": "1"}, {"x": "m"})
    assert base == fingerprint("rlp", {"a": "1"}, {"x": "m"})
    others = [
        fingerprint("cpt", {"a": "1"}, {"x": "m"}),
        fingerprint("rlp", {"a": "2"}, {"x": "m"}),
        fingerprint("rlp", {"a": "1"}, {"x": "n"}),
    ]
    assert len({base, *others}) == 4


@pytest.mark.parametrize("stage", ["base", "rlp"])
def test_every_default_that_is_not_written_is_in_the_fingerprint(stage: str) -> None:
    """What the model resolves a missing key to counts as if it had been written."""
    params = load(ROOT / "profiles" / "tiny.yaml")
    spec = stage_spec(stage, params, Workspace(ROOT))
    section = getattr(params, stage)
    before = fingerprint(stage, stage_parameters(spec, params), {})
    unwritten = set(type(section).model_fields) - section.model_fields_set
    assert unwritten
    for name in unwritten:
        other = section.model_copy(update={name: "another default"})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pydantic: the value has another type
            flat = stage_parameters(spec, params.model_copy(update={stage: other}))
        assert fingerprint(stage, flat, {}) != before, name
