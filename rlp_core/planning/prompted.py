"""How long the prompt before a thought is, as far as that is known without a tokenizer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rlp_core.params import Params
    from rlp_core.planning.shapes import ModelShape

SMALL_VOCABULARY = 4096
"""Tokens below which a tokenizer is taken to spell words letter by letter."""


def lead_tokens(params: Params, model: ModelShape) -> int:
    """The prompt before a thought, in tokens: one of a letter in a small vocabulary, else of three.

    A tokenizer would tell exactly; a plan has none, and rather counts too many.
    """
    words = params.thought.words().lead
    return math.ceil(len(words) / (1 if model.vocabulary < SMALL_VOCABULARY else 3))
