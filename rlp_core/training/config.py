"""Settings of the loops: RLP's, the supervised ones', and the optimizers'."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from rlp_core.objective import estimators
from rlp_core.objective.config import ObjectiveConfig, TokenMean
from rlp_core.objective.estimators import ema_reaches_gradient
from rlp_core.policy.config import Architecture, LoraConfig, Precision
from rlp_core.section import Arguments, Count, NonNegative, Positive, PositiveReal, Section, Share
from rlp_core.workspace import output_at

Verify = Literal["error", "warn", "off"]
"""What a difference of branches from the dense path is; `off`: they are not compared."""


class OptimizerConfig(Arguments):
    """Muon on the matrices and AdamW on the rest, or AdamW on all."""

    name: Literal["adamw", "muon"] = Field(default="adamw", description="Which optimizer.")
    lr: PositiveReal = Field(default=1e-5, description="Learning rate of AdamW.")
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


class ReplayConfig(Arguments):
    """Thoughts of earlier updates, used again. Off by default, as in the paper."""

    groups: Count = Field(default=0, description="Replayed positions an update; 0: none.")
    capacity: Positive = Field(default=1024, description="Positions kept at most.")
    max_age: Positive = Field(default=4, description="Updates after which a position is dropped.")


class AuditConfig(Arguments):
    """Is it thinking? Controls and the split of the reward, now and then during the run."""

    every: Count = Field(default=10, description="Updates between audits; 0: none.")
    positions: Annotated[int, Field(ge=2)] = Field(
        default=16,
        description="Positions that an audit looks at; a shuffled thought comes from another one.",
    )


class CurriculumConfig(Arguments):
    """Documents by what thinking at them still teaches. Off by default, as in the paper."""

    strength: Share = Field(
        default=0.0,
        description="0: shuffled epochs, every document as often as any other; 1: a level (source "
        "and difficulty) is drawn in proportion to its documents and to the variance p (1 - p) of "
        "its thoughts' success p; between: a mean of both.",
    )
    memory: Share = Field(
        default=0.8,
        description="Weight of a level's former success against that of the step that drew it.",
    )


class LearnerConfig(ObjectiveConfig):
    """One update of RLP after another, on text that carries no thoughts.

    Letters as in arXiv 2510.01265. The defaults of the objective are the paper's; those of size
    and speed suit a small model, and name the paper's beside them.
    """

    reward_folder: str = Field(
        default="data/rewards",
        min_length=1,
        description="Where modules with reward terms of your own lie; a DVC dependency of the "
        "stage.",
    )
    steps: Count = Field(default=100, description="Updates.")
    documents: Positive = Field(default=16, description="Documents an update. The paper: 512.")
    max_tokens: Positive = Field(
        default=256, description="T: tokens of a document at most. The paper: 2048."
    )
    positions: Positive = Field(default=2, description="K: positions to think at per document.")
    position_selection: Literal["answer", "uniform", "stride", "surprising"] = Field(
        default="uniform",
        description="At marked answers; drawn uniformly; evenly spaced; or where the EMA target "
        "is most surprised.",
    )
    group_size: Positive = Field(
        default=8,
        description="G: thoughts per position. The paper: 16. Two at least where the estimator "
        "compares them.",
    )
    final_temperature: PositiveReal | None = Field(
        default=None, description="Where the temperature ends, linearly; null: it stays."
    )
    min_thought_tokens: Count = Field(
        default=0, description="`close` is not drawn before so many tokens of a thought."
    )
    precision: Precision = Field(
        default="float32",
        description="What samples, scores and is updated; master parameters and EMA stay in "
        "float32.",
    )
    lora: LoraConfig = Field(
        default=LoraConfig(), description="Adapters; policy, EMA and start then share one base."
    )
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.99, description="tau of the baseline model. The paper: 0.999."
    )
    ema_every: Positive = Field(
        default=1,
        description="Updates between scores of the baseline; above 1 only with an estimator whose "
        "gradient it does not reach.",
    )
    optimizer: OptimizerConfig = Field(
        default=OptimizerConfig(), description="How to step. The paper: AdamW, 1e-6, constant."
    )
    replay: ReplayConfig = Field(default=ReplayConfig(), description="Thoughts used again.")
    audit: AuditConfig = Field(default=AuditConfig(), description="Controls during the run.")
    curriculum: CurriculumConfig = Field(
        default=CurriculumConfig(), description="Documents by what thinking still teaches."
    )

    @field_validator("reward_folder")
    @classmethod
    def _is_no_output(cls, folder: str) -> str:
        if (output := output_at(folder)) is not None:
            raise ValueError(
                f"stages write to `{output}`, so the folder of your own reward terms must not be, "
                "hold or lie in it; such as `data/rewards`"
            )
        return folder

    @staticmethod
    def part_of(settings: LearnerConfig) -> LearnerConfig:
        """The learner's own settings, of settings that may hold more."""
        own = {name: getattr(settings, name) for name in LearnerConfig.model_fields}
        return LearnerConfig(**own)

    @model_validator(mode="after")
    def _has_thoughts_to_compare(self) -> LearnerConfig:
        if estimators.get(self.estimator).compares_group and self.group_size < 2:
            alone = [name for name in estimators.names() if not estimators.get(name).compares_group]
            raise ValueError(
                f"`estimator: {self.estimator}` compares the thoughts of a position: `group_size` "
                f"must be at least 2, or take one of {', '.join(alone)}"
            )
        return self

    @model_validator(mode="after")
    def _can_leave_the_baseline_out(self) -> LearnerConfig:
        reached = ema_reaches_gradient(self.estimator, self.reward_clip)
        if self.ema_every > 1 and (reached or self.position_selection == "surprising"):
            blind = [n for n in estimators.names() if not ema_reaches_gradient(n, None)]
            raise ValueError(
                "`ema_every` above 1 leaves updates without baseline: that needs an `estimator` "
                f"whose gradient it does not reach ({', '.join(blind)}), no `reward_clip`, and "
                "another `position_selection` than surprising"
            )
        return self


