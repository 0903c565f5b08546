"""Where runs are kept, and what happens when it cannot be reached or does not take something.

Tracking is never worth a run: when the store is away, one line says so and the work goes on; the
measurements are in `reports/` all the same. So every call goes through `Store.call`, with short
time limits, and the first failure ends tracking for this process. What the store refuses is told
by name and counted, and the rest is logged.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import urllib.request
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote, urlsplit

from rlp_core.tracking.address import masked, private_database, shown, sqlite_file, tracking_uri
from rlp_core.tracking.faults import AwayError, RefusedError, faults
from rlp_core.tracking.naming import storable
from rlp_core.tracking.sqlite import artifact_root, follow_move, make_database, one_at_a_time
from rlp_core.workspace import Workspace

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from rlp_core.params import Params

Result = TypeVar("Result")

_PROBE_SECONDS = 2.0
_SETTINGS = {
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # it would print the URL's password too
    # MLflow's own limits would try for minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}


class Store:
    """An open MLflow store: the client, the experiment, and whether it still answers.

    Attributes:
        uri: address with credentials, for MLflow alone.
        address: address that may be shown.
        experiment_id: the experiment of this workspace; empty when the store is away.
        refused: how often each thing was refused, by what it was.
    """

    def __init__(self, uri: str, address: str | None = None) -> None:
        self.uri = uri
        self.address = masked(uri) if address is None else address
        self.experiment_id = ""
        self.refused: Counter[str] = Counter()
        self._client: MlflowClient | None = None

    @property
    def open(self) -> bool:
        """Whether calls still reach the store."""
        return self._client is not None

    def call(self, what: str, work: Callable[[MlflowClient], Result]) -> Result | None:
        """Do one piece of work.

        Args:
            what: what is lost if it is refused: `dataset rlp`.
            work: what to do with the client.

        Returns:
            None, with a warning, when the store fails or refuses; None once it is closed.
        """
        try:
            return self.attempt(work)
        except RefusedError as error:
            self.refuse(what, str(error))
            return None

    def attempt(self, work: Callable[[MlflowClient], Result]) -> Result | None:
        """As `call`, for those who can do something about a refusal.

        Raises:
            RefusedError: the store does not take it.
        """
        if self._client is None:
            return None
        try:
            with faults():
                return work(self._client)
        except AwayError as error:
            self.give_up(str(error))
            return None

    def give_up(self, reason: str) -> None:
        """Say why, once, and make every later call do nothing."""
        self._client = None
        self._warn(
            f"MLflow at {self.address} is away ({self._line(reason)}); "
            "the work goes on, its metrics are in reports/"
        )

    def refuse(self, what: str, reason: str, count: int = 1) -> None:
        """Count what was not taken; say it the first time."""
        if what not in self.refused:
            self._warn(
                f"MLflow at {self.address} refused {storable(what)} ({self._line(reason)}); "
                "it is not logged, the rest is"
            )
        self.refused[what] += count

    def tell_refused(self) -> None:
        """Say how many things were refused so far; nothing where none was."""
        if self.refused:
            names = ", ".join(storable(what) for what in sorted(self.refused))
            count = sum(self.refused.values())
            self._warn(f"MLflow at {self.address} refused {count} values in all: {names}")

    def _line(self, reason: str) -> str:
        """A reason that may be shown, on one line."""
        try:
            password = urlsplit(self.uri).password
        except ValueError:
            password = None  # a part in brackets that is no address: MLflow will say so
        for secret in (password, unquote(password)) if password else ():
            reason = reason.replace(secret, "***")
        return " ".join(storable(masked(reason)).split())[:300]

    def _warn(self, text: str) -> None:
        print(f"warning: {text}", file=sys.stderr, flush=True)


def connect(workspace: Workspace, params: Params) -> Store | None:
    """Open the store and the parameters' experiment; None when `runtime.tracking` is off."""
    if not params.runtime.tracking:
        return None
    return open_store(workspace, params.runtime.experiment)


def open_store(workspace: Workspace, experiment: str) -> Store:
    """Open the store and an experiment, which is made where it is not there.

    A store that does not answer, or gives no access to the experiment, comes back closed, with a
    warning on standard error.
    """
    uri = tracking_uri(workspace)
    store = Store(uri, shown(uri, workspace))
    reason = _unreachable(store.uri)
    if reason is not None:
        store.give_up(reason)
        return store
    try:
        with faults(), one_at_a_time(store.uri):
            store._client, store.experiment_id = _open(store.uri, workspace, experiment)
    except AwayError as error:
        store.give_up(str(error))
    except RefusedError as error:
        store._warn(
            f"MLflow at {store.address} refused the experiment {experiment!r} "
            f"({store._line(str(error))}); nothing is logged there, the metrics are in reports/"
        )
    return store


def _open(uri: str, workspace: Workspace, experiment: str) -> tuple[MlflowClient, str]:
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    logging.getLogger("alembic").setLevel(logging.WARNING)

    from mlflow.tracking import MlflowClient

    # MLflow sets its level on import. Its warnings repeat what `give_up` says, at more length.
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    database = sqlite_file(uri)
    if database is not None and not (database.is_file() and database.stat().st_size):
        make_database(database)
    if database == private_database(workspace):
        follow_move(workspace)
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    return client, _experiment(client, uri, experiment)


def _experiment(client: MlflowClient, uri: str, name: str) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        database = sqlite_file(uri)
        location = artifact_root(database).as_uri() if database is not None else None
        try:
            return str(client.create_experiment(name, artifact_location=location))
        except MlflowException:
            found = client.get_experiment_by_name(name)  # another process made it meanwhile
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def _unreachable(uri: str) -> str | None:
    """Why a server cannot be reached; asked before the slow import of MLflow."""
    if not uri.startswith(("http:", "https:")):
        return None
    try:
        parts = urlsplit(uri)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        return f"no address: {error}"
    host = parts.hostname or ""
    proxied = parts.scheme in urllib.request.getproxies()
    if proxied and not urllib.request.proxy_bypass(host):
        return None  # the proxy may know names that this machine does not
    try:
        socket.create_connection((host, port), timeout=_PROBE_SECONDS).close()
    except OSError as error:
        return error.strerror or str(error)
    return None
