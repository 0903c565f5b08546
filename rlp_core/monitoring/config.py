"""Settings of what watches a run: evaluation during it, and every limit of the health checks.

Imports no torch, so that `params.yaml` is checked without it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from rlp_core.section import Arguments, Count, NonNegative, Positive, PositiveReal, Share


class HeldoutConfig(Arguments):
    """Evaluation during the run, on texts of part `rlp` that are held back from training."""

    every: Count = Field(default=0, description="Updates between evaluations; 0: none.")
    documents: Positive = Field(default=64, description="Texts that are held back.")
    keep: Literal["last", "best"] = Field(
        default="last",
        description="Which model the stage saves: the last, or the one with the highest "
        "information gain on the held-out texts over the model that the run began with.",
    )

    @model_validator(mode="after")
    def _best_needs_evaluations(self) -> HeldoutConfig:
        if self.keep == "best" and not self.every:
            raise ValueError("`keep: best` needs `every` of at least 1")
        return self


class HealthConfig(Arguments):
    """When a run is told to be unwell; docs/guides/when-a-run-is-unwell.md.

    Gains and rewards are counted in *spreads*: how far the rewards of a group differed in the first
    window (the median of `reward_std`, in nats). So one limit fits gains of nats and of hundredths.
    """

    stop: bool = Field(
        default=True, description="End a collapsed run at its last good state, with an error."
    )
    window: Annotated[int, Field(ge=3)] = Field(
        default=10,
        description="Updates that medians are taken over; nothing but a non-finite value is "
        "reported before as many.",
    )
    hold: Positive = Field(
        default=3, description="Updates in a row that a warning is seen before it is reported."
    )
    patience: Positive = Field(
        default=10, description="Updates in a row that a collapse is seen before it is reported."
    )
    falling: PositiveReal = Field(
        default=0.5,
        description="Fall of the information gain, from its best median, that counts as falling, "
        "in spreads.",
    )
    collapse: PositiveReal = Field(
        default=3.0,
        description="Fall of the information gain that is a collapse where hardly a thought still "
        "helps, in spreads; at least `falling`.",
    )
    rare: Share = Field(
        default=0.2,
        description="Share of thoughts with a positive reward up to which hardly one helps.",
    )
    learnt: NonNegative = Field(
        default=0.25,
        description="Rise of the information gain over the start that is more than chance, in "
        "spreads; a run that has risen so far may settle.",
    )
    flat: NonNegative = Field(
        default=0.1,
        description="Spread of the rewards in a group below which they tell nothing apart, as a "
        "share of the first window's.",
    )
    empty: NonNegative = Field(
        default=1.5,
        description="Mean length up to which thoughts are nothing but the closing delimiter, in "
        "tokens beyond `rlp.min_thought_tokens`.",
    )
    same: NonNegative = Field(
        default=0.05,
        description="Standard deviation of the lengths below which all thoughts have one length, "
        "in tokens.",
    )
    forced: Share = Field(
        default=0.5, description="Share of thoughts closed by force at L that is too high."
    )
    low_entropy: NonNegative = Field(
        default=0.02,
        description="Entropy below which nothing is explored, in nats per thought token.",
    )
    entropy_rise: PositiveReal = Field(
        default=1.0,
        description="Rise of the entropy over the start that is too high, in nats per thought "
        "token.",
    )
    gradient: PositiveReal = Field(
        default=10.0, description="Multiple of the usual gradient norm that is too high."
    )
    non_finite: Positive = Field(
        default=3, description="Updates in a row that are not finite before the run is stopped."
    )
    dumps: Count = Field(default=3, description="Non-finite updates kept for `rlp replay`.")

    @model_validator(mode="after")
    def _deeper(self) -> HealthConfig:
        if self.collapse < self.falling:
            raise ValueError("a collapse is a deeper fall: `collapse` must be at least `falling`")
        return self
