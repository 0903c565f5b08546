"""A benchmark: one YAML file, which names where its problems come from and how they are marked."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from rlp_core.data.config import Files, Hub
from rlp_core.data.harness_config import HarnessTask
from rlp_core.data.procedural_config import Procedural
from rlp_core.section import Count, Section
from rlp_core.workspace import VERIFIED, WEIGHED_RULES, AnswerRule, BenchmarkGroup

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
    examples: Annotated[Files | Hub, Field(discriminator="kind")] | None = Field(
        default=None,
        description="Options that are weighed: where worked examples for `evaluate.shots` come "
        "from, by the keys of `source` that differ; left out: its own problems that are not asked.",
    )

    @model_validator(mode="before")
    @classmethod
    def _as_the_source(cls, tree: Any) -> Any:
        """Examples are read as the problems are, but for the keys that they name."""
        source = tree.get("source") if isinstance(tree, dict) else None
        if not isinstance(source, dict) or not isinstance(tree.get("examples"), dict):
            return tree
        told = dict(tree["examples"])
        if isinstance(told.get("mapping"), dict) and isinstance(source.get("mapping"), dict):
            told["mapping"] = {**source["mapping"], **told["mapping"]}
        return {**tree, "examples": {**source, **told}}

    @model_validator(mode="after")
    def _examples_are_others_and_weighed(self) -> Benchmark:
        if self.examples is not None and self.answer not in WEIGHED_RULES:
            raise ValueError(
                f"`examples` belong to options that are weighed ({', '.join(WEIGHED_RULES)}), and "
                f"`answer` = {self.answer}: before answers that are written stand demonstrations "
                "of part `finetune`"
            )
        if self.examples == self.source:
            raise ValueError(
                "`examples` names the rows of `source` again: name another file, split or share, "
                "or leave it out, and problems that are not asked are shown"
            )
        return self

    @model_validator(mode="after")
    def _verified_by_its_world(self) -> Benchmark:
        if self.answer == VERIFIED and not isinstance(self.source, Procedural):
            raise ValueError(
                f"`answer` = {VERIFIED} asks the world that made the problems, and `source.kind` = "
                f"{self.source.kind} makes none: take exact, math, choice, acc or acc_norm"
            )
        return self

    @model_validator(mode="after")
    def _one_licence(self) -> Benchmark:
        of_source = getattr(self.source, "licence", self.licence)
        if of_source != self.licence:
            raise ValueError(
                f"`licence` = {self.licence!r} and `source.licence` = {of_source!r} must be equal"
            )
        return self
