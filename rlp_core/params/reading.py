"""Reads a parameter file, and explains what is wrong with it."""

from __future__ import annotations

import difflib
import types
import typing
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from rlp_core.errors import ConfigError, MissingInputError
from rlp_core.params.root import Params


def load(path: Path) -> Params:
    """Read and check a parameter file.

    Raises:
        MissingInputError: there is no such file.
        ConfigError: it is no YAML mapping, or a key, type or combination is wrong. The message
            names file, key, value, what is allowed, and the nearest known key.
    """
    if not path.is_file():
        raise MissingInputError(
            "no parameters here",
            where=str(path),
            fix="run `rlp profile use tiny`, which writes params.yaml",
        )
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"not a YAML file: {error}", where=str(path), fix="mend the line it names"
        ) from error
    if not isinstance(tree, dict):
        raise ConfigError(
            "no mapping of sections", where=str(path), fix="see profiles/tiny.yaml for the shape"
        )
    try:
        return Params.model_validate(tree)
    except ValidationError as error:
        raise _explain(error, path) from error


def _explain(error: ValidationError, path: Path) -> ConfigError:
    problems, places = [], []
    for problem in error.errors(include_url=False):
        keys = [str(key) for key in problem["loc"]]
        place = ".".join(keys) or "several sections"
        if problem["type"] == "extra_forbidden":
            known = _known_keys(problem["loc"][:-1])
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
    return ConfigError(
        "\n".join(["impossible parameters:", *(f"  - {text}" for text in problems)]),
        where=f"{path}, key {', '.join(places)}",
        fix="correct the keys named above; docs/reference/params.md lists all of them",
    )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    """Keys of the section at `location`, by walking the models."""
    models: list[type[BaseModel]] = [Params]
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