class Rlvr(Section):
    """One update of `rlvr` after another, on problems whose answers can be verified."""

    steps: Count = Field(description="Updates; 0: the fine-tuned model is passed on as it is.")
    problems: Positive = Field(default=16, description="Problems an update.")
    max_tokens: Positive = Field(
        default=256, description="Tokens of a problem at most; longer ones are dropped, and told."
    )
    answer_tokens: Positive = Field(
        default=16,
        description="Tokens of an answer at most, its end included. An answer that has not ended "
        "by then is wrong.",
    )
    group_size: Annotated[int, Field(ge=2)] = Field(
        default=8, description="G: thoughts with answers per problem; they are compared."
    )
    temperature: PositiveReal = Field(
        default=1.0,
        description="Thoughts and answers are sampled at it; surrogate, KL and entropy are of the "
        "policy at it.",
    )
    estimator: str = Field(
        default="rloo",
        description="How rewards become advantages: an entry of docs/reference/estimators.md that "
        "compares a group. `grpo` divides by its standard deviation (arXiv 2402.03300).",
    )
    clip_low: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.2, description="eps_low: the ratio counts down to 1 less this."
    )
    clip_high: PositiveReal = Field(
        default=0.28, description="eps_high: the ratio counts up to 1 and this."
    )
    token_mean: TokenMean = Field(
        default="thought",
        description="Mean over the tokens of each thought with its answer, then over these; or one "
        "mean over all tokens.",
    )
    kl_weight: NonNegative = Field(
        default=0.0, description="Weight of the KL (k3) to the fine-tuned model."
    )
    entropy_weight: NonNegative = Field(
        default=0.0, description="Weight of the bonus for the exact entropy over the vocabulary."
    )
    precision: Precision = Field(
        default="float32",
        description="What samples and is updated; master parameters stay in float32.",
    )
    lora: LoraConfig = Field(default=LoraConfig(), description="Adapters.")
    optimizer: OptimizerConfig = Field(default=OptimizerConfig(), description="How to step.")

    @field_validator("estimator")
    @classmethod
    def _compares(cls, name: str) -> str:
        known = [n for n in estimators.names() if estimators.get(n).compares_group]
        if name not in known:
            raise ValueError(f"must be one that compares a group: {', '.join(known)}")
        return name

    @property
    def objective(self) -> ObjectiveConfig:
        """What is minimised, as the engine reads it."""
        shared = ("estimator", "temperature", "clip_low", "clip_high", "token_mean")
        weights = ("kl_weight", "entropy_weight")
        return ObjectiveConfig(**{name: getattr(self, name) for name in shared + weights})


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
    precision: Precision = Field(
        default="float32", description="What computes; the parameters stay in float32."
    )
    optimizer: OptimizerConfig = Field(description="How to step.")

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
    plain_share: Share = Field(
        default=0.0,
        description="Share of demonstrations replaced by their own text without any thought, all "
        "of it learnt; what keeps prediction without thinking whole, which the gain is measured "
        "against.",
    )
    precision: Precision = Field(
        default="float32", description="What computes; the parameters stay in float32."
    )
    lora: LoraConfig = Field(default=LoraConfig(), description="Adapters.")
    optimizer: OptimizerConfig = Field(description="How to step.")

    @model_validator(mode="after")
    def _shows_no_more_than_all(self) -> Supervised:
        if self.filler_share + self.plain_share > 1:
            raise ValueError("`filler_share` and `plain_share` are more than 1 together")
        return self


class Cpt(Section):
    """Stage `cpt`: next-token prediction with the compute that `rlp` spent."""

    batch: Positive = Field(description="Documents a step.")
    compute_ratio: PositiveReal = Field(
        description="FLOPs as a multiple of those in the ledger of `rlp`. 1: matched."
    )
    precision: Precision = Field(
        default="float32", description="What computes; the parameters stay in float32."
    )
    lora: LoraConfig = Field(default=LoraConfig(), description="Adapters.")
    optimizer: OptimizerConfig = Field(description="How to step.")
