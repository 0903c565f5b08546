"""How a thought is written: the settings that every stage which trains or samples reads."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from rlp_core import prompts
from rlp_core.errors import ConfigError
from rlp_core.section import Arguments, Positive


class ThoughtConfig(Arguments):
    """How a thought is written. Read by every stage that trains or samples."""

    open: str = Field(default="<think>", min_length=1, description="Token that opens a thought.")
    close: str = Field(default="</think>", min_length=1, description="Token that closes it.")
    max_tokens: Positive = Field(
        default=64,
        description="L: tokens drawn for a thought at most, `close` counted; then it is closed by "
        "force. The paper trains with 2048.",
    )
    prompt: str = Field(
        default="",
        description="How the model is asked to think: an entry of `rlp prompts list`, put before "
        "every document, and then counted in its tokens, or before every thought; empty: not "
        "asked.",
    )

    @field_validator("prompt")
    @classmethod
    def _known_prompt(cls, name: str) -> str:
        try:
            prompts.words(name)
        except ConfigError as error:
            raise ValueError(f"{error.what}; {error.fix}") from error
        return name

    @model_validator(mode="after")
    def _none_in_the_prompt(self) -> ThoughtConfig:
        """The prompt's words are text: a delimiter in them would look like one and be none."""
        for mark in (self.open, self.close):
            if any(mark in text for text in prompts.words(self.prompt)):
                raise ValueError(
                    f"the prompt `{self.prompt}` contains the delimiter {mark!r}; it is put there "
                    "by itself: take it out of the prompt's text"
                )
        return self

    @model_validator(mode="after")
    def _distinct(self) -> ThoughtConfig:
        if self.open == self.close:
            raise ValueError("`open` and `close` must differ")
        return self
