"""The whole of `params.yaml`: a section per stage, and `runtime`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from rlp_core.config import RLPConfig
from rlp_core.contracts.config import Validate
from rlp_core.data.config import Prepare
from rlp_core.data.thought import ThoughtConfig
from rlp_core.evaluation.comparison_config import Compare, Promote
from rlp_core.evaluation.config import Evaluate
from rlp_core.section import Count, NonNegative, Positive, Section
from rlp_core.training.config import Base, Cpt, Supervised


class Runtime(Section):
    """What changes speed, memory or logging, and no result. No stage depends on it."""

    device: str = Field(default="auto", description="`auto`, `cpu`, `cuda` or `cuda:N`.")
    threads: Positive = Field(description="CPU threads of a stage.")
    micro_batch: Positive = Field(description="Sequences through the network at once.")
    recompute: bool = Field(
        default=False,
        description="Activation checkpointing in the stages base, bootstrap, cpt and finetune: "
        "layers keep no activations for the backward pass and make them again there. Less memory, "
        "a third more arithmetic, the same gradients.",
    )
    decode_batch_size: Positive = Field(
        default=512, description="Thoughts and answers that are drawn at once."
    )
    update_token_budget: Positive = Field(
        default=16384, description="Tokens of an RLP update through the network at once."
    )
    attention: Literal["auto", "blocks", "flash", "flex"] = Field(
        default="auto",
        description="How branches attend: `blocks`, products of plain matrices; `flash`, PyTorch's "
        "kernel for a CPU; `flex`, one fused kernel on a GPU. `auto` is `flash` on a CPU, unless "
        "the model caps its scores, and `blocks` elsewhere.",
    )
    deterministic: bool = Field(
        default=True,
        description="Let torch use deterministic algorithms alone, so that equal runs on one "
        "machine end in equal bytes. On a GPU that costs time: sums into rows are sorted first, "
        "and new memory is filled. Without it results differ by rounding from run to run.",
    )
    ema_device: str = Field(
        default="", description="Where the baseline model lies; empty: beside the policy."
    )
    verify: bool = Field(
        default=True, description="Compare branch attention with the dense path at the start."
    )
    log_every: Positive = Field(description="Steps between lines of the log.")
    checkpoint_seconds: NonNegative = Field(
        default=60.0,
        description="Seconds between saves of a training stage's state; 0: after each step.",
    )
    experiment: str = Field(default="rlp", min_length=1, description="MLflow experiment.")
    tracking: bool = Field(default=True, description="Whether to log to MLflow at all.")


class Params(Section):
    """The whole of `params.yaml`."""

    seed: Count = Field(description="Seed of every random choice.")
    thought: ThoughtConfig
    prepare: Prepare
    validate_: Validate = Field(alias="validate")
    base: Base
    bootstrap: Supervised
    rlp: RLPConfig
    cpt: Cpt
    finetune: Supervised
    evaluate: Evaluate
    compare: Compare
    promote: Promote
    runtime: Runtime

    @model_validator(mode="after")
    def _leaves_room_to_close(self) -> Params:
        if self.rlp.min_thought_tokens >= self.thought.max_tokens:
            raise ValueError(
                f"rlp.min_thought_tokens = {self.rlp.min_thought_tokens} must be below "
                f"thought.max_tokens = {self.thought.max_tokens}, which counts `close`"
            )
        return self

    @model_validator(mode="after")
    def _fits_the_context(self) -> Params:
        """A model built here has a longest sequence; nothing that is read may exceed it."""
        if self.base.architecture is None:
            return self
        for keys, length in sequence_lengths(self).items():
            if length > self.base.architecture.context:
                raise ValueError(
                    f"{keys} = {length} exceeds base.architecture.context = "
                    f"{self.base.architecture.context}"
                )
        return self


def sequence_lengths(params: Params) -> dict[str, int]:
    """The longest sequences that stages put through the model, by the keys that set them."""
    thought = params.thought.max_tokens + 2  # both delimiters
    return {
        "bootstrap.max_tokens": params.bootstrap.max_tokens,
        "finetune.max_tokens": params.finetune.max_tokens,
        "rlp.max_tokens + thought.max_tokens + 2": params.rlp.max_tokens + thought,
        "evaluate.max_tokens + thought.max_tokens + 2 + evaluate.answer_tokens": (
            params.evaluate.max_tokens + thought + params.evaluate.answer_tokens
        ),
    }
