"""How a model is asked to think: one YAML file each, `rlp_core/prompts/NAME.yaml`.

`thought.prompt` names one. Its text is put before every document and context, or right before every
thought, in training and inference alike (`Codec.prefix` and `Codec.lead` in
rlp_core/data/tokenizer.py); no loss falls on it. It may be a template (`template.py`) with
variables, and with examples in which a thought is shown between the model's own delimiters.

A version, `NAME@2`, is a file's state: words that were trained with are still there after they were
made better. The present one is `NAME.yaml`, an older one `NAME@VERSION.yaml`; each file says which
it is.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, ValidationError, model_validator

from rlp_core.errors import ConfigError, PluginError, did_you_mean
from rlp_core.prompts.template import (
    CLOSE,
    GIVEN,
    OPEN,
    TemplateError,
    Value,
    check_template,
    render,
)
from rlp_core.section import Positive, Section

FOLDER = Path(__file__).parent
"""Where the files lie."""

GUIDE = "docs/guides/add-a-prompt.md says what stands in it"
MOST_EXAMPLES = 32

SHOTS = "shots"
"""The variable that says how many examples are shown, where a prompt has one."""


class PromptExample(Section):
    """A thought that is shown: what stands before it, the thought, how the text goes on."""

    before: str = Field(min_length=1, description="Text up to the place of the thought.")
    thought: str = Field(min_length=1, description="What is thought there, without delimiters.")
    after: str = Field(min_length=1, description="Text that follows.")


class PromptTemplate(Section):
    """A prompt, as its file states it."""

    title: str = Field(min_length=1, description="What it does, in one line.")
    source: str = Field(min_length=1, description="Where its words come from.")
    version: Positive = Field(
        default=1, description="Raised when the words change; the older file becomes NAME@VERSION."
    )
    place: Literal["start", "thought"] = Field(
        description="Where it stands: `start`, right after the start-of-text token; `thought`, "
        "before the delimiter that opens a thought, and nowhere where nothing is thought."
    )
    text: str = Field(
        min_length=1,
        description="Its words, or a template of them; with the line end that parts it from what "
        "follows.",
    )
    variables: dict[str, Value] = Field(
        default={}, description="What the template may be told otherwise, with usual values."
    )
    examples: Annotated[tuple[PromptExample, ...], Field(strict=False)] = Field(
        default=(), max_length=MOST_EXAMPLES, description="Thoughts that the template shows."
    )

    @model_validator(mode="after")
    def _whole(self) -> PromptTemplate:
        if taken := [name for name in GIVEN if name in self.variables]:
            raise ValueError(f"`variables` cannot set `{taken[0]}`: every template has it")
        if type(self.variables.get(SHOTS, 0)) is not int:
            raise ValueError(f"`variables.{SHOTS}` must be a whole number: it counts examples")
        check_template(self.text, list(self.variables), bool(self.examples))
        return self

    def rendered(self, values: Mapping[str, Value]) -> str:
        """Its text with values in place of the usual ones, and marks for the delimiters.

        Raises:
            TemplateError: it cannot be rendered.
        """
        shown = [example.model_dump() for example in self.examples]
        return render(self.text, {**self.variables, **values}, shown)


class Words(NamedTuple):
    """What is put into the text that a model reads.

    Attributes:
        start: before every text.
        lead: before the delimiter that opens a thought.
    """

    start: str = ""
    lead: str = ""

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that tell these words, and their place, from others."""
        return hashlib.sha256(f"{self.start}\0{self.lead}".encode()).hexdigest()[:12]


