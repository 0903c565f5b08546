"""A model's longest sequence: the same from its folder as from the object that was loaded."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from transformers import (
    AutoConfig,
    Gemma3TextConfig,
    GPT2Config,
    LlamaConfig,
    Phi3Config,
    PreTrainedConfig,
    Qwen3Config,
)

from rlp_core.policy.context_length import context_length

ORIGINAL = "original_max_position_embeddings"
FACTORS = [1.0] * 8
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
LONGROPE = {"rope_type": "longrope", "short_factor": FACTORS, "long_factor": FACTORS}
CASES: dict[str, tuple[type[PreTrainedConfig], dict[str, Any], int]] = {
    "plain": (LlamaConfig, {"max_position_embeddings": 64}, 64),
    "gpt2": (GPT2Config, {"n_positions": 32}, 32),
    "yarn, to be stretched": (
        Qwen3Config,
        {
            "max_position_embeddings": 64,
            "rope_scaling": {"rope_type": "yarn", "factor": 4.0, ORIGINAL: 64},
        },
        256,
    ),
    "yarn, its original length unsaid": (
        Qwen3Config,
        {"max_position_embeddings": 64, "rope_scaling": {"rope_type": "yarn", "factor": 4.0}},
        256,
    ),
    "yarn, stretched": (
        Qwen3Config,
        {
            "max_position_embeddings": 256,
            "rope_scaling": {"type": "yarn", "factor": 4.0, ORIGINAL: 64},
        },
        256,
    ),
    "linear": (
        LlamaConfig,
        {"max_position_embeddings": 128, "rope_scaling": {"rope_type": "linear", "factor": 4.0}},
        128,
    ),
    "llama3": (
        LlamaConfig,
        {"max_position_embeddings": 1024, "rope_scaling": LLAMA3 | {ORIGINAL: 64}},
        1024,
    ),
    "longrope, the original length beside it": (
        Phi3Config,
        {
            "hidden_size": 64,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "pad_token_id": 0,
            "max_position_embeddings": 1024,
            ORIGINAL: 64,
            "rope_scaling": LONGROPE,
        },
        1024,
    ),
    "by type of layer": (
        Gemma3TextConfig,
        {
            "max_position_embeddings": 128,
            "layer_types": ["sliding_attention", "full_attention"],
            "num_hidden_layers": 2,
            "rope_parameters": {
                "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
                "full_attention": {
                    "rope_type": "yarn", "rope_theta": 1e6, "factor": 4.0, ORIGINAL: 128,
                },
            },
        },
        512,
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _quiet() -> None:
    logging.getLogger("transformers").setLevel(logging.ERROR)


@pytest.mark.parametrize("name", CASES)
def test_the_folder_says_what_the_loaded_configuration_says(name: str, tmp_path: Path) -> None:
    """As transformers 4 wrote it (`rope_scaling`), and as it is saved anew (`rope_parameters`)."""
    kind, values, expected = CASES[name]
    path = tmp_path / "config.json"
    path.write_text(json.dumps(values | {"model_type": kind.model_type}))
    assert context_length(json.loads(path.read_text())) == expected
    loaded = AutoConfig.from_pretrained(tmp_path)
    assert context_length(loaded.to_dict()) == expected
    loaded.save_pretrained(tmp_path)
    assert context_length(json.loads(path.read_text())) == expected


@given(
    stated=st.integers(8, 2**20),
    kind=st.sampled_from(["yarn", "linear", "dynamic", "llama3"]),
    factor=st.floats(1, 64),
    original=st.none() | st.integers(4, 2**20),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_any_scaling_is_read_alike_before_and_after_loading(
    stated: int, kind: str, factor: float, original: int | None, tmp_path: Path
) -> None:
    rope = (LLAMA3 if kind == "llama3" else {}) | {"rope_type": kind, "factor": factor}
    rope |= {} if original is None else {ORIGINAL: original}
    values = {"max_position_embeddings": stated, "rope_scaling": rope, "model_type": "llama"}
    (tmp_path / "config.json").write_text(json.dumps(values))
    found = context_length(values)
    assert found == context_length(AutoConfig.from_pretrained(tmp_path).to_dict())
    assert found is not None
    assert found >= stated


def test_the_text_within_a_model_of_images_is_asked() -> None:
    inner = {"max_position_embeddings": 64, "rope_scaling": {"rope_type": "yarn", "factor": 2.0}}
    assert context_length({"model_type": "x", "text_config": inner}) == 128


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
keys = st.sampled_from(
    ["max_position_embeddings", "n_ctx", "rope_scaling", "rope_parameters", ORIGINAL, "factor",
     "type", "text_config"]
)  # fmt: skip


@example({"max_position_embeddings": 0.5})
@example({"max_position_embeddings": True})
@given(st.dictionaries(keys, json_values | st.dictionaries(keys, json_values)))
def test_a_damaged_configuration_states_none_or_a_length(config: dict[str, Any]) -> None:
    found = context_length(config)
    assert found is None or found > 0
