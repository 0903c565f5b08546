"""Memory counted without content is that of the same code with content."""

from __future__ import annotations

import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    GemmaConfig,
    GPT2Config,
    LlamaConfig,
    PreTrainedConfig,
    Qwen2Config,
    Qwen3Config,
)

from rlp_core.planning import passes
from rlp_core.planning.dry_run import (
    EMBEDDING,
    FORWARD,
    HEAD,
    LAYERS,
    Footprint,
    counted,
    footprint,
)
from rlp_core.planning.passes import Tree
from rlp_core.planning.shapes import ModelShape
from rlp_core.rollout import attention
from rlp_core.training.update import Update
from tests.kept import counting

SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 64,
    "vocab_size": 96,
}
TREE = Tree(trunk=20, branches=3, fed=6, scored=6)


def qwen(**changes: object) -> ModelShape:
    return ModelShape.of(Qwen3Config(**{**SMALL, "head_dim": 8, **changes}), "test")
