"""Settings of what watches a run: evaluation during it, and when it is told to be unwell."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from rlp_core.section import Arguments, Count, Positive, PositiveReal, Section


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


class HealthConfig(Section):
    """When a run is told to be unwell; docs/guides/when-a-run-is-unwell.md."""

    stop: bool = Field(
        default=True, description="End a collapsed run at its last good state, with an error."
    )
    window: Annotated[int, Field(ge=3)] = Field(
        default=10, description="Updates that medians are taken over."
    )
    collapse: PositiveReal = Field(
        default=3.0, description="Fall of the information gain that is a collapse, in nats."
    )
    non_finite: Positive = Field(
        default=3, description="Updates in a row that are not finite before the run is stopped."
    )
    dumps: Count = Field(default=3, description="Non-finite updates kept for `rlp replay`.")
