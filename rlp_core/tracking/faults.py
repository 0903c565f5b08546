"""What goes wrong with MLflow, in two kinds: it is away, or it refuses what it was given.

Away (no connection, a time limit, an error of its own) ends tracking for the process. A refusal
(a name, a value, a right that is missing) costs what was refused and nothing else.
"""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from collections.abc import Iterator

from rlp_core.errors import RlpError

_LIBRARIES = ("mlflow", "sqlalchemy", "requests", "urllib3", "alembic")


class AwayError(Exception):
    """The store does not answer, or cannot work."""


class RefusedError(Exception):
    """The store answered that it does not take this.

    Attributes:
        of_content: the request itself is at fault, so that a part of it may still be taken;
            False where the caller has no right, or the store nothing of the kind.
    """

    def __init__(self, reason: str, *, of_content: bool) -> None:
        super().__init__(reason)
        self.of_content = of_content


@contextlib.contextmanager
def faults() -> Iterator[None]:
    """Turn what MLflow and its transports raise into `AwayError` or `RefusedError`.

    A signal that arrives inside MLflow may come out wrapped in its exception: it is taken out
    again, so that Ctrl-C and SIGTERM are never mistaken for a server that is away.
    """
    before = sys.exception()
    try:
        yield
    except Exception as error:
        chain = list(_chain(error, before))
        for inner in chain:
            if isinstance(inner, RlpError | KeyboardInterrupt):
                raise inner from None
        status = _status(error, chain)
        reason = f"{type(error).__name__}: {error}"
        if status is not None and 400 <= status < 500:
            raise RefusedError(reason, of_content=status in (400, 409, 413, 422)) from error
        module = type(error).__module__.partition(".")[0]
        if module in _LIBRARIES or isinstance(error, OSError | sqlite3.Error):
            raise AwayError(reason) from error
        raise


@contextlib.contextmanager
def artifact_faults() -> Iterator[None]:
    """Within `faults`: a folder for artifacts that cannot be written to is a refusal.

    The database still takes numbers. A connection that breaks is a server that is away.
    """
    try:
        yield
    except OSError as error:
        if type(error).__module__ != "builtins" or isinstance(error, ConnectionError):
            raise
        raise RefusedError(str(error), of_content=False) from error


def _chain(error: BaseException, before: BaseException | None) -> Iterator[BaseException]:
    inner: BaseException | None = error
    while inner is not None and inner is not before:
        yield inner
        inner = inner.__cause__ or inner.__context__


def _status(error: Exception, chain: list[BaseException]) -> int | None:
    """The HTTP status that the error amounts to; None where MLflow did not say.

    MLflow calls every error of its database but one a bad request. Only those that speak of the
    values are: a damaged file is not the caller's fault.
    """
    from mlflow.exceptions import MlflowException
    from sqlalchemy import exc

    of_values = (exc.DataError, exc.IntegrityError, UnicodeError, OverflowError)
    if any(isinstance(inner, of_values) for inner in chain):
        return 400
    if any(isinstance(inner, exc.SQLAlchemyError | sqlite3.Error) for inner in chain):
        return 500
    if not isinstance(error, MlflowException):
        return None
    return int(error.get_http_status_code())  # type: ignore[no-untyped-call]
