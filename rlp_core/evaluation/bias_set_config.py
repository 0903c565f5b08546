"""A bias set: one YAML file, which names where its items come from and how their fields are read.

Two plain forms: pairs of sentences of which one is the stereotyped, and questions with choices of
which one is, or whose right answers are compared between two groups. Every template is a Python
format string over the fields of a row, as in a benchmark.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from rlp_core.data.config import Encoding, Separator
from rlp_core.section import Count, Positive, Section


class SetTable(Section):
    """A file, or several of one make, below `evaluate.bias.folder`."""

    pattern: str = Field(
        min_length=1,
        description="Glob below `evaluate.bias.folder`: jsonl, json, csv, tsv or parquet, each "
        "also gzipped.",
    )
    separator: Separator = Field(
        default="", description="Between the fields of a table; empty: comma in csv, tab in tsv."
    )
    encoding: Encoding = Field(
        default="", description="Of the file, by its name in Python; empty: UTF-8, or by its mark."
    )
    max_line_bytes: Positive = Field(default=65536, description="A longer line is an error.")


class JoinedTable(SetTable):
    """A second table, whose row is at hand in templates under a name: `{name[field]}`."""

    name: str = Field(min_length=1, description="Under which its fields are at hand.")
    key: str = Field(min_length=1, description="Template over its fields: what a row is found by.")
    by: str = Field(min_length=1, description="Template over the set's own fields: what to find.")


class RowsTogether(Section):
    """Several rows that are one item: the fields of each are at hand by its side: `{he[text]}`.

    What all of them have in common is at hand as it is.
    """

    key: str = Field(min_length=1, description="Template: rows that fill it alike belong together.")
    side: str = Field(min_length=1, description="Template: which of `sides` a row is.")
    sides: Annotated[tuple[str, ...], Field(strict=False, min_length=2)] = Field(
        description="The sides, each once an item; rows of others are left out, and counted."
    )

    @field_validator("sides")
    @classmethod
    def _differ(cls, sides: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(sides)) < len(sides):
            raise ValueError("a side stands twice")
        return sides


class CutField(Section):
    """A text cut at a word whose place the row tells: `{cut[before]}`, `{cut[after]}`."""

    field: str = Field(min_length=1, description="Field with the text.")
    at: str = Field(
        min_length=1, description="Template: characters of the text before the word, a number."
    )
    word: str = Field(min_length=1, description="Template: the word, which must stand there.")


class Lookup(Section):
    """A field made from what a template gives, by a table; what is not in it is left out."""

    of: str = Field(min_length=1, description="Template: what to find in `table`.")
    table: dict[str, str] = Field(
        min_length=1,
        description="What the template gives, to the new field; rows of others are left out, and "
        "counted.",
    )


class SetMapping(Section):
    """How a row becomes an item: what both forms have in common.

    A choice is named by its number, its letter or its own text.
    """

    null: Literal["refuse", "skip", "empty"] = Field(
        default="refuse",
        description="A field in use that is null, NaN or infinite: an error; or its row is left "
        "out, and counted; or it is taken for an empty text.",
    )
    extract_field: str = Field(default="", description="Field that `extract` is matched on.")
    extract: str = Field(
        default="",
        description="Regular expression of RE2 with named groups, which become fields; must match "
        "the whole field.",
    )
    cut: CutField | None = Field(
        default=None,
        description="A text cut at a word whose place is told: `{cut[before]}`, `{cut[after]}`.",
    )
    lookup: dict[str, Lookup] = Field(
        default_factory=dict,
        description="New fields by name, each made by a table from what a template gives: a label "
        "in the words of this file.",
    )
    join: JoinedTable | None = Field(
        default=None, description="A second table, of which a row is at hand beside each."
    )
    together: RowsTogether | None = Field(
        default=None, description="Which rows are one item, where an item has a row per sentence."
    )
    only: dict[str, str | int | float | bool | None] = Field(
        default_factory=dict,
        description="Fields and the values that they must have; other rows are left out, and "
        "counted.",
    )
    id: str = Field(default="", description="Template: unique name; empty: file and line.")
    category: str = Field(
        default="", description="Template: part that is scored on its own; empty: all are one part."
    )
    cluster: str = Field(
        min_length=1,
        description="Template: items that fill it alike are not independent (of one frame, one "
        "occupation, one writer), and are drawn together for intervals.",
    )
    context: str = Field(default="", description="Template: what is read before a choice.")
    space: str = Field(default=" ", description="Between a context and a choice.")
    stereotyped: str = Field(min_length=1, description="Template: the choice of the stereotype.")
    first_index: Annotated[int, Field(ge=0, le=1)] = Field(
        default=0, description="The number that templates give the first choice."
    )

    def templates(self) -> Iterator[tuple[str, str]]:
        """Every template that is given, by its key."""
        for name in ("id", "category", "cluster", "context", "stereotyped"):
            yield name, getattr(self, name)
        if self.cut is not None:
            yield "cut.at", self.cut.at
            yield "cut.word", self.cut.word
        for name, made in self.lookup.items():
            yield f"lookup.{name}.of", made.of
        if self.join is not None:
            yield "join.key", self.join.key
            yield "join.by", self.join.by
        if self.together is not None:
            yield "together.key", self.together.key
            yield "together.side", self.together.side

    @model_validator(mode="after")
    def _extracts_from_a_field(self) -> SetMapping:
        if bool(self.extract) != bool(self.extract_field):
            raise ValueError("`extract` and `extract_field` belong together: give both")
        return self


class PairMapping(SetMapping):
    """Two sentences, of which one is the stereotyped: which of them is the likelier?"""

    kind: Literal["pairs"]
    sentences: Annotated[tuple[str, str], Field(strict=False)] = Field(
        description="Templates of the two."
    )
    threshold: float | None = Field(
        default=None,
        description="`stereotyped` gives a number: above this the second sentence is the "
        "stereotyped one, below it the first; rows at it are left out, and counted.",
    )
    unrelated: str = Field(
        default="",
        description="Template of a third sentence that makes no sense: whether the model knows "
        "better is told beside the score (StereoSet).",
    )
    weighed: Literal["whole", "per_token", "shared"] = Field(
        default="whole",
        description="Log-likelihood of a sentence: of all its tokens, their mean, or of the tokens "
        "that both sentences share, which leaves out how common the group's own word is.",
    )
    average: Literal["items", "clusters"] = Field(
        default="items", description="What weighs the same in the score: items, or clusters."
    )

    def templates(self) -> Iterator[tuple[str, str]]:
        """As of all mappings, and the sentences."""
        yield from super().templates()
        yield from ((f"sentences[{i}]", text) for i, text in enumerate(self.sentences))
        yield "unrelated", self.unrelated

    @model_validator(mode="after")
    def _shares_with_two(self) -> PairMapping:
        if self.unrelated and self.weighed == "shared":
            raise ValueError(
                "`weighed: shared` compares what two sentences share, and `unrelated` is a third: "
                "use `whole` or `per_token`"
            )
        return self


class ChoiceMapping(SetMapping):
    """A context and choices, of which one is the stereotyped: which does the model choose?"""

    kind: Literal["choices"]
    stereotyped: str = Field(
        default="",
        description="Template: the choice of the stereotype; empty where `favoured` is given.",
    )
    favoured: dict[str, str | int | float | bool | None] = Field(
        default_factory=dict,
        description="In place of `stereotyped`: fields and the values that they have in questions "
        "about the group that is held to fare better; the score is how much oftener `right` is "
        "chosen there than in the others.",
    )
    choices: Annotated[tuple[str, ...], Field(strict=False)] = Field(
        default=(), description="The choices, a template each."
    )
    choices_field: str = Field(
        default="", description="The field with the choices, where one lists them all."
    )
    opposite: str = Field(
        default="",
        description="Template: the choice against the stereotype; empty: the only one that is "
        "neither stereotyped nor unknown.",
    )
    unknown: str = Field(
        default="", description="Template: the choice that says it cannot be known; empty: none."
    )
    right: str = Field(default="", description="Template: the right choice; empty: not told.")
    ambiguous: dict[str, str | int | float | bool | None] = Field(
        default_factory=dict,
        description="Fields and the values that they have where the context does not tell the "
        "answer; scored apart from the others, as BBQ is. Empty: not told apart.",
    )
    weighed: Literal["whole", "per_token"] = Field(
        default="per_token",
        description="The model's choice has the highest log-likelihood: of all tokens, or their "
        "mean, without which small models choose by length.",
    )

    def templates(self) -> Iterator[tuple[str, str]]:
        """As of all mappings, and the choices."""
        yield from super().templates()
        yield from ((f"choices[{i}]", text) for i, text in enumerate(self.choices))
        for name in ("opposite", "unknown", "right"):
            yield name, getattr(self, name)

    @model_validator(mode="after")
    def _has_choices(self) -> ChoiceMapping:
        if bool(self.choices) == bool(self.choices_field):
            raise ValueError("give `choices`, a template each, or else `choices_field`")
        if bool(self.stereotyped) == bool(self.favoured):
            raise ValueError(
                "give `stereotyped`, the choice of the stereotype, or else `favoured`, which "
                "questions are about the group held to fare better"
            )
        if self.favoured and (self.opposite or self.ambiguous):
            raise ValueError(
                "with `favoured` no choice is the stereotype's: leave out `opposite` and "
                "`ambiguous`"
            )
        if self.favoured and not self.right:
            raise ValueError("with `favoured` the score needs `right`, the right choice")
        if self.ambiguous and not self.right:
            raise ValueError("with `ambiguous` the score needs `right`, the right choice")
        return self


class BiasSet(Section):
    """A file `NAME.yaml` in `evaluate.bias.folder`, or one that comes with the package."""

    title: str = Field(min_length=1, description="As people call it.")
    description: str = Field(min_length=1, description="What it measures, in a sentence.")
    licence: str = Field(min_length=1, description="SPDX identifier, or what the source states.")
    items: Count = Field(
        default=0, description="Items of a category at most, drawn by content hash; 0: all."
    )
    source: SetTable = Field(description="Where the items come from.")
    mapping: Annotated[PairMapping | ChoiceMapping, Field(discriminator="kind")] = Field(
        description="Row to item; `kind` is `pairs` or `choices`."
    )
