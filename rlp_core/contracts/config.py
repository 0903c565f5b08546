"""Section `validate`: what of the data may enter."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from rlp_core.contracts.heldout_worlds import known_fault
from rlp_core.section import Count, Positive, Section, Share


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
    unanswerable: Literal["warning", "error"] = Field(
        default="error",
        description="What a problem is whose answer can never be given: of several lines, or "
        "longer than `evaluate.answer_tokens` can hold.",
    )
    min_group_share: Annotated[float, Field(ge=0, le=0.5)] = Field(
        default=0.25,
        description="Share of a part's gendered terms below which a group's absence is a warning.",
    )
    heldout_worlds: dict[str, Count] = Field(
        default_factory=dict,
        description="Worlds of which no training record may ask anything, each with the steps of "
        "its expert from which on that holds: 0 holds the whole world out, 4 its harder tasks. One "
        "such record stops the pipeline.",
    )

    @field_validator("heldout_worlds")
    @classmethod
    def _are_worlds(cls, given: dict[str, int]) -> dict[str, int]:
        for fault in filter(None, map(known_fault, given)):
            raise ValueError(fault)
        return given

    @model_validator(mode="after")
    def _ordered(self) -> Validate:
        if self.min_chars > self.max_chars:
            raise ValueError("`min_chars` must not exceed `max_chars`: no text could pass")
        return self
