"""A world as a person meets it: what it is, and a task of it with what its expert says."""

from __future__ import annotations

import inspect
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from rlp_core.environments._registry import class_of, get
from rlp_core.environments._world import Environment, Solution, TextWorld
from rlp_core.errors import UsageError
from rlp_core.section import Section
from rlp_core.yaml_file import faults_of


@dataclass(frozen=True)
class Shown:
    """A task of a world.

    Attributes:
        settings: that it was drawn with.
        texts: what training reads of it: the bare and the worked document, or all ways to write it.
        prompt: what is asked; None of a world that asks nothing.
        solution: the expert's; None likewise.
    """

    settings: Section
    texts: tuple[str, ...]
    prompt: str | None = None
    solution: Solution | None = None


def summary(name: str) -> str:
    """The first line of what a world says of itself."""
    return (inspect.getdoc(class_of(name)) or "").partition("\n")[0]


def shown(name: str, seed: int, given: Mapping[str, Any] | None = None) -> Shown:
    """The task of a seed.

    Args:
        name: of the world.
        seed: of the draw; equal seeds show equal tasks.
        given: settings that are not the world's defaults.

    Raises:
        UsageError: a setting that the world has not, or cannot have.
        ConfigError: no world is called so.
        UnavailableError: a package that it needs is not installed.
    """
    world = get(name)
    settings = _settings(name, world.settings, given or {})
    task = world.sample(random.Random(seed), settings)
    if isinstance(world, TextWorld):
        return Shown(settings, tuple(text.text for text in world.texts(task)))
    assert isinstance(world, Environment)  # the registry knows no third kind
    solution = world.expert(task)
    documents = (world.document(task, solution, worked=worked).text for worked in (False, True))
    return Shown(settings, tuple(documents), world.prompt(task), solution)


def _settings(name: str, model: type[Section], given: Mapping[str, Any]) -> Section:
    try:
        return model.model_validate(dict(given))
    except ValidationError as error:
        told = "; ".join(what for _, what in faults_of(error, dict(given), model, {}))
        raise UsageError(
            f"impossible settings of world `{name}`: {told}",
            where="--set",
            fix=f"known: {', '.join(model.model_fields)}; docs/reference/params.md lists what each "
            "may be",
        ) from error
