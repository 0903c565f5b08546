"""Sections of the stages that train, and how a thought is written."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from rlp_core.params.section import Count, NonNegative, Positive, PositiveReal, Section, Share


class Thought(Section):
    """How a thought is written. Read by every stage that trains or samples."""

    open: str = Field(min_length=1, description="Token that opens a thought.")
    close: str = Field(min_length=1, description="Token that closes it.")
    max_tokens: Positive = Field(
        description="L: tokens drawn for a thought at most, `close` counted; then it is closed by "
        "force. The paper trains with 2048."
    )

    @model_validator(mode="after")
    def _distinct(self) -> Thought:
        if self.open == self.close:
            raise ValueError("`open` and `close` must differ")
        return self


class Optimizer(Section):
    """Muon on the matrices and AdamW on the rest, or AdamW on all."""

    name: Literal["adamw", "muon"] = Field(description="Which optimizer.")
    lr: PositiveReal = Field(description="Learning rate of AdamW.")
    matrix_lr: PositiveReal = Field(
        default=0.02, description="Learning rate of Muon on two-dimensional weights."
    )
    betas: Annotated[tuple[Share, Share], Field(strict=False)] = Field(
        default=(0.9, 0.95), description="AdamW's decay rates."
    )
    weight_decay: NonNegative = Field(default=0.0, description="Decoupled weight decay.")
    warmup_steps: Count = Field(default=0, description="Linear warm-up.")
    schedule: Literal["constant", "linear"] = Field(
        default="constant", description="After the warm-up: constant, or linear to zero."
    )
    clip_norm: PositiveReal = Field(default=1.0, description="Largest gradient norm.")


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


class Base(Section):
    """Stage `base`: train a small model from scratch, or take a checkpoint."""

    checkpoint: str = Field(
        default="", description="Hugging Face name or folder; empty: train `architecture`."
    )
    revision: str = Field(default="", description="Commit of the checkpoint on a hub.")
    architecture: Architecture | None = Field(
        default=None, description="The model to build where no checkpoint is named."
    )
    steps: Count = Field(description="Optimizer steps of next-token prediction; 0: none.")
    batch: Positive = Field(description="Documents a step.")
    max_tokens: Positive = Field(description="Tokens of a document at most; the rest is cut.")
    optimizer: Optimizer = Field(description="How to step.")

    @model_validator(mode="after")
    def _one_origin(self) -> Base:
        if bool(self.checkpoint) == (self.architecture is not None):
            raise ValueError("give either `checkpoint` or `architecture`")
        if self.architecture is not None and self.max_tokens > self.architecture.context:
            raise ValueError("`max_tokens` exceeds `architecture.context`")
        return self


class Supervised(Section):
    """Stages `bootstrap` and `finetune`: imitation of demonstrations."""

    steps: Count = Field(description="Optimizer steps.")
    batch: Positive = Field(description="Demonstrations a step.")
    max_tokens: Positive = Field(description="Tokens at most; longer demonstrations are cut.")
    optimizer: Optimizer = Field(description="How to step.")


class Rlp(Section):
    """Stage `rlp`: the paper's update, on text that carries no thoughts.

    Letters as in arXiv 2510.01265.
    """

    steps: Count = Field(description="Updates.")
    documents: Positive = Field(description="Documents an update. The paper: 512.")
    max_tokens: Positive = Field(description="T: tokens of a document at most. The paper: 2048.")
    positions: Positive = Field(description="K: places to think per document.")
    position_selection: Literal["answer", "uniform"] = Field(
        description="At marked answers, or drawn uniformly."
    )
    group_size: Annotated[int, Field(ge=2)] = Field(
        description="G: thoughts per place. The paper: 16. Two at least: the baseline of a "
        "thought is the mean of the others."
    )
    temperature: PositiveReal = Field(description="Sampling temperature. The paper: 0.7.")
    horizon: Positive = Field(description="H: tokens whose gain is rewarded. The paper: 1.")
    discount: Share = Field(description="Weight of each further token, for H > 1.")
    clip_low: Annotated[float, Field(gt=0, lt=1)] = Field(description="eps_low of equation 8.")
    clip_high: PositiveReal = Field(description="eps_high of equation 8.")
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = Field(
        description="tau of the baseline model. The paper: 0.999."
    )
    optimizer: Optimizer = Field(description="How to step. The paper: AdamW, 1e-6, constant.")


class Cpt(Section):
    """Stage `cpt`: next-token prediction with the compute that `rlp` spent."""

    batch: Positive = Field(description="Documents a step.")
    compute_ratio: PositiveReal = Field(
        description="FLOPs as a multiple of those in the ledger of `rlp`. 1: matched."
    )
    optimizer: Optimizer = Field(description="How to step.")
