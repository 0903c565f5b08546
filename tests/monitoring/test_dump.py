"""Dumps: what is written is what is read, only the first few, and never a damaged one."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from rlp_core.data.thought import ThoughtConfig
from rlp_core.errors import EXIT_DATA, EXIT_MISSING, DataError, MissingInputError
from rlp_core.monitoring.dump import DumpedDocuments, DumpWriter, StepDump, model_of_dump, read_dump
from rlp_core.policy.config import LoraConfig
from rlp_core.training.checkpoint import State
from rlp_core.training.config import LearnerConfig, OptimizerConfig
from rlp_core.training.positions import TokenizedDocument
from tests import models
from tests.training import steps

THOUGHT = ThoughtConfig(open="<think>", close="</think>", max_tokens=6)
TEXTS = {2: TokenizedDocument(7, [1, 5, 6, 7], [1, 2]), 5: TokenizedDocument(2**62, [1, 8, 9], [2])}


def settings() -> LearnerConfig:
    return steps.settings(optimizer=OptimizerConfig(name="adamw", lr=1e-3, betas=(0.8, 0.9)))


def step(number: int = 3) -> StepDump:
    tensors = {"a/weight": torch.tensor([1.5, math.nan, -math.inf]), "b": torch.arange(3)}
    return StepDump(
        number=number,
        seed=11,
        runtime={"decode_batch_size": 8},
        settings=settings(),
        thought=THOUGHT,
        documents=DumpedDocuments(9, TEXTS),
        chosen=[5],
        state=State(tensors, {"a": {"step": 3, "rate": 0.1}}),
        metrics={"loss": math.nan, "grad_norm": math.inf, "information_gain": -0.5},
    )


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    folder = DumpWriter(tmp_path / "dumps").write(step(), models.model(), models.codec())
    assert folder is not None
    return folder


def test_what_is_written_is_what_is_read(dump: Path) -> None:
    wrote, read = step(), read_dump(dump)
    for name in ("number", "seed", "runtime", "settings", "thought", "chosen"):
        assert getattr(read, name) == getattr(wrote, name)
    assert (read.documents.length, read.documents.kept) == (9, TEXTS)
    assert read.state.values == wrote.state.values
    for name, tensor in wrote.state.tensors.items():
        assert torch.equal(read.state.tensors[name].nan_to_num(9.0), tensor.nan_to_num(9.0))
    assert math.isnan(read.metrics["loss"])
    assert read.metrics["grad_norm"] == math.inf


def test_the_model_comes_back_by_its_make(dump: Path) -> None:
    model, codec = model_of_dump(dump, THOUGHT, LoraConfig())
    like = models.model()
    assert {k: v.shape for k, v in model.state_dict().items()} == {
        k: v.shape for k, v in like.state_dict().items()
    }
    text = "Q: 3+4-5\nA:<think>"
    assert codec.encode(text) == models.codec().encode(text)
    assert (codec.open_id, codec.close_id) == (models.codec().open_id, models.codec().close_id)


def test_no_pickle_is_written(dump: Path) -> None:
    kinds = {path.suffix for path in dump.rglob("*") if path.is_file()}
    assert kinds <= {".json", ".safetensors", ".jinja", ".txt"}


def test_the_first_few_are_kept(tmp_path: Path) -> None:
    dumps = DumpWriter(tmp_path, kept=2)
    written = [dumps.write(step(n), models.model(), models.codec()) for n in (4, 5, 5, 6)]
    assert written[:2] == written[:1] + written[2:3]
    assert written[3] is None
    assert sorted(path.name[-1] for path in tmp_path.iterdir()) == ["4", "5"]


def test_texts_stand_at_their_numbers() -> None:
    documents = DumpedDocuments(9, TEXTS)
    assert len(documents) == 9
    assert [documents[i] for i in (2, 5)] == list(documents)
    with pytest.raises(LookupError, match="document 3 was not read"):
        _ = documents[3]


def test_the_texts_of_a_step_and_of_its_buffer_are_kept() -> None:
    documents = [TokenizedDocument(100 + i, [1, i], [1]) for i in range(9)]
    found = DumpedDocuments.of(documents, read=[4, 1], numbers=[107, 101])
    assert found.kept == {i: documents[i] for i in (1, 4, 7)}
    assert len(found) == 9
    assert DumpedDocuments.of(documents, read=[4]).kept == {4: documents[4]}


@pytest.mark.parametrize("name", ["dump.json", "state", "model"])
@pytest.mark.parametrize("how", ["changed", "gone"])
def test_a_damaged_dump_is_refused(dump: Path, name: str, how: str) -> None:
    path = dump / name
    file = path if path.is_file() else max(path.rglob("*.*"), key=lambda p: p.stat().st_size)
    if how == "gone":
        file.unlink()
    else:
        raw = bytearray(file.read_bytes())
        raw[len(raw) // 2] ^= 1
        file.write_bytes(raw)
    with pytest.raises(DataError, match="damaged") as caught:
        read_dump(dump)
    assert str(path) in caught.value.where
    assert caught.value.exit_code == EXIT_DATA


@pytest.mark.parametrize("manifest", ['{"format": "rlp-dump-99"}', "{}", "[]"])
def test_another_version_is_refused(dump: Path, manifest: str) -> None:
    (dump / "manifest.json").write_text(manifest)
    with pytest.raises(DataError, match="no dump of a format that is known"):
        read_dump(dump)


def test_settings_of_another_version_are_refused_by_name(dump: Path) -> None:
    from rlp_core.files import sha256

    row = json.loads((dump / "dump.json").read_text())
    row["settings"]["no_such_setting"] = 1
    (dump / "dump.json").write_text(json.dumps(row))
    manifest = json.loads((dump / "manifest.json").read_text())
    manifest["dump"] = sha256(dump / "dump.json")
    (dump / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match="another version"):
        read_dump(dump)


@pytest.mark.parametrize("make", [Path.exists, Path.mkdir, Path.touch])
def test_what_is_no_dump_is_told(tmp_path: Path, make) -> None:
    make(tmp_path / "nothing")
    with pytest.raises(MissingInputError, match="no dump here") as caught:
        read_dump(tmp_path / "nothing")
    assert caught.value.exit_code == EXIT_MISSING
