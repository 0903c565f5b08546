"""A registry that a person asks: what is missing or away is an error here, and no warning.

A stage goes on without its store; `rlp rollback`, `rlp lineage` and `rlp reproduce` are nothing
without one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rlp_core.errors import (
    ConfigError,
    MissingInputError,
    UnavailableError,
    UsageError,
    did_you_mean,
)
from rlp_core.tracking.address import shown, sqlite_file, tracking_uri
from rlp_core.tracking.faults import RefusedError
from rlp_core.tracking.store import Store, connect
from rlp_core.workspace import Workspace

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

    from rlp_core.params import Params

Answer = TypeVar("Answer")

_NAMED = re.compile(r"(?P<name>[^@/]+)(?:@(?P<alias>[^@/]+)|/(?P<version>[0-9]+))?")
_PREFIX = "models:/"  # as MLflow writes it


@dataclass(frozen=True)
class AskedVersion:
    """A version of a registered model.

    Attributes:
        name: of the model.
        number: of the version.
        aliases: by which it is known.
        run_id: the run of stage `promote` that registered it.
        tags: its own.
    """

    name: str
    number: str
    aliases: tuple[str, ...]
    run_id: str
    tags: Mapping[str, str]

    def __str__(self) -> str:
        known = f" ({', '.join(self.aliases)})" if self.aliases else ""
        return f"{self.name} version {self.number}{known}"


class AskedRegistry:
    """An open store that is asked on a person's behalf.

    Attributes:
        store: the open store.
        address: where it is, to be shown.
    """

    def __init__(self, workspace: Workspace, params: Params) -> None:
        """Open the store of a workspace.

        Raises:
            ConfigError: `runtime.tracking` is off.
            MissingInputError: there is no database yet; none is made.
            UnavailableError: the store does not answer.
        """
        uri = tracking_uri(workspace)
        self.address = shown(uri, workspace)
        database = sqlite_file(uri)
        if database is not None and not database.is_file():
            raise MissingInputError(
                "nothing was tracked here yet: there is no such database",
                where=self.address,
                fix="run `dvc repro` first; or name the store with MLFLOW_TRACKING_URI",
            )
        store = connect(workspace, params)
        if store is None:
            raise ConfigError(
                "the registry is MLflow's, and tracking is off",
                where="params.yaml, key runtime.tracking",
                fix="set it to true",
            )
        self.store: Store = store
        if not store.open:
            raise self._away()

    def ask(self, what: str, work: Callable[[MlflowClient], Answer]) -> Answer:
        """Do one piece of work.

        Args:
            what: what is asked for, for the message where it is refused.
            work: what to do with the client; returns no None.

        Raises:
            UnavailableError: the store failed, or refused it.
        """
        try:
            found = self.store.attempt(work)
        except RefusedError as error:
            raise UnavailableError(
                f"MLflow refused {what}: {error}",
                where=self.address,
                fix="ask whoever runs the server for the right to do this",
            ) from error
        if found is None:
            raise self._away()
        return found

    def version(self, asked: str) -> AskedVersion:
        """The version that a person named.

        Args:
            asked: `NAME@ALIAS`, `NAME/VERSION`, or `NAME` alone for its champion; `models:/` may
                stand before it.

        Raises:
            UsageError: it is not named so.
            MissingInputError: there is no such model, alias or version.
        """
        match = _NAMED.fullmatch(asked.removeprefix(_PREFIX))
        if match is None:
            raise UsageError(
                f"{asked!r} names no registered model",
                where="MODEL",
                fix="write NAME@ALIAS, such as rlp-policy@champion, or NAME/VERSION",
            )
        name = match["name"]
        aliases = self.aliases(name)
        number = match["version"]
        if number is None:
            alias = match["alias"] or "champion"
            if alias not in aliases:
                told = ", ".join(f"{a} (version {n})" for a, n in sorted(aliases.items())) or "none"
                raise MissingInputError(
                    f"the model {name!r} has no alias {alias!r}",
                    where=self.address,
                    fix=f"{did_you_mean(alias, aliases)}aliases: {told}; or write {name}/VERSION",
                )
            number = aliases[alias]
        rows = self.ask(
            f"version {number}", lambda client: client.search_model_versions(f"name = '{name}'")
        )
        found = next((row for row in rows if str(row.version) == str(int(number))), None)
        if found is None:
            known = ", ".join(sorted((str(row.version) for row in rows), key=int)) or "none"
            raise MissingInputError(
                f"the model {name!r} has no version {number}",
                where=self.address,
                fix=f"versions: {known}",
            )
        mine = tuple(sorted(alias for alias, of in aliases.items() if of == str(found.version)))
        return AskedVersion(name, str(found.version), mine, str(found.run_id or ""), found.tags)

    def aliases(self, name: str) -> dict[str, str]:
        """Version by alias of a registered model.

        Raises:
            MissingInputError: there is no such model.
        """
        models = self.ask("the registered models", lambda client: client.search_registered_models())
        found = next((model for model in models if model.name == name), None)
        if found is None:
            known = [model.name for model in models]
            raise MissingInputError(
                f"no model {name!r} is registered",
                where=self.address,
                fix=f"{did_you_mean(name, known)}registered: {', '.join(known) or 'none'}; stage "
                "`promote` registers the winner: `dvc repro`",
            )
        return {alias: str(number) for alias, number in found.aliases.items()}

    def run(self, run_id: str) -> Run | None:
        """A run by its id; None where this store has none."""
        from mlflow.exceptions import MlflowException

        def find(client: MlflowClient) -> list[Run]:
            try:
                return [client.get_run(run_id)]
            except MlflowException as error:
                if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                    return []
                raise

        found = self.ask(f"run {run_id}", find) if run_id else []
        return found[0] if found else None

    def runs(self, condition: str) -> list[Run]:
        """Runs of the experiment that fulfil a condition of MLflow's search, newest first."""
        return list(
            self.ask(
                "a search for runs",
                lambda client: client.search_runs(
                    [self.store.experiment_id],
                    condition,
                    order_by=["attributes.start_time DESC"],
                    max_results=50,
                ),
            )
        )

    def fetch(self, run_id: str, names: Sequence[str], folder: Path) -> list[str]:
        """Write files that a run kept into a folder; return the names of those it did not keep."""

        def work(client: MlflowClient) -> list[str]:
            held = {entry.path for entry in client.list_artifacts(run_id)}
            for name in names:
                if name in held:
                    client.download_artifacts(run_id, name, str(folder))
            return [name for name in names if name not in held]

        return self.ask(f"the files of run {run_id}", work)

    def _away(self) -> UnavailableError:
        return UnavailableError(
            "MLflow does not answer",
            where=self.address,
            fix="start it, or name another store with MLFLOW_TRACKING_URI",
        )
