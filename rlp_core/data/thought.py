"""How a thought is written: the settings that every stage which trains or samples reads."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from rlp_core import prompts
from rlp_core.errors import ConfigError
from rlp_core.prompts.template import Value
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

    variables: dict[str, Value] = Field(
        default={},
        description="Values of the prompt's variables in place of its own, which `rlp prompts "
        "show NAME` tells.",
    )

    def words(self) -> prompts.Words:
        """The prompt's words, with these delimiters and variables."""
        return prompts.words(self.prompt, (self.open, self.close), self.variables)

    @field_validator("prompt")
    @classmethod
    def _known_prompt(cls, name: str) -> str:
        try:
            if name:
                prompts.get(name)
        except ConfigError as error:
            raise ValueError(f"{error.what}; {error.fix}") from error
        return name

    @model_validator(mode="after")
    def _can_be_asked(self) -> ThoughtConfig:
        """Whether the prompt can be put into words with these delimiters and variables."""
        try:
            self.words()
        except ConfigError as error:
            raise ValueError(f"{error.what}; {error.fix}") from error
        return self

    @model_validator(mode="after")
    def _distinct(self) -> ThoughtConfig:
        if self.open == self.close:
            raise ValueError("`open` and `close` must differ")
        return self
