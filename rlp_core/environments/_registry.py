"""Finds worlds: the files of this package, and what installed packages register.

A package of one's own registers a class in its pyproject.toml:

    [project.entry-points."rlp.environments"]
    my_world = "my_package.my_world:MyWorld"
"""

from __future__ import annotations

import functools
import inspect
from types import ModuleType
from typing import Any

from rlp_core.environments._world import Environment, ExpertSettings, TextWorld, World
from rlp_core.errors import PluginError
from rlp_core.extras import Extra
from rlp_core.registry import Registry
from rlp_core.section import Section

RESERVED = ("kind", "world", "count")
"""Keys of a source, beside which the world's own settings stand."""

_REGISTRY = Registry(
    package="rlp_core.environments",
    group="rlp.environments",
    noun="world",
    guide="docs/guides/add-a-world.md",
    renamed={"people": "occupations"},
)

built_in = _REGISTRY.built_in
names = _REGISTRY.names


@functools.cache  # it is asked for row by row, and reads every installed package's metadata
def get(name: str) -> World[Any, Any]:
    """The world of a name; its file is imported at the first call.

    Raises:
        ConfigError: there is none; the message names the nearest.
        PluginError: its file does not import, or does not keep the protocol.
        UnavailableError: a package that it needs is not installed; the message names the extra.
    """
    kind = class_of(name)
    if kind.needs is not None:
        kind.needs.require(f"the world `{name}`", where=_REGISTRY.where(name))
    return kind(name)


@functools.cache
def class_of(name: str) -> type[World[Any, Any]]:
    """The class of a world: what it is and its settings, also where its package is not installed.

    Raises:
        ConfigError, PluginError: as `get`.
    """
    found = _REGISTRY.load(name)
    kind = _only_world(found, name) if isinstance(found, ModuleType) else found
    _keeps_protocol(kind, name)
    world: type[World[Any, Any]] = kind
    return world


def available() -> list[str]:
    """The built-in worlds whose packages are installed, by name; their files are imported."""
    needs = {name: class_of(name).needs for name in built_in()}
    return [name for name, extra in needs.items() if extra is None or extra.installed]


def with_experts() -> list[str]:
    """Those of `available` that have an expert."""
    return [name for name in available() if issubclass(class_of(name), Environment)]


def _only_world(module: ModuleType, name: str) -> type:
    """The one class of a file that is a world."""
    found = [
        kind
        for kind in vars(module).values()
        if inspect.isclass(kind) and issubclass(kind, World) and kind.__module__ == module.__name__
    ]
    if len(found) != 1:
        several = ", ".join(kind.__name__ for kind in found) or "none"
        raise _REGISTRY.fault(
            name,
            "must be one class that derives from Environment or TextWorld; the file has "
            f"{len(found)}: {several}",
        )
    return found[0]


def _keeps_protocol(kind: Any, name: str) -> None:
    """Raise where a class lacks a member, or its settings cannot stand in params.yaml."""

    def fault(what: str) -> PluginError:
        return _REGISTRY.fault(name, what)

    if not inspect.isclass(kind) or not issubclass(kind, Environment | TextWorld):
        raise fault(f"is {kind!r}, no class that derives from Environment or TextWorld")
    lacking = sorted(getattr(kind, "__abstractmethods__", ()))
    settings = getattr(kind, "settings", None)
    if settings is None:
        lacking.append("settings")
    if lacking:
        raise fault(f"lacks {', '.join(f'`{member}`' for member in lacking)}")
    base = ExpertSettings if issubclass(kind, Environment) else Section
    if not inspect.isclass(settings) or not issubclass(settings, base):
        raise fault(f"has `settings` that are no class that derives from {base.__name__}")
    if not isinstance(kind.needs, Extra | None):
        raise fault("has `needs` that is no Extra")
    for key, field in settings.model_fields.items():
        if key in RESERVED:
            raise fault(f"has a setting `{key}`, a name that every source has already")
        if not field.description:
            raise fault(f"has a setting `{key}` without a description")
