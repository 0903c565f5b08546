"""What a model built from scratch is made of, and what models compute in."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from rlp_core.section import Arguments, Count, Positive, PositiveReal, Section

Precision = Literal["float32", "bfloat16"]
"""What computes; master parameters and EMA are float32 whatever it is."""


class LoraConfig(Arguments):
    """Low-rank adapters in place of training all weights (LoRA, arXiv 2106.09685)."""

    rank: Count = Field(
        default=0, description="Inner size of each adapter; 0: none, all weights are trained."
    )
    alpha: PositiveReal = Field(default=32.0, description="An adapter counts `alpha / rank` times.")
    targets: Annotated[tuple[str, ...], Field(strict=False)] = Field(
        default=(),
        description="Linear layers that get one, by the last part of their names, such as q_proj; "
        "empty: all but the head.",
    )
    saved: Literal["merged", "adapter"] = Field(
        default="merged",
        description="What the arm's folder holds: all weights, the adapters merged into them; or "
        "the adapters alone, which `peft` reads with the model that they began from.",
    )


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
