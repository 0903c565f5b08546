"""What a model built from scratch is made of, and what models compute in."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from rlp_core.section import Positive, Section

Precision = Literal["float32", "bfloat16"]
"""What computes; master parameters and EMA are float32 whatever it is."""


class Architecture(Section):
    """A Qwen3 configuration built from scratch, and its byte-level BPE tokenizer."""

    vocabulary: Annotated[int, Field(ge=258)] = Field(description="Tokens, at most.")
    width: Positive = Field(description="Hidden size.")
    layers: Positive = Field(description="Blocks.")
    heads: Positive = Field(description="Query heads.")
    kv_heads: Positive = Field(description="Key and value heads; divides `heads`.")
    feed_forward: Positive = Field(description="Inner size of the gated feed-forward block.")
    context: Positive = Field(description="Longest sequence, in tokens.")

    @model_validator(mode="after")
    def _divides(self) -> Architecture:
        if self.width % self.heads:
            raise ValueError("`heads` must divide `width`")
        if self.heads % self.kv_heads:
            raise ValueError("`kv_heads` must divide `heads`")
        if (self.width // self.heads) % 2:
            raise ValueError("`width / heads` must be even: rotary positions turn pairs")
        return self
