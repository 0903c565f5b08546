"""The three kinds of record that the pipeline reads, each with a JSON Schema of its own.

`rlp schema document` prints a schema. A part of the data (`rlp_core.workspace.PARTS`) holds
records of one kind, one JSON object a line.
"""

from __future__ import annotations

import hashlib
import re
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from rlp_core.workspace import (
    DEMONSTRATION_PARTS,
    DOCUMENT_PARTS,
    AnswerRule,
    BenchmarkGroup,
    ProblemRole,
)


class Record(BaseModel):
    """What every record carries."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(min_length=1, description="Unique within its part.")
    key: str = Field(
        min_length=1,
        description="Content hash of what makes two records the same text or problem. Splits are "
        "disjoint by it.",
    )
    source: str = Field(min_length=1, description="Name of the source it came from.")
    licence: str = Field(min_length=1, description="SPDX identifier, or what the source states.")


class Document(Record):
    """A text to predict. It carries no thoughts in the parts `rlp` and `heldout`."""

    text: str = Field(description="The text itself.")
    spans: list[Annotated[list[int], Field(min_length=2, max_length=2)]] = Field(
        default_factory=list,
        description="Marked answers as [start, end) in characters; position selection `answer` "
        "thinks before the first token of each.",
    )
    ends: bool = Field(
        default=True,
        description="Whether the text ends here. A piece of a longer text that goes on does not, "
        "and no end of text is learnt after it. Written only where it is false.",
    )

    difficulty: int = Field(
        default=0,
        ge=0,
        description="How hard its question is: the steps of the world's expert. Written only where "
        "it is known.",
    )

    @model_serializer(mode="wrap")
    def _without_the_usual(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        row: dict[str, Any] = write(self)
        if self.ends:
            row.pop("ends", None)
        if not self.difficulty:
            row.pop("difficulty", None)
        return row


class Demonstration(Record):
    """An expert's thought at one place of a text."""

    context: str = Field(description="What is read before thinking.")
    thought: str = Field(description="What the expert thinks, without delimiters; may be empty.")
    continuation: str = Field(description="What really follows the context.")


class HarnessMarks(BaseModel):
    """How a task file of lm-evaluation-harness marks an answer that is generated."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    targets: list[str] = Field(min_length=1, description="Answers that are right.")
    until: list[str] = Field(description="Strings that end an answer.")
    max_tokens: int = Field(ge=1, description="Tokens of an answer at most.")
    filters: list[dict[str, Any]] = Field(description="What is read out of it, filter by filter.")
    arguments: dict[str, Any] = Field(description="Of the harness's exact match.")


class Problem(Record):
    """A question whose answer can be checked."""

    prompt: str = Field(description="What is read before thinking and answering.")
    answer: str = Field(description="The right answer, as it must appear.")
    benchmark: str = Field(
        default="",
        description="Name of the benchmark that it belongs to; stage `prepare` sets it. Empty, "
        "and not written, for problems that are trained on.",
    )
    rule: AnswerRule = Field(
        default="exact",
        description="How its answer is marked: as a number or text, as mathematics, as a choice "
        "that is written, or that is weighed, or by the verifier of the world that asks.",
    )
    choices: list[str] = Field(
        default_factory=list, description="The options to choose from; empty for free answers."
    )
    group: BenchmarkGroup = Field(
        default="other", description="The ability that its benchmark asks for."
    )
    cluster: str = Field(
        default="",
        description="Problems of one cluster (of one story, one template) are not independent, and "
        "are drawn together; empty: it stands alone.",
    )
    contexts: list[str] = Field(
        default_factory=list,
        description="Weighed choices: what is read before each, where that differs; empty: the "
        "prompt.",
    )
    continuations: list[str] = Field(
        default_factory=list,
        description="Weighed choices: the text of each whose likelihood counts; empty: a space and "
        "the choice.",
    )
    difficulty: int | None = Field(
        default=None,
        ge=0,
        description="How hard it is, as its source tells: the higher the harder. Of a world, the "
        "steps that its expert takes.",
    )
    harness: HarnessMarks | None = Field(
        default=None, description="Of a task file of lm-evaluation-harness: how it is marked."
    )
    role: ProblemRole = Field(
        default="asked",
        description="Where worked examples are shown (`evaluate.shots`): `asked` with them and "
        "without; an `example`, shown and never asked; or asked `bare` alone, its prompt bringing "
        "the examples that it is to have.",
    )

    @model_serializer(mode="wrap")
    def _without_the_usual(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        row: dict[str, Any] = write(self)
        for name, usual in _USUAL.items():
            if row.get(name) == usual:
                row.pop(name)
        return row

    def weighed(self) -> list[tuple[str, str]]:
        """Of each choice what is read before it, and the text whose likelihood counts."""
        contexts = self.contexts or [self.prompt] * len(self.choices)
        texts = self.continuations or [f" {choice}" for choice in self.choices]
        return list(zip(contexts, texts, strict=True))


_USUAL: dict[str, Any] = {
    "benchmark": "",
    "group": "other",
    "cluster": "",
    "contexts": [],
    "continuations": [],
    "difficulty": None,
    "harness": None,
    "role": "asked",
}
"""Fields of a problem that are written only where they say something."""


KINDS: dict[str, type[Record]] = {
    "document": Document,
    "demonstration": Demonstration,
    "problem": Problem,
}


def kind_of(part: str) -> type[Record]:
    """The kind of record that a part holds."""
    if part in DOCUMENT_PARTS:
        return Document
    return Demonstration if part in DEMONSTRATION_PARTS else Problem


def content_key(text: str) -> str:
    """128-bit hash of a text, blind to case and white space.

    Two texts with one key count as the same for splits and for leak checks.
    """
    folded = re.sub(r"\s+", " ", text).strip().casefold()
    return hashlib.blake2b(folded.encode(errors="surrogatepass"), digest_size=16).hexdigest()


def heldout(key: str, share: float) -> bool:
    """Whether a content key falls into the held-out split: a pure function of the content.

    Args:
        key: what `content_key` returned.
        share: the held-out share, in [0, 1].
    """
    return int(key[:13], 16) / 16**13 < share


def hash_share(key: str) -> float:
    """Where in [0, 1) a content key lies, by another hash than that of the split.

    By the split's own hash a range would lie on one side, or be short of what that side took.

    Args:
        key: what `content_key` returned.
    """
    digest = hashlib.blake2b(f"between/{key}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest) >> 11) / 2**53  # as many bits as a float holds
