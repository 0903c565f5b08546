"""Small models of several families, and random trees of documents and thoughts."""

from __future__ import annotations

import copy
from functools import cache

import torch
from hypothesis import strategies as st
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    GemmaConfig,
    LlamaConfig,
    MistralConfig,
    PreTrainedConfig,
    PreTrainedModel,
    Qwen3Config,
)

from rlp_core.rollout import attention
from rlp_core.rollout.branches import Branch

VOCABULARY = 12
SIZE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "head_dim": 4,
    "max_position_embeddings": 64,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": None,
}
FAMILIES: dict[str, PreTrainedConfig] = {
    "qwen3": Qwen3Config(**SIZE, num_key_value_heads=2, tie_word_embeddings=True),
    "llama": LlamaConfig(**SIZE, num_key_value_heads=1, tie_word_embeddings=False),
    "mistral": MistralConfig(**SIZE, num_key_value_heads=4, sliding_window=None),
    "gemma": GemmaConfig(**SIZE, num_key_value_heads=1, tie_word_embeddings=True),
    "gemma2": Gemma2Config(
        **SIZE,
        num_key_value_heads=2,
        layer_types=["full_attention"] * 2,
        attn_logit_softcapping=5.0,
        final_logit_softcapping=3.0,
        query_pre_attn_scalar=4,
    ),
}


def build(config: PreTrainedConfig, seed: int = 0, spread: float = 10.0) -> PreTrainedModel:
    """A random model with plain attention, its weights widened so that it attends unevenly."""
    torch.manual_seed(seed)
    own = copy.deepcopy(config)  # a shared one would switch the attention of two models at once
    made = AutoModelForCausalLM.from_config(own, attn_implementation="eager").float().eval()
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.ndim == 2:
                parameter.mul_(spread)
            else:
                parameter.add_(0.3 * torch.randn_like(parameter))
    return made


@cache
def plain(family: str) -> PreTrainedModel:
    """The model as transformers has it."""
    return build(FAMILIES[family])


@cache
def branching(family: str, kernel: str = "auto") -> PreTrainedModel:
    """The same weights, attending through branches."""
    made = build(FAMILIES[family])
    assert attention.enable(made, kernel)
    return made


def gradients(model: PreTrainedModel, loss: Tensor) -> dict[str, Tensor]:
    """Of every parameter, by name."""
    named = dict(model.named_parameters())
    found = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    return {
        name: torch.zeros_like(p) if g is None else g
        for (name, p), g in zip(named.items(), found, strict=True)
    }


def assert_same_gradients(
    found: dict[str, Tensor], expected: dict[str, Tensor], relative: float = 1e-4
) -> None:
    """Relative to each parameter's norm; one that is nothing beside the rest may be noise."""
    whole = torch.stack([g.norm() for g in expected.values()]).norm()
    for name, gradient in expected.items():
        allowed = relative * max(float(gradient.norm()), 1e-2 * float(whole))
        assert float((found[name] - gradient).norm()) <= allowed, name


tokens = st.integers(0, VOCABULARY - 1)


@st.composite
def trees(draw: st.DrawFn) -> tuple[list[list[int]], list[Branch]]:
    """Ragged trunks, empty ones among them, and branches in any order, often at one place."""
    trunks = draw(st.lists(st.lists(tokens, max_size=9), min_size=1, max_size=3))
    branches: list[Branch] = []
    for _ in range(draw(st.integers(0, 3))):
        trunk = draw(st.integers(0, len(trunks) - 1))
        position = draw(st.integers(0, len(trunks[trunk])))
        thoughts = draw(st.lists(st.lists(tokens, min_size=1, max_size=5), min_size=1, max_size=3))
        branches += [Branch(trunk, position, thought) for thought in thoughts]
    if not branches and not any(trunks):
        branches = [Branch(0, 0, [1, 2])]
    return trunks, draw(st.permutations(branches))
