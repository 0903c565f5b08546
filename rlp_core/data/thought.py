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
        "every document and counted in its tokens; empty: not asked.",
    )

    @field_validator("prompt")
    @classmethod
    def _known_prompt(cls, name: str) -> str:
        try:
            prompts.text_of(name)
        except ConfigError as error:
            raise ValueError(f"{error.what}; {error.fix}") from error
        return name

    @model_validator(mode="after")
    def _distinct(self) -> ThoughtConfig:
        if self.open == self.close:
            raise ValueError("`open` and `close` must differ")
        words = prompts.text_of(self.prompt)
        held = [text for text in (self.open, self.close) if text in words]
        if held:
            raise ValueError(
                f"the prompt `{self.prompt}` holds the delimiter {held[0]!r}: it would be read as "
                "the characters it is written with; say it in other words, or name another prompt"
            )
        return self
