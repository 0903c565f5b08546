"""Models small enough to be tested token by token."""

from __future__ import annotations

from functools import cache

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from rlp_core.data.tokenizer import Codec, train_tokenizer
from rlp_core.policy.model import Shape, build
from rlp_core.rollout.attention import enable

DELIMITERS = ("<think>", "</think>")
TEXTS = ["Q: 3+4-5\nA:2\n", "Q: 9-8\nW: 9-8=1\nA:1\n", "The nurse said that he was late."] * 3


def fresh_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level tokenizer of 280 tokens at most, for whoever changes it."""
    return train_tokenizer(TEXTS, 280, DELIMITERS, 128)


@cache
def tokenizer() -> PreTrainedTokenizerFast:
    """The same, for whoever reads it."""
    return fresh_tokenizer()


@cache
def codec() -> Codec:
    return Codec.of(tokenizer(), DELIMITERS)


def model(
    seed: int = 0, spread: float = 8.0, context: int = 128, branching: bool = True
) -> PreTrainedModel:
    """A random two-layer model, its weights widened so that its predictions differ clearly.

    It attends through branches, unless it is to know nothing of them.
    """
    made = build(Shape(16, 2, 4, 2, 32, context), tokenizer(), seed)
    if branching:
        assert enable(made)
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.ndim == 2:
                parameter.mul_(spread)
    return made.eval()
