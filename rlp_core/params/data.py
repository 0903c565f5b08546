"""Sections `prepare` and `validate`: which data, and what of it may enter."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from rlp_core.params.section import Count, Positive, Section, Share
from rlp_core.workspace import SOURCE_PARTS


class Mapping(Section):
    """How a row of a file becomes a record: templates over the row's fields.

    Every template is a Python format string. `extract` adds the named groups of a regular
    expression to the fields.
    """

    only: dict[str, str] = Field(
        default_factory=dict,
        description="Fields and the values that they must have; other rows are passed over.",
    )
    extract_field: str = Field(default="", description="Field that `extract` is matched on.")
    extract: str = Field(
        default="", description="Regular expression with named groups; must match the whole field."
    )
    key: str = Field(
        default="", description="What makes two rows the same; empty: text, context or prompt."
    )
    text: str = Field(default="", description="Document: the text; empty: the field `text`.")
    answer_span: str = Field(
        default="", description="Document: what to mark, at its last place in the text."
    )
    context: str = Field(default="", description="Demonstration: what is read.")
    thought: str = Field(default="", description="Demonstration: what is thought.")
    continuation: str = Field(default="", description="Demonstration: what follows.")
    prompt: str = Field(default="", description="Problem: what is asked.")
    answer: str = Field(default="", description="Problem: the right answer.")
    choices_field: str = Field(default="", description="Problem: the field with the options.")


class Procedural(Section):
    """Made here, from a seed."""

    kind: Literal["procedural"]
    world: Literal["arithmetic", "people"] = Field(description="Which generator.")
    count: Positive = Field(description="Records to make.")
    min_terms: Annotated[int, Field(ge=2)] = Field(default=2, description="Shortest chain.")
    max_terms: Annotated[int, Field(ge=2, le=12)] = Field(default=4, description="Longest chain.")
    worked: Share = Field(
        default=0.0, description="Share of records that show the steps to the answer."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Procedural:
        if self.min_terms > self.max_terms:
            raise ValueError("`min_terms` must not exceed `max_terms`")
        return self


class Files(Section):
    """Local files: jsonl, csv, tsv, txt or parquet, each also gzipped."""

    kind: Literal["files"]
    name: str = Field(min_length=1, description="Name of the source, for lineage.")
    licence: str = Field(min_length=1, description="SPDX identifier, or what the source states.")
    pattern: str = Field(min_length=1, description="Glob below `prepare.folder`.")
    take: Literal["all", "train", "heldout"] = Field(
        default="all", description="All rows, or one side of the split by content hash."
    )
    limit: Count = Field(default=0, description="Rows at most, 0: all.")
    chunk_chars: Count = Field(
        default=0, description="Documents: cut longer texts at line ends to this many characters."
    )
    mapping: Mapping = Field(default_factory=Mapping, description="Row to record.")


class Hub(Section):
    """A Hugging Face data set, by name and revision, or a local folder of one."""

    kind: Literal["hub"]
    name: str = Field(min_length=1, description="Repository or local folder.")
    config: str = Field(default="", description="Configuration of the data set.")
    revision: str = Field(default="", description="Commit; required for a repository.")
    split: str = Field(default="train", description="Split to read.")
    licence: str = Field(min_length=1, description="SPDX identifier, or what the source states.")
    streaming: bool = Field(default=False, description="Read without downloading the whole.")
    take: Literal["all", "train", "heldout"] = Field(
        default="all", description="All rows, or one side of the split by content hash."
    )
    limit: Count = Field(default=0, description="Rows at most, 0: all.")
    chunk_chars: Count = Field(
        default=0, description="Documents: cut longer texts at line ends to this many characters."
    )
    mapping: Mapping = Field(default_factory=Mapping, description="Row to record.")


Source = Annotated[Procedural | Files | Hub, Field(discriminator="kind")]
Sources = Annotated[tuple[Source, ...], Field(strict=False)]


class Prepare(Section):
    """Stage `prepare`: sources to records."""

    folder: str = Field(
        min_length=1, description="Folder of local files; a DVC dependency of the stage."
    )
    heldout_share: Annotated[float, Field(gt=0, lt=1)] = Field(
        description="Share of the content hashes that is held out."
    )
    max_line_bytes: Positive = Field(description="A longer line of a file is an error.")
    base: Sources = Field(description="Documents for `base`.")
    rlp: Sources = Field(description="Documents for `rlp` and `cpt`: they carry no thoughts.")
    heldout: Sources = Field(description="Documents held out, for cross-entropy.")
    bootstrap: Sources = Field(description="Demonstrations for imitation.")
    finetune: Sources = Field(description="Demonstrations for fine-tuning.")

    @model_validator(mode="after")
    def _all_parts(self) -> Prepare:
        for part in SOURCE_PARTS:
            if not getattr(self, part):
                raise ValueError(f"`{part}` needs at least one source")
        return self


class Validate(Section):
    """Stage `validate`: what may enter."""

    max_quarantine_share: Share = Field(
        description="A larger share of quarantined rows in any part stops the pipeline."
    )
    min_chars: Count = Field(description="Shorter texts are quarantined.")
    max_chars: Positive = Field(description="Longer texts are quarantined.")
    max_tokens: Positive = Field(
        description="More tokens, by the word-and-sign count of the rule, are quarantined."
    )
    contamination_ngram: Positive = Field(
        description="n of the n-gram rule, in words or signs (GPT-3 used 13)."
    )
    contamination_share: Share = Field(
        description="A training record that shares more n-grams than this with an evaluation "
        "record is quarantined; as a share of the n-grams of the shorter of the two."
    )
    near_duplicate_similarity: Annotated[float, Field(gt=0, le=1)] = Field(
        description="Jaccard similarity of their three-token runs from which on two records of "
        "one part count as near-duplicates."
    )
    near_duplicates: Literal["ignore", "warning", "error"] = Field(
        description="What a near-duplicate is; `ignore` where a world repeats itself on purpose."
    )
    personal_data: Literal["warning", "error"] = Field(
        description="What an e-mail address or telephone number is."
    )
    unsound_steps: Literal["warning", "error"] = Field(
        description="What a demonstration with a step that does not hold is."
    )
    min_group_share: Annotated[float, Field(ge=0, le=0.5)] = Field(
        default=0.25,
        description="Share of a part's gendered terms below which a group's absence is a warning.",
    )
