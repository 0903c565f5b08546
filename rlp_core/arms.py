"""The arms that are compared, as `rlp_core/arms.yaml` declares them.

`dvc.yaml` reads the same file, so an arm is declared once. Whatever names an arm that is not
declared, or a colour twice, is an error before any work.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rlp_core.errors import ConfigError, MissingInputError, did_you_mean

PATH = Path(__file__).with_suffix(".yaml")

FINETUNED_SUFFIX = "-ft"
POST_TRAINING = ("finetune", "rlvr")
"""The stages that make the arm NAME-ft of the arm NAME, in order."""

INK = {"ink": "#1c2430", "soft": "#5b6675", "line": "#dfe2e6", "direct": "#98a2b0"}
"""Colours of figures that are no arm's, by CSS variable; no arm may have one of them."""

_Hex = Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")]
_Text = Annotated[str, Field(min_length=1)]


class Colour(BaseModel):
    """Of an arm, on a light and on a dark page: `#rrggbb`, lower case."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    light: _Hex
    dark: _Hex


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    label: _Text
    parent: str | None = None
    stage: str | None = None
    colour: Colour | None = None
    pairs: dict[str, _Text] = {}
    headlines: tuple[str, ...] = ()


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    arms: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$")], _Entry]
    finetuned: tuple[str, ...] = ()


@dataclass(frozen=True)
class Arm:
    """An arm.

    Attributes:
        name: of the model's folder and of the stage `evaluate@NAME`.
        label: what it is, for a reader of the page.
        parent: the arm that its training starts from; None for the base.
        stage: the training stage whose curve is drawn, or None.
        finetuned: whether `finetune@PARENT` and `rlvr@PARENT` make it.
        colour: its own, or its parent's where it is fine-tuned.
        colour_of: the arm whose colour that is.
        pairs: arm to compare it with, and why.
        headlines: those of the pairs that the page opens with.
    """

    name: str
    label: str
    parent: str | None
    stage: str | None
    finetuned: bool
    colour: Colour
    colour_of: str
    pairs: Mapping[str, str] = field(hash=False)
    headlines: tuple[str, ...]


@dataclass(frozen=True)
class Arms:
    """All arms, in the order in which they are shown."""

    all: tuple[Arm, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(arm.name for arm in self.all)

    @property
    def base(self) -> str:
        """The arm that all descend from."""
        return self.all[0].name

    @property
    def pretrained(self) -> tuple[str, ...]:
        return tuple(arm.name for arm in self.all if not arm.finetuned)

    @property
    def starts(self) -> tuple[str, ...]:
        """The arms that are fine-tuned, in the order of their fine-tuned versions."""
        return tuple(arm.parent for arm in self.all if arm.finetuned and arm.parent)

    @property
    def stages(self) -> tuple[str, ...]:
        """The training stages whose curves are drawn."""
        return tuple(arm.stage for arm in self.all if arm.stage)

    @property
    def pairs(self) -> tuple[tuple[str, str, str], ...]:
        """(arm, reference, why): the paired differences that are reported."""
        return tuple((arm.name, other, why) for arm in self.all for other, why in arm.pairs.items())

    @property
    def colours(self) -> dict[str, Colour]:
        """By arm that has one of its own."""
        return {arm.name: arm.colour for arm in self.all if arm.colour_of == arm.name}

    def __getitem__(self, name: str) -> Arm:
        """The arm of a name.

        Raises:
            ConfigError: there is none.
        """
        for arm in self.all:
            if arm.name == name:
                return arm
        raise _unknown(f"no arm is called {name!r}", name, self.names, "arms")

    def of_stage(self, stage: str) -> Arm | None:
        """The arm that a stage trains or measures: of `rlp`, `evaluate@rlp`, `finetune@rlp`."""
        name, _, arm = stage.partition("@")
        wanted = f"{arm}{FINETUNED_SUFFIX}" if name in POST_TRAINING else arm
        found = (a for a in self.all if (a.name == wanted if arm else a.stage == name))
        return next(found, None)


@functools.cache
def declared(path: Path = PATH) -> Arms:
    """The arms of the project.

    Raises:
        MissingInputError: there is no such file.
        ConfigError: it is no YAML, a key is unknown or missing, an arm is named that is not
            declared, or a name or colour stands twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise MissingInputError(
            "no arms are declared", where=str(path), fix="restore the file: `git checkout` it"
        ) from None
    _refuse_equal_keys(text)
    try:
        read = _File.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise _bad(f"not YAML: {error}", "", "mend the line that it names") from error
    except ValidationError as error:
        raise _invalid(error) from error
    _check_names(read)
    _check_colours(read)
    return Arms(tuple(_arm(name, entry, read) for name, entry in read.arms.items()))


def _arm(name: str, entry: _Entry, read: _File) -> Arm:
    owner = name
    while (colour := read.arms[owner].colour) is None:
        owner = str(read.arms[owner].parent)
    return Arm(
        name=name,
        label=entry.label,
        parent=entry.parent,
        stage=entry.stage,
        finetuned=_start(name) in read.finetuned,
        colour=colour,
        colour_of=owner,
        pairs=entry.pairs,
        headlines=entry.headlines,
    )


