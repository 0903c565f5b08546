"""Reads a parameter file, and explains what is wrong with it."""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from rlp_core.errors import ConfigError, MissingInputError
from rlp_core.params.moved import MOVED, advice
from rlp_core.params.root import Params

LARGEST = 2**63 - 1
"""What a seed, a count or a size may be: the largest whole number that every library holds."""


def load(path: Path, moved: Mapping[str, str] = MOVED) -> Params:
    """Read and check a parameter file, as YAML 1.2, which is what DVC takes it for.

    Args:
        path: the file.
        moved: keys of older files, and what to write instead.

    Raises:
        MissingInputError: there is no such file.
        ConfigError: it is no YAML mapping, a key stands twice, or a key, type or combination is
            wrong. The message names file, key, value, what is allowed, and the nearest known key.
    """
    tree = read_yaml(path)
    faults = list(_beyond_64_bits(tree))
    if faults:
        raise _impossible([text for _, text in faults], path, [place for place, _ in faults])
    try:
        return Params.model_validate(tree)
    except ValidationError as error:
        raise _explain(error, path, tree, moved) from error


def read_yaml(path: Path) -> dict[str, Any]:
    """The tree of a parameter file, unchecked.

    By DVC's own reader, so that both take every value for the same: `1e-4` is a number, `off` a
    text, `010` ten.

    Raises:
        MissingInputError: there is no such file.
        ConfigError: it is no YAML mapping, or a key stands twice.
    """
    if not path.is_file():
        raise MissingInputError(
            "no parameters here",
            where=str(path),
            fix="run `rlp profile use tiny`, which writes params.yaml",
        )
    from ruamel.yaml import YAML
    from ruamel.yaml.constructor import DuplicateKeyError
    from ruamel.yaml.error import YAMLError

    try:
        tree = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except DuplicateKeyError as error:
        raise _twice(error, path) from error
    except (YAMLError, ValueError, RecursionError, TypeError) as error:
        raise ConfigError(
            f"not a YAML file: {error}", where=str(path), fix="mend the line it names"
        ) from error
    except OSError as error:
        raise MissingInputError(
            f"cannot read: {error.strerror}", where=str(path), fix="see that you may read it"
        ) from error
    if not isinstance(tree, dict):
        raise ConfigError(
            "no mapping of sections", where=str(path), fix="see profiles/tiny.yaml for the shape"
        )
    return tree


def _twice(error: Any, path: Path) -> ConfigError:
    """The fault of a key that stands twice; `error` is ruamel's, which knows the second place."""
    found = re.search(r'duplicate key "(.*)" with value', error.problem, re.DOTALL)
    key = found[1] if found else "?"
    first = _first_line(path, key, error.context_mark.line, error.problem_mark.line)
    return ConfigError(
        f"the key `{key}` stands twice in one section, and only one value can count",
        where=f"{path}, lines {first} and {error.problem_mark.line + 1}",
        fix="take one of the two out",
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


def _beyond_64_bits(tree: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Every whole number that the libraries below cannot hold: its key, and what to say."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from _beyond_64_bits(value, f"{place}.{key}" if place else str(key))
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from _beyond_64_bits(value, f"{place}.{index}")
    elif isinstance(tree, int) and abs(tree) > LARGEST:
        yield place, f"`{place}`: a whole number of {tree.bit_length()} bits; {LARGEST} at most"


def _explain(
    error: ValidationError, path: Path, tree: dict[str, Any], moved: Mapping[str, str]
) -> ConfigError:
    faults = faults_of(error, tree, Params, moved)
    return _impossible([text for _, text in faults], path, [place for place, _ in faults])


def faults_of(
    error: ValidationError, tree: dict[str, Any], root: type[BaseModel], moved: Mapping[str, str]
) -> list[tuple[str, str]]:
    """Every fault of a file: the key, and what to say.

    Args:
        error: of `root.model_validate(tree)`.
        tree: what the file holds.
        root: what it should hold.
        moved: as for `load`.
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


def _impossible(problems: list[str], path: Path, places: list[str]) -> ConfigError:
    return ConfigError(
        "\n".join(["impossible parameters:", *(f"  - {text}" for text in problems)]),
        where=f"{path}, key {', '.join(places)}",
        fix="correct the keys named above; docs/reference/params.md lists all of them",
    )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _known_keys(location: tuple[int | str, ...], root: type[BaseModel]) -> list[str]:
    """Keys of the section at `location`, by walking the models."""
    models: list[type[BaseModel]] = [root]
    for step in location:
        if isinstance(step, int) or any(step == _tag(model) for model in models):
            models = [m for m in models if isinstance(step, int) or step == _tag(m)]
            continue
        fields = [
            field.annotation
            for model in models
            for name, field in model.model_fields.items()
            if (field.alias or name) == step
        ]
        models = [model for annotation in fields for model in _models_in(annotation)]
    return [f.alias or n for model in models for n, f in model.model_fields.items()]


def _tag(model: type[BaseModel]) -> str | None:
    kind = model.model_fields.get("kind")
    return typing.get_args(kind.annotation)[0] if kind else None


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [m for inner in typing.get_args(annotation) for m in _models_in(inner)]
