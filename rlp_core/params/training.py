"""Sections of the stages that train, and how a thought is written."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from rlp_core import prompts
from rlp_core.errors import ConfigError
from rlp_core.monitoring.config import HealthConfig
from rlp_core.section import Count, NonNegative, Positive, PositiveReal, Section, Share
from rlp_core.workspace import output_at


class Thought(Section):
    """How a thought is written. Read by every stage that trains or samples."""

    open: str = Field(min_length=1, description="Token that opens a thought.")
    close: str = Field(min_length=1, description="Token that closes it.")
    max_tokens: Positive = Field(
        description="L: tokens drawn for a thought at most, `close` counted; then it is closed by "
        "force. The paper trains with 2048."
    )
    prompt: str = Field(
        default="",
        description="How the model is asked to think: an entry of `rlp prompts list`, put before "
        "every document and counted in its tokens; empty: not asked.",
    )

    @field_validator("prompt")
    @classmethod
    def _known_prompt(cls, name: str) -> str:
        try:
            prompts.text_of(name)
        except ConfigError as error:
            raise ValueError(f"{error.what}; {error.fix}") from error
        return name

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
    checkpoint_folder: str = Field(
        min_length=1,
        description="Where a checkpoint that is a folder lies; a DVC dependency of the stage.",
    )
    revision: str = Field(default="", description="Commit of the checkpoint on a hub.")
    architecture: Architecture | None = Field(
        default=None, description="The model to build where no checkpoint is named."
    )
    steps: Count = Field(description="Optimizer steps of next-token prediction; 0: none.")
    batch: Positive = Field(description="Documents a step.")
    max_tokens: Positive = Field(description="Tokens of a document at most; the rest is cut.")
    optimizer: Optimizer = Field(description="How to step.")

    @field_validator("checkpoint_folder")
    @classmethod
    def _is_no_output(cls, folder: str) -> str:
        if (output := output_at(folder)) is not None:
            raise ValueError(
                f"stages write to `{output}`, so the folder of checkpoints must not be, hold or "
                "lie in it; copy a model of the pipeline to begin with it, such as to "
                "`data/checkpoints`"
            )
        return folder

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
    filler_share: Share = Field(
        default=0.0,
        description="Share of demonstrations replaced by ordinary text with a filler thought at a "
        "random position; what makes thinking anywhere learnable.",
    )
    mismatched_filler_share: Share = Field(
        default=0.0,
        description="Share of the filler thoughts that are somebody else's; the others are empty.",
    )
    optimizer: Optimizer = Field(description="How to step.")


class Value(Section):
    """The value head of estimator `gae`."""

    lr: PositiveReal = Field(default=1e-3, description="Learning rate of the head, AdamW.")
    weight: NonNegative = Field(default=0.5, description="Weight of the value loss.")
    clip: PositiveReal | None = Field(
        default=0.2, description="A value counts only this far from its old value, in nats."
    )
    gae_lambda: Share = Field(default=0.95, description="lambda of the advantage estimation.")
    gae_discount: Share = Field(default=1.0, description="gamma, per thought token.")


class Replay(Section):
    """Thoughts of earlier updates, used again. Off by default, as in the paper."""

    groups: Count = Field(default=0, description="Replayed places an update; 0: none.")
    capacity: Positive = Field(default=1024, description="Places kept at most.")
    max_age: Positive = Field(default=4, description="Updates after which a place is dropped.")
    importance_limit: PositiveReal = Field(
        default=1.0, description="Largest importance weight of a replayed token."
    )


class Heldout(Section):
    """Evaluation during the run, on texts of part `rlp` that are held back from training."""

    every: Count = Field(default=0, description="Updates between evaluations; 0: none.")
    documents: Positive = Field(default=64, description="Texts that are held back.")
    keep: Literal["last", "best"] = Field(
        default="last",
        description="Which model the stage saves: the last, or the one with the highest "
        "information gain on the held-out texts over the model that the run began with.",
    )

    @model_validator(mode="after")
    def _best_needs_evaluations(self) -> Heldout:
        if self.keep == "best" and not self.every:
            raise ValueError("`keep: best` needs `every` of at least 1")
        return self


class Audit(Section):
    """Is it thinking? Controls and the split of the reward, now and then during the run."""

    every: Count = Field(default=10, description="Updates between audits; 0: none.")
    positions: Annotated[int, Field(ge=2)] = Field(
        default=16,
        description="Positions that an audit looks at; a shuffled thought comes from another one.",
    )


class Rlp(Section):
    """Stage `rlp`: the paper's update, on text that carries no thoughts.

    Letters as in arXiv 2510.01265. What has a default is as in the paper.
    """

    steps: Count = Field(description="Updates.")
    documents: Positive = Field(description="Documents an update. The paper: 512.")
    max_tokens: Positive = Field(description="T: tokens of a document at most. The paper: 2048.")
    positions: Positive = Field(description="K: places to think per document.")
    position_selection: Literal["answer", "uniform", "stride", "surprising"] = Field(
        description="At marked answers; drawn uniformly; evenly spaced; or where the EMA target "
        "is most surprised."
    )
    group_size: Positive = Field(
        description="G: thoughts per place. The paper: 16. Two at least where the estimator "
        "compares them."
    )
    temperature: PositiveReal = Field(description="Sampling temperature. The paper: 0.7.")
    final_temperature: PositiveReal | None = Field(
        default=None, description="Where the temperature ends, linearly; null: it stays."
    )
    min_thought_tokens: Count = Field(
        default=0, description="`close` is not drawn before so many tokens of a thought."
    )
    precision: Literal["float32", "bfloat16"] = Field(
        default="float32",
        description="What samples and is updated; master parameters and baseline stay in float32.",
    )
    horizon: Positive = Field(description="H: tokens whose gain is rewarded. The paper: 1.")
    discount: Share = Field(description="Weight of each further token, for H > 1.")
    reward_clip: PositiveReal | None = Field(
        default=None, description="Rewards are cut to plus or minus this, in nats; null: not."
    )
    estimator: Literal["rloo", "grpo", "raw", "batch_centred", "positive", "gae"] = Field(
        default="rloo", description="How rewards become advantages. `rloo` is equation 7."
    )
    token_mean: Literal["thought", "token"] = Field(
        default="thought",
        description="Mean over each thought's tokens, then over thoughts (equation 8); or one "
        "mean over all thought tokens.",
    )
    clip_low: Annotated[float, Field(gt=0, lt=1)] = Field(description="eps_low of equation 8.")
    clip_high: PositiveReal = Field(description="eps_high of equation 8.")
    kl_weight: NonNegative = Field(
        default=0.0, description="Weight of the KL (k3) to the model that the run began with."
    )
    entropy_weight: NonNegative = Field(default=0.0, description="Weight of the entropy bonus.")
    ntp_weight: NonNegative = Field(
        default=0.0,
        description="Weight of next-token prediction on the text after a thought: the one term "
        "that trains a token that is no thought.",
    )
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = Field(
        description="tau of the baseline model. The paper: 0.999."
    )
    ema_every: Positive = Field(
        default=1,
        description="Updates between scores of the baseline, which `rloo` and `grpo` only "
        "measure with.",
    )
    optimizer: Optimizer = Field(description="How to step. The paper: AdamW, 1e-6, constant.")
    value: Value = Field(default=Value(), description="The value head of `gae`.")
    replay: Replay = Field(default=Replay(), description="Thoughts used again.")
    heldout: Heldout = Field(default=Heldout(), description="Evaluation during the run.")
    audit: Audit = Field(default=Audit(), description="Controls during the run.")
    health: HealthConfig = Field(default=HealthConfig(), description="Detectors.")

    @model_validator(mode="after")
    def _fits_together(self) -> Rlp:
        compared = self.estimator in ("rloo", "grpo")
        if compared and self.group_size < 2:
            raise ValueError(
                f"`estimator: {self.estimator}` compares the thoughts of a place: `group_size` "
                "must be at least 2, or take raw, batch_centred, positive or gae"
            )
        measured = compared and self.reward_clip is None
        if self.ema_every > 1 and (not measured or self.position_selection == "surprising"):
            raise ValueError(
                "`ema_every` above 1 leaves updates without baseline: that needs `estimator` rloo "
                "or grpo, no `reward_clip`, and another `position_selection` than surprising"
            )
        return self


class Cpt(Section):
    """Stage `cpt`: next-token prediction with the compute that `rlp` spent."""

    batch: Positive = Field(description="Documents a step.")
    compute_ratio: PositiveReal = Field(
        description="FLOPs as a multiple of those in the ledger of `rlp`. 1: matched."
    )
    optimizer: Optimizer = Field(description="How to step.")
