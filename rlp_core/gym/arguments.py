"""What `gymnasium.make` takes for a world, beside the world's own settings."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationError, create_model, field_validator, model_validator

from rlp_core.environments import Environment, ExpertSettings
from rlp_core.errors import ConfigError, PluginError
from rlp_core.section import Positive, Section, Share
from rlp_core.yaml_file import faults_of

PRINTABLE = string.digits + string.ascii_letters + string.punctuation + " "
"""Of ASCII: 95 letters."""


class AskingSettings(Section):
    """What `gymnasium.make` takes beside the world's own settings."""

    split: Literal["all", "train", "heldout"] = Field(
        default="all", description="Which tasks are asked, by the hash of their content."
    )
    share: Share = Field(
        default=0.1, description="Share of the content hashes that is held out, as in `prepare`."
    )
    expert: bool = Field(
        default=False, description="Whether `info` of `reset` holds the expert's steps and answer."
    )
    letters: str = Field(
        default=PRINTABLE + "\n", description="Letters that a question and an answer may hold."
    )
    longest_question: Positive = Field(
        default=1024, description="Letters of the longest prompt that fits."
    )
    longest_answer: Positive = Field(
        default=256, description="Letters of the longest answer that fits."
    )

    @field_validator("letters")
    @classmethod
    def _different(cls, letters: str) -> str:
        if len(set(letters)) != len(letters) or not letters:
            raise ValueError("must be some letters, each of them once")
        return letters

    @model_validator(mode="after")
    def _some_side(self) -> AskingSettings:
        if (self.split, self.share) in (("heldout", 0.0), ("train", 1.0)):
            raise ValueError(f"no task lies on the side {self.split!r} of a share of {self.share}")
        return self


class SpellingSettings(AskingSettings):
    """What it takes where answers are written letter by letter: all is smaller."""

    longest_question: Positive = Field(
        default=128, description="Letters of the longest question that fits."
    )
    longest_answer: Positive = Field(
        default=32, description="Letters of the longest answer that fits; one more truncates."
    )
    alphabet: str | None = Field(
        default=None,
        description="Letters that an action may write; without it `letters`, less the line break.",
    )

    @model_validator(mode="after")
    def _writable(self) -> SpellingSettings:
        written = self.written
        if len(set(written)) != len(written) or not written or set(written) - set(self.letters):
            raise ValueError("`alphabet` must be some of `letters`, each of them once")
        return self

    @property
    def written(self) -> str:
        """The letter of each action but the last, which ends the answer."""
        return self.letters.replace("\n", "") if self.alphabet is None else self.alphabet


def settings_of(
    world: Environment[Any, Any], arguments: type[AskingSettings], given: Mapping[str, Any]
) -> Section:
    """Arguments and the world's own settings in one model, so that all faults are told at once."""
    own, where = world.settings.model_fields, f"arguments of gymnasium.make, world `{world.name}`"
    if clash := sorted(own.keys() & {*arguments.model_fields, "render_mode"}):
        raise PluginError(
            f"the world `{world.name}` has a setting `{clash[0]}`, which is an argument of "
            "gymnasium.make already",
            where=where,
            fix="rename the world's setting",
        )
    if idle := sorted(given.keys() & ExpertSettings.model_fields):
        raise ConfigError(
            f"`{idle[0]}` is of records, and here no record is made",
            where=where,
            fix="leave it out; `expert=True` tells the steps in `info`",
        )
    both = create_model("both", __base__=(arguments, world.settings))
    try:
        return both.model_validate(dict(given))
    except ValidationError as error:
        faults = (what for _, what in faults_of(error, dict(given), both, {}))
        told = "; ".join(what.removeprefix("`several sections`: ") for what in faults)
        raise ConfigError(
            f"impossible arguments: {told}",
            where=where,
            fix="docs/guides/worlds-in-gymnasium.md lists the arguments, docs/reference/params.md "
            "the settings of each world",
        ) from error
