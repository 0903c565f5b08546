"""SQLite stores: made whole or not at all, opened by one at a time, and moved with their folder."""

from __future__ import annotations

import contextlib
import fcntl
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from rlp_core.files import replacing_file
from rlp_core.tracking.address import private_database, sqlite_file, sqlite_uri
from rlp_core.workspace import Workspace

_ARTIFACTS = "/.rlp/mlartifacts"  # the end of every location in a private store
_LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def artifact_root(database: Path) -> Path:
    """Where artifacts of a SQLite store's runs go: beside the file."""
    return database.parent / "mlartifacts"


@contextlib.contextmanager
def one_at_a_time(uri: str) -> Iterator[None]:
    """Serialise the opening of a SQLite store: MLflow corrupts a database made by two at once."""
    database = sqlite_file(uri)
    if database is None:
        yield
        return
    path = database.with_suffix(".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def make_database(path: Path) -> None:
    """Make the tables in a file aside and rename it.

    MLflow makes them in dozens of migrations. A kill inside one of them would leave a database
    that no later attempt can open: seen with MLflow 3.17, "table _alembic_tmp_... already exists".
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    for left in path.parent.glob(f".{path.name}.*"):
        left.unlink()  # of a killed process: this one holds the lock
    with replacing_file(path) as temporary:
        made = SqlAlchemyStore(  # type: ignore[no-untyped-call]
            sqlite_uri(temporary.absolute()), artifact_root(path).as_uri()
        )
        made.engine.dispose()


def follow_move(workspace: Workspace) -> bool:
    """Make the private store name its artifacts where the checkout is now.

    MLflow keeps absolute locations. In the private store all of them lie in this workspace's
    `.rlp/mlartifacts`, whatever the folder above was called when they were written.

    Returns:
        Whether anything had to be changed.
    """
    database = private_database(workspace)
    if not (database.is_file() and database.stat().st_size):
        return False
    here = artifact_root(database).as_uri()

    def now(location: str | None) -> str | None:
        before, found, rest = (location or "").rpartition(_ARTIFACTS)
        if not found or not before.startswith("file:") or rest[:1] not in ("", "/"):
            return location
        return here + rest

    with contextlib.closing(sqlite3.connect(database, timeout=20.0)) as connection:
        stored = connection.execute("SELECT artifact_location FROM experiments").fetchall()
        if all(now(location) == location for (location,) in stored):
            return False
        connection.create_function("now_at", 1, now, deterministic=True)
        with connection:  # all of them or none
            for table, column in _LOCATIONS:
                connection.execute(f"UPDATE {table} SET {column} = now_at({column})")
    return True
