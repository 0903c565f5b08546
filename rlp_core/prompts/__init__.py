"""How a model is asked to think: one YAML file each, `rlp_core/prompts/NAME.yaml`.

`thought.prompt` names one. Its text is put before every document and context, or right before every
thought, in training and inference alike (`Codec.prefix` and `Codec.lead` in
rlp_core/data/tokenizer.py); no loss falls on it, and no thought stands in it.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import Field, ValidationError

from rlp_core.errors import ConfigError, PluginError, did_you_mean
from rlp_core.section import Section

FOLDER = Path(__file__).parent
"""Where the files lie."""


class PromptTemplate(Section):
    """A prompt, as its file states it."""

    title: str = Field(min_length=1, description="What it does, in one line.")
    source: str = Field(min_length=1, description="Where its words come from.")
    place: Literal["start", "thought"] = Field(
        description="Where it stands: `start`, right after the start-of-text token; `thought`, "
        "before the delimiter that opens a thought, and nowhere where nothing is thought."
    )
    text: str = Field(
        min_length=1, description="Its words; with the line end that parts it from what follows."
    )


class Words(NamedTuple):
    """What is put into the text that a model reads.

    Attributes:
        start: before every text.
        lead: before the delimiter that opens a thought.
    """

    start: str = ""
    lead: str = ""


def names() -> list[str]:
    """Names of all prompts, in order of the alphabet."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def get(name: str) -> PromptTemplate:
    """The prompt of a name.

    Raises:
        ConfigError: there is none; the message names the nearest.
        PluginError: its file is no YAML, or lacks a key, or has one too many.
    """
    known = names()
    if name not in known:
        raise ConfigError(
            f"no prompt is called {name!r}",
            where=FOLDER.name,
            fix=f"{did_you_mean(name, known)}known: {', '.join(known)}",
        )
    return _read(FOLDER / f"{name}.yaml")


def words(name: str) -> Words:
    """The words of a prompt by the place that they stand at; none where no prompt is named.

    Raises:
        ConfigError, PluginError: as `get`.
    """
    if not name:
        return Words()
    prompt = get(name)
    return Words(prompt.text) if prompt.place == "start" else Words(lead=prompt.text)


@functools.cache
def _read(path: Path) -> PromptTemplate:
    import yaml

    try:
        return PromptTemplate.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        told = [str(error)]
    except ValidationError as error:
        told = [_told(problem) for problem in error.errors(include_url=False)]
    raise PluginError(
        f"the prompt `{path.stem}` cannot be read: {'; '.join(told)}",
        where=str(path),
        fix="mend the file; docs/guides/add-a-prompt.md says what stands in it",
    )


def _told(problem: Any) -> str:
    key = ".".join(str(step) for step in problem["loc"])
    if problem["type"] != "extra_forbidden":
        return f"`{key}`: {problem['msg']}" if key else str(problem["msg"])
    hint = did_you_mean(key, PromptTemplate.model_fields)
    return f"`{key}`: unknown key ({hint}known: {', '.join(PromptTemplate.model_fields)})"
