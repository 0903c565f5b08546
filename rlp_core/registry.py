"""Finds what is added in one file: the files of a package, and what installed packages register.

Worlds, estimators and reward terms are found this way. A package of one's own registers a part in
its pyproject.toml, under the group of its kind:

    [project.entry-points."rlp.estimators"]
    my_estimator = "my_package.my_estimator:my_estimator"
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

from rlp_core.errors import ConfigError, PluginError, did_you_mean


@dataclass(frozen=True)
class Registry:
    """One kind of part.

    Attributes:
        package: its files are the built-in parts; one whose name begins with `_` is none.
        group: entry points that register a part.
        noun: what a part is called in messages.
        guide: the page that says how one is added.
        renamed: what a part was called once, to what it is called now.
    """

    package: str
    group: str
    noun: str
    guide: str
    renamed: Mapping[str, str] = field(default_factory=dict)

    def built_in(self) -> list[str]:
        """Names of the package's own parts, in order of the alphabet."""
        package = importlib.import_module(self.package)
        found = [module.name for module in pkgutil.iter_modules(package.__path__)]
        return sorted(name for name in found if not name.startswith("_"))

    def names(self) -> list[str]:
        """Names of all parts, installed ones too, in order of the alphabet. Nothing is imported.

        Raises:
            PluginError: two parts have one name.
        """
        return sorted({*self.built_in(), *self._installed()})

    def require(self, name: str) -> None:
        """Raise ConfigError unless a part has this name; the message names the nearest."""
        known = self.names()
        if name in known:
            return
        now = self.renamed.get(name)
        raise ConfigError(
            f"the {self.noun} {name!r} is called `{now}` now"
            if now
            else f"no {self.noun} is called {name!r}",
            where=self.package,
            fix=f"{f'write `{now}`; ' if now else did_you_mean(name, known)}"
            f"known: {', '.join(known)}",
        )

    def where(self, name: str) -> str:
        """The module, or the module and object, that a part is."""
        installed = self._installed().get(name)
        return installed.value if installed else f"{self.package}.{name}"

    def load(self, name: str) -> ModuleType | Any:
        """Import a part: the module of a built-in one, or what its entry point names.

        Raises:
            ConfigError: there is none of this name.
            PluginError: it does not import; the message names the file and line at fault.
        """
        self.require(name)
        installed = self._installed().get(name)
        try:
            return installed.load() if installed else importlib.import_module(self.where(name))
        except Exception as error:
            raise PluginError(
                f"the {self.noun} `{name}` cannot be imported: {type(error).__name__}: {error}",
                where=file_of(self.where(name), error),
                fix=f"mend the file, or take it away; see {self.guide}",
            ) from error

    def fault(self, name: str, what: str) -> PluginError:
        """The error of a part that does not keep its protocol."""
        return PluginError(
            f"the {self.noun} `{name}` {what}", where=self.where(name), fix=f"see {self.guide}"
        )

    def declared(self, name: str, kind: type) -> Any:
        """The one `kind` that a part's file declares, or that its entry point names.

        `kind` is what a decorator makes of a `function`; one that a file imports is not its own.

        Raises:
            ConfigError, PluginError: as `load`; or the file has none, or several.
        """
        found = self.load(name)
        if isinstance(found, kind):
            return found
        if not isinstance(found, ModuleType):
            raise self.fault(name, f"is {found!r}, no {kind.__name__}")
        own = [
            value
            for value in vars(found).values()
            if isinstance(value, kind) and value.function.__module__ == found.__name__  # type: ignore[attr-defined]
        ]
        if len(own) != 1:
            raise self.fault(name, f"must declare one {kind.__name__}; its file has {len(own)}")
        return own[0]

    def _installed(self) -> dict[str, EntryPoint]:
        found: dict[str, EntryPoint] = {}
        own = dict.fromkeys(self.built_in(), "rlp_core itself")
        for point in entry_points(group=self.group):
            package = point.dist.name if point.dist else point.value
            other = own.setdefault(point.name, package)
            if other != package or point.name in found:
                raise PluginError(
                    f"two {self.noun}s are called `{point.name}`: of {other} and of {package}",
                    where=f"entry points {self.group!r}",
                    fix="rename one of them, or uninstall its package",
                )
            found[point.name] = point
        return found


def file_of(where: str, error: BaseException) -> str:
    """The file at fault: the deepest one that the traceback names, with its line.

    Args:
        where: what was imported, said where no file is named.
        error: that ended the import.
    """
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}"
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    if step is None or step.tb_frame.f_code.co_filename.startswith("<frozen"):
        return where
    return f"{where}: {step.tb_frame.f_code.co_filename}, line {step.tb_lineno}"
