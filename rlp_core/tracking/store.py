"""Where runs are kept, and what happens when it cannot be reached.

Tracking is never worth a run: when the store is away, one line says so and the work goes on; the
measurements are in `reports/` all the same. So every call goes through `Store.call`, with short
time limits, and the first failure ends tracking for this process.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from rlp_core.errors import RlpError
from rlp_core.files import replacing_file
from rlp_core.params import Params
from rlp_core.workspace import Workspace

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

Result = TypeVar("Result")

_PROBE_SECONDS = 2.0
_SETTINGS = {
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # it would print the URL's password too
    # MLflow's own limits would try for minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}


def tracking_uri(workspace: Workspace) -> str:
    """`MLFLOW_TRACKING_URI`, or the SQLite file of the workspace, by its absolute path."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{_database(workspace)}"


def masked(text: str) -> str:
    """The text with every user and password in a URL hidden."""
    return re.sub(r"(?<=://)[^/@\s]+@", "***@", text)


class Store:
    """An open MLflow store: the client, the experiment, and whether it still answers.

    Attributes:
        uri: address with credentials, for MLflow alone.
        address: address that may be shown.
        experiment_id: the experiment of this workspace; empty when the store is away.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.address = masked(uri)
        self.experiment_id = ""
        self._client: MlflowClient | None = None

    @property
    def open(self) -> bool:
        """Whether calls still reach the store."""
        return self._client is not None

    def call(self, work: Callable[[MlflowClient], Result]) -> Result | None:
        """Do one piece of work; None, and one warning, when the store fails. None once closed."""
        if self._client is None:
            return None
        try:
            with _faults():
                return work(self._client)
        except _AwayError as error:
            self.give_up(str(error))
            return None

    def give_up(self, reason: str) -> None:
        """Say why, once, and make every later call do nothing."""
        self._client = None
        line = " ".join(masked(reason).split())
        print(
            f"warning: MLflow at {self.address} is away ({line[:300]}); "
            "the work goes on, its metrics are in reports/",
            file=sys.stderr,
            flush=True,
        )


def connect(workspace: Workspace, params: Params) -> Store | None:
    """Open the store and its experiment; None when `runtime.tracking` is off.

    A store that does not answer comes back closed, with a warning on standard error.
    """
    if not params.runtime.tracking:
        return None
    store = Store(tracking_uri(workspace))
    reason = _unreachable(store.uri)
    if reason is not None:
        store.give_up(reason)
        return store
    try:
        with _faults(), _one_at_a_time(store.uri):
            store._client, store.experiment_id = _open(store.uri, workspace, params)
    except _AwayError as error:
        store.give_up(str(error))
    return store


def _open(uri: str, workspace: Workspace, params: Params) -> tuple[MlflowClient, str]:
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    logging.getLogger("alembic").setLevel(logging.WARNING)

    from mlflow.tracking import MlflowClient

    # MLflow sets its level on import. Its warnings repeat what `give_up` says, at more length.
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    database = _sqlite_file(uri)
    if database is not None and not (database.is_file() and database.stat().st_size):
        _make_database(database)
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    return client, _experiment(client, uri, workspace, params.runtime.experiment)


def _make_database(path: Path) -> None:
    """Make the tables in a file aside and rename it.

    MLflow makes them in dozens of migrations. A kill inside one of them would leave a database
    that no later attempt can open: seen with MLflow 3.17, "table _alembic_tmp_... already exists".
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    for left in path.parent.glob(f".{path.name}.*"):
        left.unlink()  # of a killed process: this one holds the lock
    with replacing_file(path) as temporary:
        artifacts = (path.absolute().parent / "mlartifacts").as_uri()
        made = SqlAlchemyStore(  # type: ignore[no-untyped-call]
            f"sqlite:///{temporary.absolute()}", artifacts
        )
        made.engine.dispose()


def _experiment(client: MlflowClient, uri: str, workspace: Workspace, name: str) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        location = None
        if uri == f"sqlite:///{_database(workspace)}":
            location = (_database(workspace).parent / "mlartifacts").as_uri()
        try:
            return str(client.create_experiment(name, artifact_location=location))
        except MlflowException:
            found = client.get_experiment_by_name(name)  # another process made it meanwhile
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def _database(workspace: Workspace) -> Path:
    return workspace.private.absolute() / "mlflow.db"


def _sqlite_file(uri: str) -> Path | None:
    """The file of a SQLite store; None for other stores and for one in memory."""
    name = urlsplit(uri).path.removeprefix("/")
    return Path(name) if uri.startswith("sqlite") and name else None


def _unreachable(uri: str) -> str | None:
    """Why a server cannot be reached; asked before the slow import of MLflow."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https"):
        return None
    if os.environ.get(f"{parts.scheme}_proxy") or os.environ.get(f"{parts.scheme.upper()}_PROXY"):
        return None  # the proxy may know names that this machine does not
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=_PROBE_SECONDS).close()
    except OSError as error:
        return error.strerror or str(error)
    return None


@contextlib.contextmanager
def _one_at_a_time(uri: str) -> Iterator[None]:
    """Serialise the opening of a SQLite store: MLflow corrupts a database made by two at once."""
    database = _sqlite_file(uri)
    if database is None:
        yield
        return
    path = database.with_suffix(".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


class _AwayError(Exception):
    """The store failed; never leaves this file."""


@contextlib.contextmanager
def _faults() -> Iterator[None]:
    """Turn what MLflow and its transports raise into `_AwayError`.

    A signal that arrives inside MLflow may come out wrapped in its exception: it is taken out
    again, so that Ctrl-C and SIGTERM are never mistaken for a server that is away.
    """
    import sqlite3

    before = sys.exception()
    try:
        yield
    except Exception as error:
        inner: BaseException | None = error
        while inner is not None and inner is not before:
            if isinstance(inner, RlpError | KeyboardInterrupt):
                raise inner from None
            inner = inner.__cause__ or inner.__context__
        module = type(error).__module__.partition(".")[0]
        if module in ("mlflow", "sqlalchemy", "requests", "urllib3", "alembic") or isinstance(
            error, OSError | sqlite3.Error
        ):
            raise _AwayError(f"{type(error).__name__}: {error}") from error
        raise
