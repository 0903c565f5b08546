"""The address of the store: which one it is, what of it may be shown, where its file lies."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import quote, unquote

from rlp_core.workspace import Workspace

_HAS_SCHEME = re.compile(r"[A-Za-z][\w+.\-]*:")
_NO_PATHS = ("databricks", "databricks-uc", "uc")  # of MLflow: words that stand for an address
_USER = re.compile(r"(?<=://)[^/\s]\S*@")
_SECRET = re.compile(r"(?i)([?&][\w.\-]*(?:password|passwd|pwd|token|secret|key)[\w.\-]*=)[^&\s]+")


def tracking_uri(workspace: Workspace) -> str:
    """`MLFLOW_TRACKING_URI`, or the SQLite file of the workspace.

    A relative path means one from the checkout's root, whichever folder a process stands in.
    """
    named = os.environ.get("MLFLOW_TRACKING_URI")
    if not named:
        return sqlite_uri(private_database(workspace))
    database = sqlite_file(named)
    if database is not None and not database.is_absolute():
        rest = named.partition("?")[1] + named.partition("?")[2]
        scheme = named.partition(":")[0]
        return sqlite_uri(workspace.root.resolve() / database, scheme) + rest
    if not _HAS_SCHEME.match(named) and named not in _NO_PATHS:
        return (workspace.root.resolve() / named).as_uri()
    if named.startswith("file:") and not named.startswith("file:/"):
        return (workspace.root.resolve() / unquote(named.removeprefix("file:"))).as_uri()
    return named


def private_database(workspace: Workspace) -> Path:
    """The workspace's own SQLite file; links are followed, so that it has one name."""
    return workspace.private.resolve() / "mlflow.db"


def sqlite_uri(path: Path, scheme: str = "sqlite") -> str:
    """The address of a SQLite file; `?` and `%` in folders' names are escaped."""
    return f"{scheme}:///{quote(str(path))}"


def sqlite_file(uri: str) -> Path | None:
    """The file of a SQLite store; None for other stores and for one in memory."""
    scheme, _, rest = uri.partition("://")
    name = unquote(rest.partition("?")[0].removeprefix("/"))
    if scheme.partition("+")[0] != "sqlite" or name in ("", ":memory:"):
        return None
    return Path(name)


def shown(uri: str, workspace: Workspace) -> str:
    """An address for messages and records: no credentials, a file of the checkout from its root.

    The record of a run is then the same after the checkout was moved.
    """
    database, root = sqlite_file(uri), workspace.root.resolve()
    if database is not None and database.is_relative_to(root):
        return f"sqlite:///{database.relative_to(root).as_posix()}"
    return masked(uri)


def masked(text: str) -> str:
    """The text with users, passwords and tokens in addresses hidden.

    A password may hold `/` or `@`, so all up to the last `@` of the word is hidden.
    """
    return _SECRET.sub(r"\1***", _USER.sub("***@", text))
