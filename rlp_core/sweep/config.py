"""The sweep file: which parameters are tried, how they are drawn, and what is judged."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from rlp_core.section import Count, Positive, Section

Text = Annotated[str, StringConstraints(min_length=1)]
Scalar = bool | int | float | str | None


class FloatRange(Section):
    """Real numbers from `low` to `high`, both possible."""

    kind: Literal["float"]
    low: float = Field(description="The least.")
    high: float = Field(description="The greatest.")
    log: bool = Field(default=False, description="Drawn evenly over the logarithm.")

    @model_validator(mode="after")
    def _is_a_range(self) -> FloatRange:
        _check_range(self.low, self.high, self.log)
        return self


class IntRange(Section):
    """Whole numbers from `low` to `high`, both possible, `step` apart."""

    kind: Literal["int"]
    low: int = Field(description="The least.")
    high: int = Field(description="The greatest: `low` and a number of whole steps.")
    step: Positive = Field(default=1, description="From one to the next; 1 where `log` is set.")
    log: bool = Field(default=False, description="Drawn evenly over the logarithm.")

    @model_validator(mode="after")
    def _is_a_range(self) -> IntRange:
        _check_range(self.low, self.high, self.log)
        if self.log and self.step != 1:
            raise ValueError("`log` has no use for a `step` but 1")
        if (self.high - self.low) % self.step:
            raise ValueError(f"`high` is not `low` and a number of steps of {self.step}")
        return self


class Choices(Section):
    """Values that need no order; a list by itself stands for them."""

    kind: Literal["choices"]
    values: Annotated[tuple[Scalar, ...], Field(min_length=1, strict=False)] = Field(
        description="Numbers, texts, true, false or null."
    )

    @model_validator(mode="after")
    def _each_once(self) -> Choices:
        twice = [value for value in self.values if self.values.count(value) > 1]
        if twice:  # true and 1 are equal, and would be told apart by nobody
            raise ValueError(f"{twice[0]!r} stands twice")
        return self


def _a_list_is_choices(given: Any) -> Any:
    return {"kind": "choices", "values": given} if isinstance(given, list) else given


Domain = Annotated[FloatRange | IntRange | Choices, Field(discriminator="kind")]
SpaceEntry = Annotated[Domain, BeforeValidator(_a_list_is_choices)]


class GridSampler(Section):
    """Every combination of choices once, the last parameter changing first."""

    kind: Literal["grid"]


class RandomSampler(Section):
    """Each trial by itself: the same draws whatever other trials gave, and however many at once."""

    kind: Literal["random"]
    seed: Count = Field(default=0, description="Of the draws; with the trial's number.")


class TpeSampler(Section):
    """Optuna's tree-structured Parzen estimator, which learns from the trials before."""

    kind: Literal["tpe"]
    seed: Count = Field(default=0, description="Of the draws; with the trial's number.")
    startup_trials: Count = Field(default=10, description="Drawn at random before it begins.")


Sampler = Annotated[GridSampler | RandomSampler | TpeSampler, Field(discriminator="kind")]


class SweepMetric(Section):
    """The number by which trials are judged."""

    stage: Text = Field(description="Whose `metrics.json` holds it; each trial runs so far.")
    name: Text = Field(description="In that file: `final_reward`, `pass_at_1_thinking`.")
    direction: Literal["maximize", "minimize"] = Field(description="Which is better.")


class SweepPruner(Section):
    """When a trial ends early: a column of its steps is worse than that of others at this step."""

    stage: Text = Field(description="A training stage that each trial runs.")
    column: Text = Field(description="Of its `steps.csv`; better in the metric's direction.")
    every: Positive = Field(
        default=1, description="Steps from look to look; their mean is what is compared."
    )
    percentile: Annotated[float, Field(gt=0, lt=100)] = Field(
        default=50.0,
        description="A trial goes on while its best mean so far is among this best share, in "
        "percent, of the finished trials at this step; 50: better than the median.",
    )
    startup_trials: Positive = Field(
        default=5, description="None is pruned before so many are finished."
    )
    warmup_steps: Count = Field(default=0, description="None is pruned before this step.")


class SweepFile(Section):
    """A file of `sweeps/`."""

    title: Text = Field(description="Of the page.")
    profile: Text = Field(description="The parameters that all trials begin with.")
    overrides: dict[str, Any] = Field(
        default={}, description="Parameters that all trials change, as in a study."
    )
    space: Annotated[dict[str, SpaceEntry], Field(min_length=1)] = Field(
        description="Dotted key of a parameter to the values that are tried."
    )
    sampler: Sampler = Field(description="How values are drawn.")
    trials: Positive | None = Field(
        default=None, description="How many; of a grid none: it has as many as combinations."
    )
    jobs: Positive = Field(default=1, description="Trials side by side.")
    metric: SweepMetric
    pruner: SweepPruner | None = Field(default=None, description="None: every trial runs its way.")

    @model_validator(mode="after")
    def _can_be_drawn(self) -> SweepFile:
        if isinstance(self.sampler, GridSampler):
            ranges = [key for key, of in self.space.items() if not isinstance(of, Choices)]
            if ranges:
                raise ValueError(
                    f"`space.{ranges[0]}` is a range, and a grid needs its values as a list"
                )
            if self.trials is not None:
                raise ValueError("`trials` has no place in a grid: it has all combinations")
        elif self.trials is None:
            raise ValueError(f"`trials`: missing, as a `{self.sampler.kind}` sampler has no end")
        return self

    @property
    def size(self) -> int:
        """How many trials there are in all."""
        if self.trials is not None:
            return self.trials
        return math.prod(len(of.values) for of in self.space.values() if isinstance(of, Choices))


def _check_range(low: float, high: float, log: bool) -> None:
    if low >= high:
        raise ValueError(f"`low` = {low} must be below `high` = {high}")
    if log and low <= 0:
        raise ValueError(f"`low` = {low} has no logarithm")
