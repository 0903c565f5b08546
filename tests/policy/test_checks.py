"""A checkpoint that is not whole, or not what it should be, is refused before any work."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    PreTrainedModel,
    T5Config,
    T5ForConditionalGeneration,
)

from rlp_core.errors import ConfigError, MissingInputError, RlpError
from rlp_core.policy import checks
from rlp_core.policy.context_length import context_length
from rlp_core.policy.model import load, save
from rlp_core.rollout import attention, engine
from tests import models

GATE = "model.layers.1.mlp.gate_proj.weight"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(models.model(1), models.tokenizer(), tmp_path)
    return tmp_path


def change(folder: Path, what: str) -> None:
    """Take away, rename or reshape weights."""
    file = folder / "model.safetensors"
    weights = load_file(file)
    if what == "missing":
        del weights[GATE]
    elif what == "prefix":
        weights = {f"_orig_mod.{name}": weight for name, weight in weights.items()}
    elif what == "shape":
        weights[GATE] = weights[GATE][:5].contiguous()
    elif what == "unused":
        weights["vision.weight"] = torch.zeros(2)
    save_file(weights, file, metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("missing", f"lacks 1 weights, the first is {GATE}"),
        ("prefix", "names begin with `_orig_mod.`"),
        ("shape", f"another shape than config.json says, the first is .*{GATE}"),
    ],
)
def test_weights_that_would_be_random_are_refused(folder: Path, what: str, said: str) -> None:
    change(folder, what)
    with pytest.raises(ConfigError, match=said) as raised:
        load(folder)
    assert raised.value.where == str(folder)


def test_weights_that_are_not_used_are_a_warning(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(folder, "unused")
    load(folder)
    assert "warning: 1 weights of the checkpoint are not used, the first is vision.weight" in (
        capsys.readouterr().out
    )


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_file_that_is_cut_off_is_refused_wherever(folder: Path, share: float) -> None:
    file = folder / "model.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ConfigError, match="damaged or cut off") as raised:
        load(folder)
    assert "model.safetensors" in raised.value.where


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_pointer_of_git_lfs_is_named(folder: Path, name: str) -> None:
    (folder / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(MissingInputError, match=f"{name} is a pointer of git-lfs") as raised:
        load(folder)
    assert "git lfs pull" in raised.value.fix


def test_a_missing_shard_is_named(folder: Path) -> None:
    models.model(1).save_pretrained(folder, max_shard_size="10KB")
    (folder / "model.safetensors").unlink()
    load(folder)
    lost = sorted(folder.glob("model-*.safetensors"))[1]
    lost.unlink()
    with pytest.raises(MissingInputError, match=lost.name):
        load(folder)
    (folder / checks.INDEX).write_text("{")
    with pytest.raises(ConfigError, match="list of the checkpoint's files is damaged"):
        load(folder)


def test_a_folder_without_tokenizer_is_told(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    with pytest.raises(MissingInputError, match="holds no tokenizer"):
        load(folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json"])
@pytest.mark.parametrize("content", ["", "{", "[]", '{"model_type": "no-such"}', "\x00" * 9])
def test_any_damaged_file_is_a_message(folder: Path, name: str, content: str) -> None:
    (folder / name).write_text(content)
    # transformers can do without what stands in tokenizer_config.json: the rest is whole
    told = (
        contextlib.suppress(ConfigError)
        if name == "tokenizer_config.json"
        else pytest.raises(RlpError, match="where: ")
    )
    with told:
        load(folder)


def test_a_model_of_another_kind_is_refused(folder: Path) -> None:
    t5 = T5ForConditionalGeneration(
        T5Config(vocab_size=280, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)
    )
    t5.save_pretrained(folder)
    with pytest.raises(ConfigError, match="type 't5' is no causal language model"):
        load(folder)


def test_a_model_that_reads_ahead_is_refused(folder: Path) -> None:
    bert = BertForMaskedLM(
        BertConfig(
            vocab_size=280,
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=32,
        )
    )
    bert.save_pretrained(folder)
    with pytest.raises(ConfigError, match="reads the text that follows"):
        load(folder)


def gpt2(**changes: float) -> PreTrainedModel:
    rates = {"attn_pdrop": 0.0, "resid_pdrop": 0.0, "embd_pdrop": 0.0} | changes
    config = GPT2Config(
        vocab_size=280, n_positions=32, n_embd=16, n_layer=2, n_head=2,
        bos_token_id=1, eos_token_id=1, summary_first_dropout=0.0, **rates,
    )  # fmt: skip
    return GPT2LMHeadModel(config)


def llama(**changes: float) -> PreTrainedModel:
    from transformers import LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=280, hidden_size=16, intermediate_size=16, num_hidden_layers=2,
        num_attention_heads=2, bos_token_id=1, eos_token_id=1, **changes,
    )  # fmt: skip
    return LlamaForCausalLM(config)


@pytest.mark.parametrize(
    ("made", "name"),
    [
        (gpt2(attn_pdrop=0.1), "attn_pdrop"),
        (gpt2(resid_pdrop=0.1), "resid_pdrop"),
        (gpt2(embd_pdrop=0.1), "embd_pdrop"),
        (llama(attention_dropout=0.1), "attention_dropout"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_dropout_by_any_name_is_switched_off_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], made: PreTrainedModel, name: str
) -> None:
    save(made, models.tokenizer(), tmp_path)
    model, _ = load(tmp_path)
    assert f"switched off: {name} = 0.1" in capsys.readouterr().out
    assert checks.active_dropout(model.config) == {}
    engine.prepare(model)
    model.train()
    ids = torch.arange(1, 9)[None]
    first, second = (model(input_ids=ids, use_cache=False).logits for _ in range(2))
    assert torch.equal(first, second)


def test_attention_dropout_by_another_name_is_refused_where_a_model_is_handed_in() -> None:
    with pytest.raises(ConfigError, match=r"attn_pdrop = 0\.1") as raised:
        attention.enable(gpt2(attn_pdrop=0.1))
    assert "switch_off_dropout" in raised.value.fix


@pytest.mark.parametrize(
    "config", [GPT2Config(n_positions=32), LlamaConfig(max_position_embeddings=64)]
)
def test_no_sequence_may_be_longer_than_a_model_was_made_for(config) -> None:
    limit = context_length(config.to_dict())
    assert limit is not None
    checks.check_length(config, {"a.b": limit}, "models/x")
    with pytest.raises(ConfigError, match=rf"a\.b = {limit + 1} tokens") as raised:
        checks.check_length(config, {"a.b": limit + 1}, "models/x")
    assert "models/x" in raised.value.where


def test_no_code_trusts_remote_code_or_pickled_weights() -> None:
    root = Path(__file__).resolve().parents[2]
    calls = 0
    for path in sorted(
        p for room in ("rlp_core", "benchmarks", "flows") for p in (root / room).rglob("*.py")
    ):
        text = path.read_text(encoding="utf-8")
        calls += text.count("trust_remote_code")
        for mention in text.split("trust_remote_code")[1:]:
            assert mention.lstrip("\"'").startswith((": False", "=False")), path
        assert "use_safetensors=False" not in text, path
        assert "torch.load(" not in text, path
        assert "pickle.load" not in text, path
    assert calls > 0


def test_a_repository_with_code_of_its_own_is_not_run(folder: Path) -> None:
    config = folder / "config.json"
    tree = json.loads(config.read_text())
    tree |= {
        "model_type": "own",
        "auto_map": {"AutoConfig": "evil.C", "AutoModelForCausalLM": "evil.M"},
    }
    config.write_text(json.dumps(tree))
    (folder / "evil.py").write_text("raise SystemExit('code of a checkpoint was run')\n")
    with pytest.raises(ConfigError, match="cannot be loaded"):
        load(folder)
