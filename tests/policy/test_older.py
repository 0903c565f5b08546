"""A saved folder says the same to transformers 4 as to transformers 5."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    GPTNeoXConfig,
    LlamaConfig,
    PhiConfig,
    Qwen3Config,
)

from rlp_core.policy.model import load, save
from rlp_core.policy.older import old_rope_names
from tests import models

OTHER = os.environ.get("RLP_TRANSFORMERS4_PYTHON", "")
"""An interpreter that has transformers 4.57, for the test that reads the folders with it."""

SIZE = {
    "vocab_size": len(models.tokenizer()),
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 64,
    "bos_token_id": 1,
    "eos_token_id": 1,
    "pad_token_id": 0,
}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 5e5,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
CONFIGS = {
    "qwen3": Qwen3Config(**SIZE, num_key_value_heads=1, head_dim=8, rope_theta=1e6),
    "llama": LlamaConfig(**SIZE, rope_theta=123.0, tie_word_embeddings=False),
    "llama3": LlamaConfig(**SIZE, rope_parameters=LLAMA3),
    "phi": PhiConfig(**SIZE, rope_theta=99.0, partial_rotary_factor=0.5),
    "gpt_neox": GPTNeoXConfig(**SIZE, rotary_pct=0.5, rotary_emb_base=77.0),
}
TEXT = "Q: 3+4-5\nA:<think>3+4=7</think>2\n"
READER = """
import json, sys, torch, transformers
from transformers import AutoModelForCausalLM, AutoTokenizer
assert transformers.__version__.startswith("4."), transformers.__version__
found = {}
for folder in sys.argv[2:]:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    ids = tokenizer(sys.argv[1], return_tensors="pt").input_ids
    with torch.no_grad():
        logits = model(input_ids=ids).logits
    found[folder] = [ids[0].tolist(), tokenizer.decode(ids[0]), logits[0].tolist()]
print(json.dumps(found))
"""


def saved(folder: Path, family: str) -> Path:
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(CONFIGS[family]).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.mul_(8)  # so that positions matter to the logits
    folder.mkdir()
    save(model, models.tokenizer(), folder)
    return folder


@pytest.mark.parametrize("family", CONFIGS)
def test_the_old_names_stand_beside_the_new_and_change_nothing(tmp_path: Path, family: str) -> None:
    folder = saved(tmp_path / family, family)
    tree = json.loads((folder / "config.json").read_text())
    rope = CONFIGS[family].rope_parameters
    assert tree["rope_theta"] == rope["rope_theta"] == tree["rope_parameters"]["rope_theta"]
    scaled = rope["rope_type"] != "default"
    assert (tree["rope_scaling"] or {}).get("factor") == (rope["factor"] if scaled else None)
    assert tree["dtype"] == "float32"
    tokenizer = json.loads((folder / "tokenizer_config.json").read_text())
    assert tokenizer["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert AutoConfig.from_pretrained(folder).rope_parameters == rope
    assert len(AutoTokenizer.from_pretrained(folder)) == len(models.tokenizer())


def test_a_model_without_one_rotary_rule_gets_no_old_names() -> None:
    assert old_rope_names({}) == {}
    assert old_rope_names({"rope_parameters": None}) == {}
    layers = {"full_attention": {"rope_theta": 1.0}, "sliding_attention": {"rope_theta": 2.0}}
    assert old_rope_names({"rope_parameters": layers}) == {}


def test_a_folder_saved_again_from_what_was_loaded_has_the_same_bytes(tmp_path: Path) -> None:
    folder = saved(tmp_path / "first", "qwen3")
    (tmp_path / "second").mkdir()
    save(*load(folder), tmp_path / "second")
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"):
        assert (folder / name).read_bytes() == (tmp_path / "second" / name).read_bytes(), name


@pytest.mark.skipif(not OTHER, reason="RLP_TRANSFORMERS4_PYTHON names no interpreter")
def test_transformers_4_reads_the_same_tokens_and_logits(tmp_path: Path) -> None:
    folders = [str(saved(tmp_path / family, family)) for family in CONFIGS]
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [OTHER, "-c", READER, TEXT, *folders],
        capture_output=True, text=True, check=False, cwd=tmp_path, env=own,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    for folder in folders:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        ids = tokenizer(TEXT, return_tensors="pt").input_ids
        with torch.no_grad():
            logits = AutoModelForCausalLM.from_pretrained(folder).eval()(input_ids=ids).logits
        read, text, values = found[folder]
        assert read == ids[0].tolist()
        assert text == TEXT
        torch.testing.assert_close(torch.tensor(values), logits[0], atol=1e-5, rtol=1e-5)
