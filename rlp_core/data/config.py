"""Section `prepare`: which data, and how its rows become records."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from rlp_core.data.equations import PrefixEquation
from rlp_core.data.procedural_config import Procedural
from rlp_core.section import Count, Positive, Section, Share
from rlp_core.workspace import REWARDED_PART, SOURCE_PARTS, output_at


def _separates(separator: str) -> str:
    if separator in ('"', "\n", "\r"):
        raise ValueError("a quotation mark or line end cannot separate fields")
    return separator


def _is_of_text(encoding: str) -> str:
    try:
        b"abcd".decode(encoding or "utf-8")
    except UnicodeError:
        pass  # one that other bytes would suit
    except (LookupError, ValueError):
        raise ValueError("no text encoding is called that; common: utf-8, cp1252") from None
    return encoding


Separator = Annotated[str, Field(max_length=1), AfterValidator(_separates)]
Encoding = Annotated[str, AfterValidator(_is_of_text)]


class Mapping(Section):
    """How a row of a file becomes a record: templates over the row's fields.

    Every template is a Python format string. `extract` adds the named groups of a regular
    expression to the fields, `equation` the worked steps and the result of an equation.
    """

    only: dict[str, str | int | float | bool | None] = Field(
        default_factory=dict,
        description="Fields and the values that they must have, as texts, numbers, true, false or "
        "null; other rows are passed over, and counted.",
    )
    null: Literal["refuse", "skip", "empty"] = Field(
        default="refuse",
        description="A field in use that is null, NaN or infinite: an error; or its row is passed "
        "over, and counted; or it is taken for an empty text.",
    )
    extract_field: str = Field(default="", description="Field that `extract` is matched on.")
    extract: str = Field(
        default="",
        description="Regular expression with named groups, of the syntax of RE2, which takes no "
        "longer for any text; must match the whole field.",
    )
    equation: PrefixEquation | None = Field(
        default=None,
        description="Adds the fields `steps`, the worked steps, and `result` of an equation in "
        "prefix form. Rows whose answer is another than their equation's, or whose steps have no "
        "finite decimals or too many, are passed over, and counted.",
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
    continuation: str = Field(
        default="",
        description="Demonstration: what follows. Problem with `contexts`: what follows each.",
    )
    prompt: str = Field(default="", description="Problem: what is asked.")
    answer: str = Field(default="", description="Problem: the right answer.")
    answer_index: str = Field(
        default="",
        description="Problem: instead of `answer`, which of the choices is right: a template that "
        "gives its number or letter; of two, false is the first and true the second.",
    )
    first_index: Annotated[int, Field(ge=0, le=1)] = Field(
        default=0, description="Problem: the number that `answer_index` gives the first choice."
    )
    choices: Annotated[tuple[str, ...], Field(strict=False)] = Field(
        default=(), description="Problem: the options, a template each."
    )
    choices_field: str = Field(
        default="",
        description="Problem: the field with the options, where one lists them all, or those after "
        "`choices`.",
    )
    choices_separator: str = Field(
        default="", description="Problem: what parts the options in `choices_field`, if it is text."
    )
    contexts: Annotated[tuple[str, ...], Field(strict=False)] = Field(
        default=(),
        description="Problem with weighed choices: what is read before each, a template each, "
        "where that differs; `continuation` follows it.",
    )
    cluster: str = Field(
        default="",
        description="Problem: what it has in common with others that are not independent of it; "
        "empty: it stands alone.",
    )
    difficulty: str = Field(
        default="",
        description="Problem: how hard it is, a template that gives a whole number, the higher the "
        'harder: `"{level}"`, or `"{steps!n}"`, the number of steps; empty: it is not told.',
    )


class Rows(Section):
    """What sources of rows have in common: which rows are taken, and how texts are cut."""

    take: Literal["all", "train", "heldout"] = Field(
        default="all", description="All rows, or one side of the split by content hash."
    )
    hash_between: Annotated[tuple[Share, Share], Field(strict=False)] = Field(
        default=(0.0, 1.0),
        description="From which share of the content hashes to which rows are taken, [low, high): "
        "sources with disjoint ranges share no content. The hash is another than that of `take`, "
        "so any range holds its share of either side; equal keys lie in one range.",
    )
    repeats: Literal["keep", "skip"] = Field(
        default="keep",
        description="A row whose content key an earlier row of the source has: taken too, or "
        "passed over, and counted.",
    )
    limit: Count = Field(default=0, description="Rows at most, 0: all.")
    draw: Literal["hash", "first"] = Field(
        default="hash",
        description="Which rows `limit` takes: drawn by content hash from all of the source, which "
        "reads all of it; or the first.",
    )
    block_chars: Count = Field(
        default=0,
        description="Documents with `take` train or heldout: longer texts are parted within, in "
        "blocks of at most this many characters; 0: a text lies on one side as a whole.",
    )
    gap_chars: Count = Field(
        default=0,
        description="Characters of a training block that are left out beside a held-out one.",
    )
    chunk_chars: Count = Field(
        default=0, description="Documents: cut longer texts at line ends to this many characters."
    )
    mapping: Mapping = Field(default_factory=Mapping, description="Row to record.")

    @field_validator("hash_between")
    @classmethod
    def _is_a_range(cls, between: tuple[float, float]) -> tuple[float, float]:
        if between[0] >= between[1]:
            raise ValueError("the first share must be less than the second: [low, high]")
        return between

    @model_validator(mode="after")
    def _parts_within(self) -> Rows:
        if self.block_chars and self.take == "all":
            raise ValueError(
                "`block_chars` parts a text between train and heldout: set `take` to one of them"
            )
        if self.gap_chars and not self.block_chars:
            raise ValueError("`gap_chars` lies between blocks: set `block_chars` too")
        if self.block_chars < 4 * self.gap_chars:
            raise ValueError(
                f"`block_chars` = {self.block_chars} must be at least four times `gap_chars` = "
                f"{self.gap_chars}: a block loses up to two gaps, and may be half as long"
            )
        return self


class Files(Rows):
    """Local files: jsonl, json, csv, tsv, txt or parquet, each also gzipped."""

    kind: Literal["files"]
    name: str = Field(min_length=1, description="Name of the source, for lineage.")
    licence: str = Field(min_length=1, description="SPDX identifier, or what the source states.")
    pattern: str = Field(min_length=1, description="Glob below `prepare.folder`.")
    separator: Separator = Field(
        default="", description="Between the fields of a table; empty: comma in csv, tab in tsv."
    )
    encoding: Encoding = Field(
        default="",
        description="Of texts and tables, by its name in Python; empty: as the byte-order mark "
        "says, else UTF-8.",
    )


class Hub(Rows):
    """A Hugging Face data set, by name and revision, or a local folder of one."""

    kind: Literal["hub"]
    name: str = Field(min_length=1, description="Repository or local folder.")
    config: str = Field(default="", description="Configuration of the data set.")
    revision: str = Field(default="", description="Commit; required for a repository.")
    split: str = Field(default="train", description="Split to read.")
    licence: str = Field(min_length=1, description="SPDX identifier, or what the source states.")
    streaming: bool = Field(default=False, description="Read without downloading the whole.")


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
    rlvr: Sources = Field(
        default=(),
        description="Problems for `rlvr`, whose answers are rewarded where they are right: by the "
        "verifier of the world that made them, or, of rows, as `exact` or `choice` of "
        "docs/reference/answers.md. May be empty where `rlvr.steps` is 0.",
    )

    @field_validator("folder")
    @classmethod
    def _is_no_output(cls, folder: str) -> str:
        if (output := output_at(folder)) is not None:
            raise ValueError(
                f"stages write to `{output}`, so the folder of your files must not be, hold or "
                "lie in it; put them in a folder of their own, such as `data/external`"
            )
        return folder

    @model_validator(mode="after")
    def _all_parts(self) -> Prepare:
        for part in SOURCE_PARTS:
            if part != REWARDED_PART and not getattr(self, part):
                raise ValueError(f"`{part}` needs at least one source")
        return self
