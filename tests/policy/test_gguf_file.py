"""A GGUF file is looked at before it is read, and becomes an ordinary model in fp32."""

from __future__ import annotations

import contextlib
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.errors import ConfigError, MissingInputError, UnavailableError
from rlp_core.policy import gguf_file
from tests import gguf_files, models

pytest.importorskip("gguf", reason="the extra gguf is not installed")
pytest.importorskip("accelerate", reason="the extra gguf is not installed")

TEXT = "Q: 3+4-5\nA: 2\nThe nurse said that he was late."


def made(path: Path, **changes: Any) -> Path:
    return gguf_files.write(path / "small.gguf", gguf_files.llama(), models.tokenizer(), **changes)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("gguf"))


def test_a_file_says_what_it_is(tmp_path: Path) -> None:
    found = gguf_file.examine(made(tmp_path, quantised=True))
    assert (found.architecture, found.name) == ("llama", "A small model")
    assert (found.licence, found.splitting) == ("apache-2.0", "smollm")
    assert found.quantisation == {"F32": 5, "Q8_0": 15}
    assert found.turn_ends == ()
    assert found.numbers == sum(p.numel() for p in gguf_files.llama().parameters())


@pytest.mark.parametrize("tied", [True, False])
def test_a_file_in_fp32_is_the_model_that_it_was_written_from(tmp_path: Path, tied: bool) -> None:
    original = gguf_files.llama(tied=tied)
    path = gguf_files.write(tmp_path / "small.gguf", original, models.tokenizer())
    model, tokenizer = gguf_file.read(gguf_file.examine(path))
    assert model.config.tie_word_embeddings is tied
    for name, weight in original.state_dict().items():
        assert torch.equal(model.state_dict()[name], weight), name
    ids = torch.tensor([models.codec().encode(TEXT)])
    assert torch.equal(model(input_ids=ids).logits, original(input_ids=ids).logits)
    assert tokenizer.get_vocab() == models.tokenizer().get_vocab()
    assert tokenizer.encode(TEXT) == models.tokenizer().encode(TEXT)
    assert tokenizer.eos_token == models.tokenizer().eos_token


def test_a_quantised_file_is_dequantised_to_fp32(tmp_path: Path) -> None:
    from gguf import GGMLQuantizationType, quants

    model, _ = gguf_file.read(gguf_file.examine(made(tmp_path, quantised=True)))
    name = "model.layers.1.mlp.up_proj.weight"
    kind = GGMLQuantizationType.Q8_0
    written = gguf_files.llama().state_dict()[name].numpy()
    expected = quants.dequantize(quants.quantize(written, kind), kind)
    assert np.array_equal(model.state_dict()[name].numpy(), expected)
    assert not np.array_equal(expected, written)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert not hasattr(model.config, "quantization_config")


def test_the_ends_of_a_turn_are_named_to_the_generation(tmp_path: Path) -> None:
    tokenizer = models.fresh_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|eot|>"]})
    end = tokenizer.convert_tokens_to_ids("<|eot|>")
    path = gguf_files.write(
        tmp_path / "small.gguf", gguf_files.llama(tokenizer), tokenizer,
        extra={"tokenizer.ggml.eot_token_id": end},
    )  # fmt: skip
    model, _ = gguf_file.read(gguf_file.examine(path))
    assert model.generation_config.eos_token_id == [tokenizer.eos_token_id, end]


def test_an_unknown_way_of_parting_words_is_a_warning(whole: Path, tmp_path: Path, capsys) -> None:
    gguf_file.read(gguf_file.examine(whole))
    assert "warning" not in capsys.readouterr().out
    text = whole.read_bytes()
    other = tmp_path / "other.gguf"
    other.write_bytes(text.replace(b"smollm", b"chat-z"))
    gguf_file.read(gguf_file.examine(other))
    assert "parts words as 'chat-z'" in capsys.readouterr().out


def test_numbers_that_are_not_read_are_counted(tmp_path: Path, capsys) -> None:
    path = made(tmp_path, tensors={"blk.0.vision.weight": np.zeros(7, dtype=np.float32)})
    gguf_file.read(gguf_file.examine(path))
    assert "warning: 7 of the file's" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"architecture": "abacus"}, r"GGUF file of architecture 'abacus'"),
        ({"architecture": "general"}, r"GGUF file of architecture 'general'"),
        ({"tokens": False}, "holds no tokenizer"),
        ({"extra": {"split.count": 3}}, "one of 3 parts"),
        ({"extra": {"llama.rope.scaling.type": "yarn"}}, r"positions are scaled \(yarn\)"),
        (
            {"tensors": {"rope_freqs.weight": np.full(8, 8.0, dtype=np.float32)}},
            r"positions are scaled \(by a table\)",
        ),
    ],
)
def test_what_cannot_be_read_whole_is_refused(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    path = made(tmp_path, **changes)
    with pytest.raises(ConfigError, match=said) as raised:
        gguf_file.examine(path)
    assert raised.value.where == str(path)
    assert raised.value.fix


def test_positions_that_are_scaled_by_one_are_not_scaled(tmp_path: Path) -> None:
    tables = {"rope_freqs.weight": np.ones(8, dtype=np.float32)}
    gguf_file.examine(made(tmp_path, extra={"llama.rope.scaling.type": "none"}, tensors=tables))


def test_a_file_of_another_format_or_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="no such file"):
        gguf_file.examine(tmp_path / "none.gguf")
    pointer = tmp_path / "pointer.gguf"
    pointer.write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(ConfigError, match="not in GGUF format"):
        gguf_file.examine(pointer)


@given(share=st.floats(0, 1, exclude_max=True))
def test_a_file_that_is_cut_off_is_refused_wherever(
    whole: Path, tmp_path_factory: pytest.TempPathFactory, share: float
) -> None:
    cut = tmp_path_factory.mktemp("cut") / "cut.gguf"
    content = whole.read_bytes()
    cut.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ConfigError, match=r"cut off|not in GGUF format"):
        gguf_file.examine(cut)


@given(place=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255))
def test_a_damaged_header_is_a_message_or_goes_unnoticed_but_no_traceback(
    whole: Path, tmp_path_factory: pytest.TempPathFactory, place: float, byte: int
) -> None:
    content = bytearray(whole.read_bytes())
    content[int(place * 2000)] = byte
    damaged = tmp_path_factory.mktemp("damaged") / "damaged.gguf"
    damaged.write_bytes(content)
    with contextlib.suppress(ConfigError):
        gguf_file.examine(damaged)


@pytest.mark.parametrize("name", gguf_file.NEEDED)
def test_a_missing_package_is_told_with_the_extra_that_brings_it(
    whole: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda asked: None if asked == name else found(asked)
    )
    with pytest.raises(UnavailableError, match=f"is read with {name}, not installed") as raised:
        gguf_file.examine(whole)
    assert "rlp[gguf]" in raised.value.fix


def test_transformers_that_are_too_old_are_told(
    whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gguf_file, "DEQUANTISER", "NotYetThere")
    with pytest.raises(UnavailableError, match="is too old to read a GGUF file") as raised:
        gguf_file.examine(whole)
    assert "--upgrade transformers" in raised.value.fix