def _start(name: str) -> str | None:
    """The arm that a fine-tuned one starts from, by its name."""
    start = name.removesuffix(FINETUNED_SUFFIX)
    return start if start != name else None


def _check_names(read: _File) -> None:
    seen: list[str] = []
    for name, entry in read.arms.items():
        if bool(seen) != (entry.parent is not None):
            what = "has no parent" if seen else "is the first and has a parent"
            raise _bad(f"arm {name!r} {what}", f"arms.{name}", "only the first arm has none")
        if entry.parent is not None and entry.parent not in seen:
            what = (
                f"the parent of arm {name!r} is {entry.parent!r}, which is declared nowhere above"
            )
            raise _unknown(what, entry.parent, seen, f"arms.{name}.parent")
        for other in entry.pairs:
            if other not in read.arms or other == name:
                what = f"arm {name!r} is compared with {other!r}, which is no other arm"
                raise _unknown(
                    what, other, [a for a in read.arms if a != name], f"arms.{name}.pairs"
                )
        for other in entry.headlines:
            if other not in entry.pairs:
                what = f"a headline of arm {name!r} is {other!r}, which is none of its pairs"
                raise _unknown(what, other, entry.pairs, f"arms.{name}.headlines")
        if seen and seen[0] not in entry.pairs:
            raise _bad(
                f"arm {name!r} is not compared with {seen[0]!r}",
                f"arms.{name}.pairs",
                "add it: the gate and the figures need every arm against the first",
            )
        is_finetuned = _start(name) is not None
        if is_finetuned and (_start(name) not in read.finetuned or entry.parent != _start(name)):
            raise _bad(
                f"the name of arm {name!r} says that it is {_start(name)!r} fine-tuned",
                f"arms.{name}",
                f"give it that parent and name {_start(name)!r} under `finetuned`, or another name",
            )
        seen.append(name)
    twice = [name for name in read.finetuned if read.finetuned.count(name) > 1]
    if twice:
        raise _bad(f"{twice[0]!r} is named twice", "finetuned", "name it once")
    for name in read.finetuned:
        if name not in read.arms:
            what = f"{name!r} is to be fine-tuned and is no arm"
            raise _unknown(what, name, read.arms, "finetuned")
        if f"{name}{FINETUNED_SUFFIX}" not in read.arms:
            made = f"{name}{FINETUNED_SUFFIX}"
            raise _bad(f"arm {made!r} is not declared", "finetuned", f"add `{made}` under `arms`")


def _check_colours(read: _File) -> None:
    taken = {value: f"the colour {name!r} of the figures" for name, value in INK.items()}
    stages: dict[str, str] = {}
    for name, entry in read.arms.items():
        if (entry.colour is None) != (_start(name) is not None):
            what = "needs a colour" if entry.colour is None else "has its parent's colour"
            fix = "add `colour: {light, dark}`" if entry.colour is None else "remove `colour`"
            raise _bad(f"arm {name!r} {what}", f"arms.{name}.colour", fix)
        if entry.stage is not None and (other := stages.setdefault(entry.stage, name)) != name:
            what = f"arms {other!r} and {name!r} both name the stage {entry.stage!r}"
            raise _bad(what, f"arms.{name}.stage", "a stage trains one arm")
        for shade in dict.fromkeys((entry.colour.light, entry.colour.dark) if entry.colour else ()):
            if shade in taken:
                raise _bad(
                    f"the colour {shade} of arm {name!r} is {taken[shade]} already",
                    f"arms.{name}.colour",
                    "choose one that can be told from the others",
                )
            taken[shade] = f"that of arm {name!r}"


def _refuse_equal_keys(text: str) -> None:
    """YAML keeps the last of two equal keys in silence."""
    try:
        root = yaml.compose(text)
    except yaml.YAMLError:
        return  # told when the file is read
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, yaml.MappingNode):
            continue
        keys = [key.value for key, _ in node.value]
        for key, value in node.value:
            if keys.count(key.value) > 1:
                line = key.start_mark.line + 1
                raise _bad(f"{key.value!r} stands twice, on line {line}", "", "rename one of them")
            waiting.append(value)


def _invalid(error: ValidationError) -> ConfigError:
    first = error.errors()[0]
    keys = [str(part) for part in first["loc"] if part != "[key]"]
    unknown = first["type"] == "extra_forbidden"
    known: Any = {1: _File, 3: _Entry, 4: Colour}.get(len(keys), _Entry) if unknown else None
    hint = did_you_mean(keys[-1], known.model_fields) if known else ""
    what = f"no key is called {keys[-1]!r}" if unknown else first["msg"]
    allowed = f"known: {', '.join(known.model_fields)}" if known else "see the head of the file"
    return _bad(what, ".".join(keys), f"{hint}{allowed}")


def _unknown(what: str, name: str, known: Iterable[str], key: str) -> ConfigError:
    names = list(known)
    return _bad(what, key, f"{did_you_mean(name, names)}known: {', '.join(names) or 'none'}")


def _bad(what: str, key: str, fix: str) -> ConfigError:
    where = f"rlp_core/{PATH.name}" + (f", key {key}" if key else "")
    return ConfigError(what, where=where, fix=fix)
