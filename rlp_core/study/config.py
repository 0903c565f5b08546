"""The study file: what is asked, which runs answer it, and what is reported."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, field_validator

from rlp_core.section import Count, Section

Name = Annotated[str, Field(pattern=r"^[a-z0-9]+([.-][a-z0-9]+)*$")]
Text = Annotated[str, Field(min_length=1)]
Stages = Annotated[tuple[str, ...], Field(strict=False)]


def _one_or_several(given: Any) -> Any:
    """A stage by itself stands for a list of one."""
    return (given,) if isinstance(given, str) else given


class StudyVariant(Section):
    """One way to run the pipeline."""

    description: Text = Field(description="What it is, for a reader of the results.")
    overrides: dict[str, Any] = Field(
        default={},
        description="Parameters that differ, by dotted key or nested; null takes a key out.",
    )
    until: Stages = Field(default=(), description="Stages to run to, in place of the study's.")

    _listed = field_validator("until", mode="before")(_one_or_several)


class StudyPair(Section):
    """A difference that is reported: of two arms, on the same items within each seed."""

    arm: Text = Field(description="The arm that is looked at.")
    over: Text = Field(description="The arm that is taken from it.")
    metric: Text = Field(description="The metric; its benchmarks are compared too.")
    variant: str = Field(default="", description="Of `arm`; empty: in every variant.")
    over_variant: str = Field(default="", description="Of `over`; empty: the variant of `arm`.")
    why: str = Field(default="", description="What the difference is to show.")


class StudyFile(Section):
    """A file of `studies/`."""

    title: Text = Field(description="Of the page.")
    question: Text = Field(description="What the study is to answer.")
    profile: Text = Field(description="The parameters that all runs begin with.")
    seeds: Annotated[tuple[Count, ...], Field(min_length=1, strict=False)] = Field(
        description="Every variant runs once with each."
    )
    overrides: dict[str, Any] = Field(
        default={}, description="Parameters that all variants change, as in a variant."
    )
    variants: Annotated[dict[Name, StudyVariant], Field(min_length=1)] = Field(
        description="Name to description and overrides."
    )
    until: Stages = Field(default=(), description="Stages to run to; empty: all of the graph.")
    metrics: Annotated[tuple[str, ...], Field(min_length=1, strict=False)] = Field(
        description="Metrics that are reported, of every arm and benchmark."
    )
    pairs: Annotated[tuple[StudyPair, ...], Field(strict=False)] = Field(
        default=(), description="Differences that are reported."
    )

    _listed = field_validator("until", mode="before")(_one_or_several)

    @field_validator("seeds", "metrics", "until")
    @classmethod
    def _each_once(cls, given: tuple[Any, ...]) -> tuple[Any, ...]:
        twice = [value for value in given if given.count(value) > 1]
        if twice:
            raise ValueError(f"{twice[0]!r} stands twice")
        return given
