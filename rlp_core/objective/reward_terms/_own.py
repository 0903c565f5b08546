"""A function of a user's own as a reward term, by its import path: `my_rewards:brevity`.

The module lies in one folder, `rlp.reward_folder`, on which stage `rlp` depends: whoever changes a
function has the stage run again. What it imports from elsewhere is not seen.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from rlp_core.errors import ConfigError, MissingInputError, PluginError, did_you_mean
from rlp_core.objective.reward_terms._reward_term import RewardTerm
from rlp_core.registry import file_of

GUIDE = "docs/guides/add-a-reward-term.md"

_PATH = re.compile(r"(?P<module>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):(?P<function>[A-Za-z_]\w*)")


def is_own(name: str) -> bool:
    """Whether the name of a term is an import path, or was meant for one."""
    return ":" in name


def split(path: str) -> tuple[str, str]:
    """Module and function of an import path.

    Raises:
        ConfigError: it is none.
    """
    found = _PATH.fullmatch(path)
    if found is None:
        raise ConfigError(
            f"{path!r} is no import path",
            where="rlp.reward_terms",
            fix="write MODULE:FUNCTION, such as `my_rewards:brevity`",
        )
    return found["module"], found["function"]


def load(path: str, folder: Path) -> RewardTerm:
    """The term that an import path names.

    Args:
        path: `my_rewards:brevity`, or `rewards.short:brevity` for a module in a package.
        folder: that the module lies in.

    Raises:
        ConfigError: it is no import path, or the module has no such function.
        MissingInputError: the folder has no such module.
        PluginError: it does not import, is hidden by a module of the same name, or is no function
            of one thought.
    """
    module_name, name = split(path)
    file = _file_of(module_name, folder)
    module = _imported(module_name, file, folder)
    found = getattr(module, name, None)
    if found is None:
        functions = [key for key, value in vars(module).items() if callable(value)]
        raise ConfigError(
            f"no function is called {name!r}",
            where=str(file),
            fix=f"{did_you_mean(name, functions)}write `def {name}(thought): ...` there; {GUIDE}",
        )
    if isinstance(found, RewardTerm):
        return found
    if not _takes_one(found):
        raise PluginError(
            f"`{name}` is no function of one thought, but {_told(found)}",
            where=str(file),
            fix=f"write `def {name}(thought): ...`; {GUIDE}",
        )
    return RewardTerm(found, "its own")


def _file_of(module: str, folder: Path) -> Path:
    place = folder.joinpath(*module.split("."))
    for file in (place.with_name(f"{place.name}.py"), place / "__init__.py"):
        if file.is_file():
            return file
    known = sorted(path.stem for path in folder.glob("*.py"))
    raise MissingInputError(
        f"no module is called {module!r}: the file is not there",
        where=str(place.with_name(f"{place.name}.py")),
        fix=f"{did_you_mean(module, known)}write it there, or name its folder in "
        "`rlp.reward_folder`",
    )


def _imported(name: str, file: Path, folder: Path) -> ModuleType:
    """The module, which may import those beside it."""
    try:
        with _first_on_the_path(folder):
            module = importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"the reward terms of `{name}` cannot be imported: {type(error).__name__}: {error}",
            where=file_of(str(file), error),
            fix=f"mend the file; see {GUIDE}",
        ) from error
    other = getattr(module, "__file__", None)
    if other is None or Path(other).resolve() != file.resolve():
        raise PluginError(
            f"another module is called `{name}`, and is imported already",
            where=f"{file}, and {other or 'Python itself'}",
            fix="give the file another name",
        )
    return module


@contextlib.contextmanager
def _first_on_the_path(folder: Path) -> Iterator[None]:
    """Look for modules there first, and leave no compiled file in what the stage depends on."""
    place, written = str(folder.resolve()), sys.dont_write_bytecode
    sys.path.insert(0, place)
    sys.dont_write_bytecode = True
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.dont_write_bytecode = written
        sys.path.remove(place)


def _takes_one(found: Any) -> bool:
    try:
        inspect.signature(found).bind(object())
    except (TypeError, ValueError):
        return False
    return not inspect.isclass(found)


def _told(found: Any) -> str:
    try:
        return f"`{getattr(found, '__name__', type(found).__name__)}{inspect.signature(found)}`"
    except (TypeError, ValueError):
        return f"{found!r}"[:80]
