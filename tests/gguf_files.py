"""Small GGUF files, written by the package `gguf` as llama.cpp's converter writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from tests import models

NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
"""How llama.cpp calls the parts of a Llama model."""

NORMAL, CONTROL = 1, 3
"""Kinds of token."""


def llama(tokenizer: PreTrainedTokenizerFast | None = None, tied: bool = True) -> PreTrainedModel:
    """A random Llama model, wide enough for blocks of 32 numbers."""
    known = tokenizer or models.tokenizer()
    config = LlamaConfig(
        vocab_size=len(known), hidden_size=64, intermediate_size=96, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=16, max_position_embeddings=128,
        tie_word_embeddings=tied, bos_token_id=known.bos_token_id, eos_token_id=known.eos_token_id,
        pad_token_id=known.pad_token_id,
    )  # fmt: skip
    torch.manual_seed(0)
    return LlamaForCausalLM(config).eval()


def write(
    path: Path,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    *,
    quantised: bool = False,
    architecture: str = "llama",
    tokens: bool = True,
    extra: dict[str, Any] | None = None,
    tensors: dict[str, np.ndarray[Any, Any]] | None = None,
) -> Path:
    """Write a Llama model into a file.

    Args:
        path: of the file.
        model: as `llama` makes it.
        tokenizer: byte-level.
        quantised: matrices in blocks of 8 bits, and not in fp32.
        architecture: what the file says of itself.
        tokens: whether it holds the tokenizer.
        extra: further fields, texts and whole numbers.
        tensors: further tensors.
    """
    from gguf import GGMLQuantizationType, GGUFWriter, quants

    config = model.config
    writer = GGUFWriter(path, architecture)
    writer.add_name("A small model")
    writer.add_license("apache-2.0")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_vocab_size(config.vocab_size)
    if tokens:
        _add_tokenizer(writer, tokenizer)
    for key, value in (extra or {}).items():
        (writer.add_string if isinstance(value, str) else writer.add_uint32)(key, value)
    weights = model.state_dict()
    if config.tie_word_embeddings:
        del weights["lm_head.weight"]
    for name, weight in weights.items():
        data = _permuted(name, weight.numpy(), config)
        if quantised and data.ndim == 2:
            kind = GGMLQuantizationType.Q8_0
            writer.add_tensor(_named(name), quants.quantize(data, kind), raw_dtype=kind)
        else:
            writer.add_tensor(_named(name), np.ascontiguousarray(data))
    for name, data in (tensors or {}).items():
        writer.add_tensor(name, data)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_tokenizer(writer: Any, tokenizer: PreTrainedTokenizerFast) -> None:
    texts = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    special = set(tokenizer.all_special_ids)
    merges = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(texts)
    writer.add_token_types([CONTROL if i in special else NORMAL for i in range(len(texts))])
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_pad_token_id(tokenizer.pad_token_id)
    if tokenizer.chat_template:
        writer.add_chat_template(tokenizer.chat_template)


def _named(name: str) -> str:
    stem, _, kind = name.rpartition(".")
    if stem.startswith("model.layers."):
        _, _, layer, part = stem.split(".", 3)
        return f"blk.{layer}.{NAMES[part]}.{kind}"
    return f"{NAMES[stem]}.{kind}"


def _permuted(name: str, weight: Any, config: LlamaConfig) -> Any:
    """llama.cpp rotates neighbouring pairs of a head, and transformers its two halves."""
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    count = heads.get(name.split(".")[-2])
    if count is None:
        return weight
    halves = weight.reshape(count, 2, weight.shape[0] // count // 2, *weight.shape[1:])
    return halves.swapaxes(1, 2).reshape(weight.shape)
