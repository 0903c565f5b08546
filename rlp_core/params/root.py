"""The whole of `params.yaml`: a section per stage, and `runtime`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from rlp_core.config import RLPConfig, RlvrConfig
from rlp_core.contracts.config import Validate
from rlp_core.data.config import Prepare
from rlp_core.data.thought import ThoughtConfig
from rlp_core.evaluation.comparison_config import Compare, Promote
from rlp_core.evaluation.config import Evaluate
from rlp_core.policy.config import LoraConfig
from rlp_core.section import Count, NonNegative, Positive, Section
from rlp_core.training.config import Base, Cpt, Supervised, Verify


class Runtime(Section):
    """What changes speed, memory or logging, and no result. No stage depends on it."""

    device: str = Field(default="auto", description="`auto`, `cpu`, `cuda` or `cuda:N`.")
    threads: Positive = Field(
        description="CPU threads of a stage. In a flow, one beside which no other can run takes "
        "as many for each stage that may run at once, as far as there are cores."
    )
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
    memory_limit: str = Field(
        default="",
        description="Memory that a stage may take, such as `80GB` or `64GiB`, by which its plan is "
        "judged before it begins; empty: what the device has, or the machine has left.",
    )
    attention: Literal["auto", "blocks", "flash", "flex"] = Field(
        default="auto",
        description="How branches attend: `blocks`, products of plain matrices; `flash`, PyTorch's "
        "kernel for a CPU; `flex`, one fused kernel on a GPU. `auto` is `flash` on a CPU, unless "
        "the model caps its scores; on a GPU PyTorch's kernel for it, where a model computes in "
        "bfloat16 by heads of a multiple of 8 up to 256; and `blocks` elsewhere.",
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
    verify: Verify = Field(
        default="error",
        description="Compare branch attention with the dense path at the start; a difference that "
        "rounding does not explain is an error or a warning.",
    )
    log_every: Positive = Field(description="Steps between lines of the log.")
    checkpoint_seconds: NonNegative = Field(
        default=60.0,
        description="Seconds between saves of a training stage's state, at least; 0: after each "
        "step.",
    )
    checkpoint_share: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.05,
        description="Share of the time that saves may take: a large state is saved less often. It "
        "bounds nothing where `checkpoint_seconds` is 0.",
    )
    experiment: str = Field(default="rlp", min_length=1, description="MLflow experiment.")
    tracking: bool = Field(default=True, description="Whether to log to MLflow at all.")

    @field_validator("verify", mode="before")
    @classmethod
    def _check_verify(cls, value: object) -> object:
        if isinstance(value, bool):
            now = "`error` or `warn`" if value else "`off`"
            raise ValueError(f"renamed, write {now}")
        return value


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
    rlvr: RlvrConfig
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
    def _has_problems_to_reward(self) -> Params:
        if self.rlvr.steps and not self.prepare.rlvr:
            raise ValueError(
                f"`rlvr.steps` is {self.rlvr.steps}, and `prepare.rlvr` names no source of problems"
            )
        return self

    @model_validator(mode="after")
    def _adapters_stand_on_the_base(self) -> Params:
        """Adapters that are saved alone are read with `models/base`, and with nothing else."""
        before = {"rlp": ["bootstrap"], "cpt": ["bootstrap"], "finetune": ["rlp", "cpt"]}
        before |= {"rlvr": ["finetune"]} if self.rlvr.steps else {}
        for stage, earlier in before.items():
            own: LoraConfig = getattr(self, stage).lora
            if not own.rank or own.saved == "merged":
                continue
            for name in earlier:
                if getattr(self, name).lora != own:
                    raise ValueError(
                        f"`{stage}.lora` saves adapters alone, which go on from those of "
                        f"{' and '.join(earlier)} on models/base: `{name}.lora` must be the same"
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


def sequence_lengths(params: Params, lead: int = 0) -> dict[str, int]:
    """The longest sequences that stages put through the model, by the keys that set them.

    Args:
        params: all of them.
        lead: tokens of the prompt before a thought; a tokenizer tells them.
    """
    thought = params.thought.max_tokens + 2 + lead  # both delimiters
    more = f" + {lead} of thought.prompt" if lead else ""
    found = {
        "bootstrap.max_tokens": params.bootstrap.max_tokens,
        "finetune.max_tokens": params.finetune.max_tokens,
        f"rlp.max_tokens + thought.max_tokens + 2{more}": params.rlp.max_tokens + thought,
        f"evaluate.max_tokens + thought.max_tokens + 2{more} + evaluate.answer_tokens": (
            params.evaluate.max_tokens + thought + params.evaluate.answer_tokens
        ),
    }
    if params.rlvr.steps:
        keys = f"rlvr.max_tokens + thought.max_tokens + 2{more} + rlvr.answer_tokens"
        found[keys] = params.rlvr.max_tokens + thought + params.rlvr.answer_tokens
    if params.evaluate.shots.count:
        keys = f"evaluate.shots.max_tokens + thought.max_tokens + 2{more} + evaluate.answer_tokens"
        longest = params.evaluate.shots.max_tokens + thought + params.evaluate.answer_tokens
        found[keys] = longest
    return found
