"""Finds worlds: the files of this package, and what installed packages register.

A package of one's own registers a class in its pyproject.toml:

    [project.entry-points."rlp.environments"]
    my_world = "my_package.my_world:MyWorld"
"""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

from rlp_core.environments._world import Environment, ExpertSettings, TextWorld, World
from rlp_core.errors import ConfigError, PluginError, did_you_mean
from rlp_core.section import Section

GROUP = "rlp.environments"
"""Entry points that register a world."""

RESERVED = ("kind", "world", "count")
"""Keys of a source, beside which the world's own settings stand."""

RENAMED = {"people": "occupations"}
"""What a world was called once."""

_GUIDE = "see docs/guides/add-a-world.md"


def built_in() -> list[str]:
    """Names of the worlds of this package, in order of the alphabet."""
    package = importlib.import_module(__package__)
    found = [module.name for module in pkgutil.iter_modules(package.__path__)]
    return sorted(name for name in found if not name.startswith("_"))


def names() -> list[str]:
    """Names of all worlds, installed ones too, in order of the alphabet. Nothing is imported.

    Raises:
        PluginError: two worlds have one name.
    """
    return sorted({*built_in(), *_installed()})


@functools.cache  # it is asked for row by row, and reads every installed package's metadata
def get(name: str) -> World[Any, Any]:
    """The world of a name; its file is imported at the first call.

    Raises:
        ConfigError: there is none; the message names the nearest.
        PluginError: its file does not import, or does not keep the protocol.
    """
    known = names()
    if name not in known:
        renamed = RENAMED.get(name)
        hint = f"write `{renamed}`; " if renamed else did_you_mean(name, known)
        raise ConfigError(
            f"the world {name!r} is called `{renamed}` now"
            if renamed
            else f"no world is called {name!r}",
            where="rlp_core.environments",
            fix=f"{hint}known: {', '.join(known)}",
        )
    return _load(name)


def _load(name: str) -> World[Any, Any]:
    installed = _installed().get(name)
    where = installed.value if installed else f"{__package__}.{name}"
    try:
        found = installed.load() if installed else importlib.import_module(where)
    except Exception as error:
        raise PluginError(
            f"the world `{name}` cannot be imported: {type(error).__name__}: {error}",
            where=_file(where, error),
            fix=f"mend the file, or take it away; {_GUIDE}",
        ) from error
    kind = _only_world(found, name) if isinstance(found, ModuleType) else found
    _keeps_protocol(kind, name, where)
    world: World[Any, Any] = kind(name)
    return world


def _installed() -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    own = dict.fromkeys(built_in(), "rlp_core itself")
    for point in entry_points(group=GROUP):
        package = point.dist.name if point.dist else point.value
        other = own.setdefault(point.name, package)
        if other != package or point.name in found:
            raise PluginError(
                f"two worlds are called `{point.name}`: of {other} and of {package}",
                where=f"entry points {GROUP!r}",
                fix="rename one of them, or uninstall its package",
            )
        found[point.name] = point
    return found


def _only_world(module: ModuleType, name: str) -> type:
    """The one class of a file that is a world."""
    found = [
        kind
        for kind in vars(module).values()
        if inspect.isclass(kind) and issubclass(kind, World) and kind.__module__ == module.__name__
    ]
    if len(found) != 1:
        several = ", ".join(kind.__name__ for kind in found) or "none"
        raise PluginError(
            f"the world `{name}` must be one class that derives from Environment or TextWorld; "
            f"the file has {len(found)}: {several}",
            where=str(module.__file__),
            fix=f"leave one; {_GUIDE}",
        )
    return found[0]


def _keeps_protocol(kind: Any, name: str, where: str) -> None:
    """Raise where a class lacks a member, or its settings cannot stand in params.yaml."""

    def fault(what: str) -> PluginError:
        return PluginError(f"the world `{name}` {what}", where=where, fix=_GUIDE)

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
    for key, field in settings.model_fields.items():
        if key in RESERVED:
            raise fault(f"has a setting `{key}`, a name that every source has already")
        if not field.description:
            raise fault(f"has a setting `{key}` without a description")


def _file(where: str, error: BaseException) -> str:
    """The file at fault: the deepest one that the traceback names, with its line."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}"
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    if step is None or step.tb_frame.f_code.co_filename.startswith("<frozen"):
        return where
    return f"{where}: {step.tb_frame.f_code.co_filename}, line {step.tb_lineno}"
