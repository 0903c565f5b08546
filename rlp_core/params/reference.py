"""docs/reference/params.md, made from the models: `python -m rlp_core.params.reference`.

The descriptions live in the models alone, beside the types that check them: each room declares the
settings of its code, and each world what is its own.
"""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from rlp_core import environments
from rlp_core.data.procedural_config import Procedural
from rlp_core.files import write_text
from rlp_core.params import Params
from rlp_core.yaml_file import models_in

PAGE = Path("docs/reference/params.md")

_HEAD = """# Parameters

Every key of `params.yaml`. This page is made from the models by `make params-reference`;
a test fails where it lags behind. An unknown key, a wrong type or an impossible combination is an
error before any work starts. A section named like a stage changes that stage's result, and changing
it runs that stage and what follows again; `runtime` changes no result and runs nothing again.
"""


def page() -> str:
    """The whole page, as Markdown."""
    parts = [_HEAD]
    for title, model, note in _sections():
        parts.append(f"## {title}\n\n{note}\n")
        rows = "".join(_row(name, field) for name, field in _fields(model))
        table = f"| key | type | default | meaning |\n|---|---|---|---|\n{rows}"
        parts.append(table if rows else "It has no keys of its own.\n")
    return "\n".join(parts)


def main() -> None:
    """Write the page below the current folder."""
    write_text(PAGE, page())


def _sections() -> Iterator[tuple[str, type[BaseModel], str]]:
    """Every section once, outermost first: its title with all the keys that hold one, and doc."""
    yield "Top level", Params, "One section per stage, and these."
    holders: dict[type[BaseModel], list[str]] = {}
    waiting = _fields(Params)
    while waiting:
        name, field = waiting.pop(0)
        for model in models_in(field.annotation):
            waiting += [(f"{name}.{key}", inner) for key, inner in _fields(model)]
            if name not in holders.setdefault(model, []):
                holders[model].append(name)
    for model, names in holders.items():
        kind = model.model_fields.get("kind")
        of_kind = f" of kind {typing.get_args(kind.annotation)[0]}" if kind else ""
        places = ", ".join(f"`{name}`" for name in names)
        yield f"{model.__name__}: {places}{of_kind}", model, inspect.getdoc(model) or ""
        if model is Procedural:
            for world in environments.built_in():
                title = f"World `{world}`: beside `world: {world}`"
                yield title, environments.class_of(world).settings, environments.summary(world)


def _fields(model: type[BaseModel]) -> list[tuple[str, FieldInfo]]:
    return [(field.alias or name, field) for name, field in model.model_fields.items()]


def _row(name: str, field: FieldInfo) -> str:
    if field.is_required():
        default = "required"
    elif field.default_factory is not None:
        default = "its own defaults"
    else:
        default = f"`{field.get_default()!r}`"
    kind = ", ".join([_type(field.annotation), *_limits(field.metadata)])
    meaning = field.description or "; ".join(
        (model.__doc__ or "").strip().partition("\n")[0] for model in models_in(field.annotation)
    )
    return f"| `{name}` | {_cell(kind)} | {_cell(default)} | {_cell(meaning)} |\n"


def _type(annotation: Any) -> str:
    if typing.get_origin(annotation) is typing.Annotated:
        inner, *metadata = typing.get_args(annotation)
        limits = [text for item in metadata for text in _limits(_metadata(item))]
        return ", ".join([_type(inner), *limits])
    if typing.get_origin(annotation) is Literal:
        return " or ".join(f"`{value}`" for value in typing.get_args(annotation))
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return " or ".join(_type(inner) for inner in typing.get_args(annotation))
    if typing.get_origin(annotation) is tuple:
        inner = typing.get_args(annotation)
        if inner[-1] is Ellipsis:
            return f"list of {_type(inner[0])}"
        return f"{len(inner)} of {_type(inner[0])}"
    if annotation is type(None):
        return "nothing"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"section {annotation.__name__}"
    names = {int: "whole number", float: "number", str: "text", bool: "true or false"}
    return names.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _metadata(item: Any) -> list[Any]:
    return item.metadata if isinstance(item, FieldInfo) else [item]


def _limits(metadata: list[Any]) -> list[str]:
    words = []
    for item in metadata:
        match item:
            case annotated_types.Ge(ge=limit):
                words.append(f"≥ {limit}")
            case annotated_types.Gt(gt=limit):
                words.append(f"> {limit}")
            case annotated_types.Le(le=limit):
                words.append(f"≤ {limit}")
            case annotated_types.Lt(lt=limit):
                words.append(f"< {limit}")
            case annotated_types.MinLen(min_length=1):
                words.append("not empty")
    return words


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")


if __name__ == "__main__":
    main()
