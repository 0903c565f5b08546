"""A benchmark: one YAML file, which names where its problems come from and how they are marked."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from rlp_core.data.config import Files, Hub
from rlp_core.data.harness_config import HarnessTask
from rlp_core.data.procedural_config import Procedural
from rlp_core.section import Count, Section
from rlp_core.workspace import AnswerRule, BenchmarkGroup

BenchmarkSource = Annotated[Procedural | Files | Hub | HarnessTask, Field(discriminator="kind")]


class Benchmark(Section):
    """A file `NAME.yaml` of `evaluate.benchmark_folder`, or one that comes with the package."""

    title: str = Field(min_length=1, description="As tables and pages call it.")
    description: str = Field(min_length=1, description="What it measures, in a sentence.")
    licence: str = Field(min_length=1, description="SPDX identifier, or what the source states.")
    answer: AnswerRule = Field(
        description="How answers are marked: docs/reference/answers.md. Problems with choices are "
        "marked by `choice`, `acc` or `acc_norm`, and only they."
    )
    group: BenchmarkGroup = Field(
        default="other", description="The ability that it asks for; groups are reported together."
    )
    problems: Count = Field(
        default=0, description="Problems at most, drawn by content hash; 0: all that there are."
    )
    source: BenchmarkSource = Field(
        description="Where the problems come from, as a source of section `prepare`."
    )

    @model_validator(mode="after")
    def _one_licence(self) -> Benchmark:
        of_source = getattr(self.source, "licence", self.licence)
        if of_source != self.licence:
            raise ValueError(
                f"`licence` = {self.licence!r} and `source.licence` = {of_source!r} must be equal"
            )
        return self
