"""Sections `compare` and `promote`: how sure a difference must be, and which model may win.

Apart from section `evaluate`, some keys of which decide what the first stages do: these decide
nothing that is read, trained or measured.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from rlp_core.section import NonNegative, Section, Share


class Compare(Section):
    """Stage `compare`."""

    resamples: Annotated[int, Field(ge=100)] = Field(description="Bootstrap resamples.")
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(description="Of the intervals.")


class NoRegression(Section):
    """A metric of which the winner must be shown not to be worse than the base."""

    metric: str = Field(
        description="An ability, of problems also `METRIC/BENCHMARK`, or a gain over control "
        "thoughts where `evaluate.controls` measures them."
    )
    margin: NonNegative = Field(
        default=0.0,
        description="How much worse the interval of winner minus base may reach, in the metric's "
        "own unit.",
    )


class GateLimit(Section):
    """A limit that the winner's own metric must be shown to keep."""

    metric: str = Field(description="As of `no_regression`.")
    limit: float = Field(
        description="The interval lies at or above it; at or below, where less is better: 0.1 for "
        "`baseline_decay` lets a model lose 0.1 nats of its direct prediction."
    )


class Gate(Section):
    """When the winner may become champion, judged on the half that did not rank it."""

    min_pass_at_1: Share = Field(description="Thinking pass@1 at least.")
    min_gain_over_base: float = Field(
        description="Lower bound of the interval of winner minus base, thinking pass@1, at least."
    )
    min_information_gain: float = Field(
        description="Lower bound of the interval of the mean information gain, in nats, at least."
    )
    max_bias_increase: NonNegative = Field(
        description="Upper bound of the interval of |bias| winner minus |bias| base, in points of "
        "100, at most, for every bias score: shown not to be worse by more."
    )
    no_regression: Annotated[tuple[NoRegression, ...], Field(strict=False)] = Field(
        default=(), description="What the winner must be shown not to do worse than the base."
    )
    limits: Annotated[tuple[GateLimit, ...], Field(strict=False)] = Field(
        default=(), description="Limits that the winner must be shown to keep."
    )


class Card(Section):
    """What the model card says that no stage can measure."""

    intended_use: str = Field(
        default="Research on language models that think before they predict.",
        min_length=1,
        description="What the model is for.",
    )
    out_of_scope: str = Field(
        default="Decisions about people, advice of any kind, and any use without a person who "
        "checks what it says.",
        min_length=1,
        description="What it is not for.",
    )
    base_licence: str = Field(
        default="",
        description="Licence of the model that `base.checkpoint` names; empty: the card says that "
        "it is not stated.",
    )


class Promote(Section):
    """Stage `promote`."""

    candidates: Annotated[tuple[str, ...], Field(strict=False)] = Field(
        description="Arms that may win; of equal ones the first here does."
    )
    metric: str = Field(
        description="Ability by which they are ranked, on one half of the problems and documents; "
        "or a gain over control thoughts, where `evaluate.controls` measures them."
    )
    gate: Gate = Field(description="What must hold.")
    card: Card = Field(default=Card(), description="What the model card says beside the facts.")