def names() -> list[str]:
    """Names of all prompts, older versions too, in order of the alphabet."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def get(name: str) -> PromptTemplate:
    """The prompt of a name, `NAME` or `NAME@VERSION`.

    Raises:
        ConfigError: there is none, or not of this version; the message names the nearest.
        PluginError: its file is no YAML, lacks a key, has one too many, or holds a template with an
            unknown variable or an expression that is not allowed.
    """
    known = names()
    if name in known:
        return _of_its_version(name)
    base, _, version = name.partition("@")
    if base not in known:
        raise ConfigError(
            f"no prompt is called {name!r}",
            where=FOLDER.name,
            fix=f"{did_you_mean(name, known)}known: {', '.join(known)}",
        )
    present = _of_its_version(base)
    if version == str(present.version):
        return present
    older = [one.partition("@")[2] for one in known if one.startswith(f"{base}@")]
    raise ConfigError(
        f"the prompt `{base}` has no version {version!r}",
        where=FOLDER.name,
        fix=f"known versions: {', '.join([*older, str(present.version)])}",
    )


def words(
    name: str, delimiters: tuple[str, str], values: Mapping[str, Value] | None = None
) -> Words:
    """The words of a prompt by the place that they stand at; none where no prompt is named.

    Args:
        name: of the prompt; empty: none.
        delimiters: what opens and closes a thought.
        values: of its variables, in place of the usual ones.

    Raises:
        ConfigError, PluginError: as `get`; or a value is of no variable or of another type, a
            delimiter stands in the text otherwise than by `{{ open }}` and `{{ close }}`, or a
            thought is not closed.
    """
    values = values or {}
    if not name:
        if values:
            raise ConfigError(
                f"`{next(iter(values))}` is set, and no prompt is named that could use it",
                where="thought.variables",
                fix="name the prompt, or leave the variables out",
            )
        return Words()
    prompt = get(name)
    _check_values(name, prompt, values)
    try:
        text = prompt.rendered(values)
        _check_delimiters(name, text, delimiters)
    except TemplateError as fault:
        raise _unreadable(_path(name), [str(fault)]) from fault
    text = text.replace(OPEN, delimiters[0]).replace(CLOSE, delimiters[1])
    return Words(text) if prompt.place == "start" else Words(lead=text)


def _check_values(name: str, prompt: PromptTemplate, values: Mapping[str, Value]) -> None:
    for key, value in values.items():
        usual = prompt.variables.get(key)
        if usual is None:
            raise ConfigError(
                f"the prompt `{name}` has no variable `{key}`",
                where="thought.variables",
                fix=f"{did_you_mean(key, prompt.variables)}"
                f"known: {', '.join(prompt.variables) or 'none'}",
            )
        if type(value) is not type(usual):
            raise ConfigError(
                f"the variable `{key}` of the prompt `{name}` is {value!r}, and usually {usual!r}",
                where="thought.variables",
                fix=f"give a value of type {type(usual).__name__}",
            )
    shots, most = {**prompt.variables, **values}.get(SHOTS, 0), len(prompt.examples)
    if not 0 <= int(shots) <= most:
        raise ConfigError(
            f"the prompt `{name}` has {most} examples, and {shots} are asked for",
            where="thought.variables",
            fix=f"set `{SHOTS}` to a number from 0 to {most}",
        )


def _check_delimiters(name: str, text: str, delimiters: tuple[str, str]) -> None:
    """What looks like a delimiter is one, and every thought that is opened is closed."""
    for mark in delimiters:
        if mark in text:
            raise ConfigError(
                f"the prompt `{name}` contains the delimiter {mark!r}",
                where="thought.prompt",
                fix="it is put before and behind thoughts by itself: take it out of the prompt's "
                "text; in an example write {{ open }} and {{ close }}",
            )
    marks = "".join(letter for letter in text if letter in (OPEN, CLOSE))
    if marks != (OPEN + CLOSE) * (len(marks) // 2):
        raise TemplateError(
            "its text must close each thought with {{ close }} before it opens the next"
        )


def _path(name: str) -> Path:
    """The file of a name that `get` knows."""
    path = FOLDER / f"{name}.yaml"
    return path if path.is_file() else FOLDER / f"{name.partition('@')[0]}.yaml"


def _of_its_version(name: str) -> PromptTemplate:
    path = FOLDER / f"{name}.yaml"
    prompt = _read(path)
    _, mark, version = name.partition("@")
    if mark and version != str(prompt.version):
        raise _unreadable(path, [f"its name says version {version}, and it {prompt.version}"])
    return prompt


@functools.cache
def _read(path: Path) -> PromptTemplate:
    import yaml

    try:
        return PromptTemplate.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        told = [str(error)]
    except ValidationError as error:
        told = [_told(problem) for problem in error.errors(include_url=False)]
    raise _unreadable(path, told)


def _unreadable(path: Path, told: list[str]) -> PluginError:
    return PluginError(
        f"the prompt `{path.stem}` cannot be read: {'; '.join(told)}",
        where=str(path),
        fix=f"mend the file; {GUIDE}",
    )


def _told(problem: Any) -> str:
    key = ".".join(str(step) for step in problem["loc"])
    if problem["type"] != "extra_forbidden":
        message = str(problem["msg"]).removeprefix("Value error, ")
        return f"`{key}`: {message}" if key else message
    here = PromptExample if problem["loc"][0] == "examples" else PromptTemplate
    known = list(here.model_fields)
    hint = did_you_mean(str(problem["loc"][-1]), known)
    return f"`{key}`: unknown key ({hint}known: {', '.join(known)})"
