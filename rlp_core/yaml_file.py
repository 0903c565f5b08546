"""Reads a YAML file of settings, and explains where it is not what its model says."""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from rlp_core.errors import ConfigError, MissingInputError


def read_yaml(path: Path, shape: str) -> dict[str, Any]:
    """The tree of a file, unchecked.

    By DVC's own reader, so that both take every value for the same: `1e-4` is a number, `off` a
    text, `010` ten.

    Args:
        path: the file.
        shape: where the reader finds what such a file holds.

    Raises:
        MissingInputError: it cannot be read.
        ConfigError: it is no YAML mapping, or a key stands twice.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.constructor import DuplicateKeyError
    from ruamel.yaml.error import YAMLError

    try:
        tree = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except DuplicateKeyError as error:
        raise _twice(error, path, shape) from error
    except (YAMLError, ValueError, RecursionError, TypeError) as error:
        raise ConfigError(
            f"not a YAML file: {error}", where=str(path), fix=f"mend the line it names; {shape}"
        ) from error
    except OSError as error:
        raise MissingInputError(
            f"cannot read: {error.strerror}", where=str(path), fix="see that you may read it"
        ) from error
    if not isinstance(tree, dict):
        raise ConfigError("no mapping of sections", where=str(path), fix=shape)
    return tree


def scalar(text: str, where: str) -> Any:
    """What a value means that stands on a command line, as it would in a file.

    Raises:
        ConfigError: it is no YAML.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe").load(text)
    except (YAMLError, ValueError, RecursionError, TypeError) as error:
        raise ConfigError(
            f"not a YAML value: {error}", where=where, fix="put quotes around a text"
        ) from error


def _twice(error: Any, path: Path, shape: str) -> ConfigError:
    """The fault of a key that stands twice; `error` is ruamel's, which knows the second place."""
    found = re.search(r'duplicate key "(.*)" with value', error.problem, re.DOTALL)
    key = found[1] if found else "?"
    first = _first_line(path, key, error.context_mark.line, error.problem_mark.line)
    return ConfigError(
        f"the key `{key}` stands twice in one section, and only one value can count",
        where=f"{path}, lines {first} and {error.problem_mark.line + 1}",
        fix=f"take one of the two out; {shape}",
    )


def _first_line(path: Path, key: str, start: int, end: int) -> int:
    """The line, from 1, of the first `key:` from line `start` on, counted from 0, to `end`."""
    lines = path.read_text(encoding="utf-8").splitlines()
    pattern = re.compile(rf"(?:^|[\s{{,])[\"']?{re.escape(key)}[\"']?\s*:")
    candidates = [n for n in range(start, end + 1) if pattern.search(lines[n])]
    column = _column(lines[end], pattern)
    same = [n for n in candidates if n < end and _column(lines[n], pattern) == column]
    return (same or candidates or [start])[0] + 1


def _column(line: str, pattern: re.Pattern[str]) -> int:
    found = pattern.search(line)
    return found.start() if found else -1


def faults_of(
    error: ValidationError, tree: dict[str, Any], root: type[BaseModel], moved: Mapping[str, str]
) -> list[tuple[str, str]]:
    """Every fault of a file: the key, and what to say.

    Args:
        error: of `root.model_validate(tree)`.
        tree: what the file holds.
        root: what it should hold.
        moved: keys of older files, and what to write instead; see `advice`.
    """
    problems, places = [], []
    for problem in error.errors(include_url=False):
        keys = [str(key) for key in problem["loc"]]
        place = ".".join(keys) or "several sections"
        new = advice(_in_file(problem["loc"], tree), moved)
        if problem["type"] == "extra_forbidden" and new is not None:
            problems.append(f"`{place}`: {new}")
        elif problem["type"] == "extra_forbidden":
            known = _known_keys(problem["loc"][:-1], root)
            near = difflib.get_close_matches(keys[-1], known, n=1, cutoff=0.5)
            hint = f"; did you mean `{near[0]}`?" if near else ""
            problems.append(
                f"`{place}` = {_short(problem['input'])}: unknown key{hint} "
                f"(known here: {', '.join(sorted(known)) or 'none'})"
            )
        elif problem["type"] == "missing":
            problems.append(f"`{place}`: missing")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            value = f" = {_short(problem['input'])}" if keys else ""
            problems.append(f"`{place}`{value}: {message}")
        places.append(place)
    return list(zip(places, problems, strict=True))


def _in_file(location: tuple[int | str, ...], tree: Any) -> tuple[int | str, ...]:
    """The steps of a fault's location that stand in the file: pydantic adds the `kind` chosen."""
    steps: list[int | str] = []
    for step in location:
        in_list = isinstance(tree, list) and isinstance(step, int) and step < len(tree)
        if in_list or (isinstance(tree, dict) and step in tree):
            tree = tree[step]
            steps.append(step)
    return tuple(steps)


def advice(place: Sequence[str | int], moved: Mapping[str, str]) -> str | None:
    """What to say of a key that is not known: where it went; None where the table has no line.

    Args:
        place: the steps to the key; an index into a list is a whole number.
        moved: dotted key of old to the new one, or to advice, which has a space in it; `*` stands
            for any index of a list.
    """
    key = ".".join("*" if isinstance(step, int) else step for step in place)
    if key not in moved:
        return None
    return moved[key] if " " in moved[key] else f"renamed, write `{moved[key]}`"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _known_keys(location: tuple[int | str, ...], root: type[BaseModel]) -> list[str]:
    """Keys of the section at `location`, by walking the models."""
    models: list[type[BaseModel]] = [root]
    is_name = False
    for step in location:
        if is_name:  # a key that the reader chose, such as the name of a variant
            is_name = False
            continue
        if isinstance(step, int) or any(step == _tag(model) for model in models):
            models = [m for m in models if isinstance(step, int) or step == _tag(m)]
            continue
        fields = [
            field.annotation
            for model in models
            for name, field in model.model_fields.items()
            if (field.alias or name) == step
        ]
        models = [model for annotation in fields for model in models_in(annotation)]
        is_name = any(typing.get_origin(annotation) is dict for annotation in fields)
    return [f.alias or n for model in models for n, f in model.model_fields.items()]


def _tag(model: type[BaseModel]) -> str | None:
    kind = model.model_fields.get("kind")
    return typing.get_args(kind.annotation)[0] if kind else None


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The sections that a field of this type may hold."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [model for inner in typing.get_args(annotation) for model in models_in(inner)]
