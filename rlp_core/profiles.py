"""Parameter sets by name: `profiles/NAME.yaml` becomes `params.yaml`."""

from __future__ import annotations

import itertools
from pathlib import Path

from rlp_core.errors import MissingInputError, UsageError, did_you_mean
from rlp_core.files import replacing_file, write_text
from rlp_core.params import load
from rlp_core.workspace import Workspace


def names(root: Path) -> list[str]:
    """The profiles of a checkout, in order of name.

    Raises:
        MissingInputError: there are none.
    """
    found = sorted(path.stem for path in (root / "profiles").glob("*.yaml"))
    if not found:
        raise MissingInputError(
            "no profiles here",
            where=str(root / "profiles"),
            fix="run in a checkout of the project, or name one with --root",
        )
    return found


def summary(root: Path, name: str) -> str:
    """The first line of comment of a profile."""
    first = text(root, name).partition("\n")[0]
    return first.removeprefix("#").strip() if first.startswith("#") else ""


def current(root: Path) -> str | None:
    """The profile that `params.yaml` equals byte for byte, or None."""
    file = Workspace(root).params
    if not file.is_file():
        return None
    now = file.read_bytes()
    return next((name for name in names(root) if path(root, name).read_bytes() == now), None)


def path(root: Path, name: str) -> Path:
    """The file of a profile.

    Raises:
        UsageError: no profile has this name.
    """
    if name not in names(root):
        hint = did_you_mean(name, names(root))
        raise UsageError(
            f"no profile is called {name!r}",
            where=str(root / "profiles"),
            fix=f"{hint}known: {', '.join(names(root))}",
        )
    return root / "profiles" / f"{name}.yaml"


def text(root: Path, name: str | None) -> str:
    """A profile as it is written; with None, `params.yaml`.

    Raises:
        UsageError: no profile has this name.
        MissingInputError: there is no such file.
    """
    file = path(root, name) if name is not None else Workspace(root).params
    if not file.is_file():
        raise MissingInputError(
            "no parameters here", where=str(file), fix="run `rlp profile use tiny`"
        )
    return file.read_text(encoding="utf-8")


def use(root: Path, name: str) -> Path | None:
    """Check a profile and write it as `params.yaml`.

    Returns:
        Where the former `params.yaml` is kept, if it was nobody's but the user's own: a file of
        its own each time, so that none is ever overwritten.

    Raises:
        UsageError: no profile has this name.
        ConfigError: the profile itself is wrong.
    """
    wanted = text(root, name)
    load(path(root, name))
    workspace = Workspace(root)
    kept = None
    if workspace.params.is_file() and current(root) is None:
        kept = _keep(workspace)
    write_text(workspace.params, wanted)
    return kept


def _keep(workspace: Workspace) -> Path:
    """Copy `params.yaml`, byte for byte, to the first number that is free, or find it there."""
    content = workspace.params.read_bytes()
    for number in itertools.count(1):
        kept = workspace.private / f"params.previous.{number}.yaml"
        if not kept.exists():
            with replacing_file(kept) as temporary:
                temporary.write_bytes(content)
            return kept
        if kept.read_bytes() == content:
            return kept
    raise AssertionError("whole numbers do not end")
