"""`make ui`: the pages of MLflow and Prefect over what the runs left here, on loopback only.

Both read the databases in `.rlp`, or the SQLite file that MLFLOW_TRACKING_URI names, and end with
Ctrl-C. Nothing is changed, but for the places of artifacts where the checkout was moved.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from flows.server import prefect_home
from rlp_core import quiet
from rlp_core.errors import MissingInputError, RlpError, UnavailableError
from rlp_core.tracking import masked, tracking_uri
from rlp_core.tracking.address import private_database, sqlite_file
from rlp_core.tracking.sqlite import artifact_root, follow_move
from rlp_core.workspace import Workspace

HOST = "127.0.0.1"
STARTUP_SECONDS = 180
END_SECONDS = 10


@dataclass
class Page:
    """A server and where it answers.

    Attributes:
        name: of the tool.
        address: of its page.
        health: path that answers once it is up.
        log: its output.
        process: head of its process group.
    """

    name: str
    address: str
    health: str
    log: Path
    process: subprocess.Popen[bytes]


def main() -> int:
    """Serve until Ctrl-C or SIGTERM; return the exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    quiet.apply()
    pages: list[Page] = []
    try:
        workspace = Workspace(Path.cwd())
        start_all(workspace, pages)
        for page in pages:
            wait_until_up(page)
            print(f"{page.name:8} {page.address}", flush=True)
        print("Ctrl-C ends both", flush=True)
        _watch(pages)
    except RlpError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print()
    finally:
        for page in pages:
            end(page)
    return 0


def start_all(workspace: Workspace, pages: list[Page]) -> None:
    """Start both servers, appending to `pages`, so that a caller can end what was started.

    Raises:
        MissingInputError: nothing was run in this workspace.
    """
    database = sqlite_file(tracking_uri(workspace))
    if database is not None and not database.is_file():
        raise MissingInputError(
            "nothing was run here yet: there is no MLflow database",
            where=str(database),
            fix="run `make run` first, or mend MLFLOW_TRACKING_URI if you set it",
        )
    workspace.private.mkdir(parents=True, exist_ok=True)
    pages.append(_mlflow(workspace))
    pages.append(_prefect(workspace))


def wait_until_up(page: Page) -> None:
    """Return once the page answers.

    Raises:
        UnavailableError: its server ended, or needs too long.
    """
    give_up = time.monotonic() + STARTUP_SECONDS
    while time.monotonic() < give_up and page.process.poll() is None:
        try:
            with urllib.request.urlopen(page.address + page.health, timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.2)
    raise UnavailableError(
        f"the page of {page.name} did not start", where=str(page.log), fix="read its last lines"
    )


def end(page: Page) -> None:
    """End a server with all the processes it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(page.process.pid, number)
        except ProcessLookupError:
            break
        try:
            page.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            continue


def _mlflow(workspace: Workspace) -> Page:
    uri = tracking_uri(workspace)
    if uri.startswith(("http://", "https://")):
        raise UnavailableError(
            "the runs are on a tracking server, which has its own page",
            where=masked(uri),
            fix="open that address; unset MLFLOW_TRACKING_URI to see the runs kept here",
        )
    database = sqlite_file(uri) or private_database(workspace)
    if database == private_database(workspace):
        follow_move(workspace)
    port = _port(5000)
    command = ["mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"]
    command += ["--artifacts-destination", str(artifact_root(database))]
    switches = {
        "MLFLOW_BACKEND_STORE_URI": uri,  # may hold a password: other users can read a command
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_ENABLE_AI_GATEWAY": "false",
    }
    return _start("MLflow", command, switches, port, "/health", workspace)


def _prefect(workspace: Workspace) -> Page:
    port = _port(4200)
    command = ["prefect", "server", "start", "--host", HOST, "--port", str(port)]
    switches = {
        "PREFECT_HOME": str(prefect_home(workspace)),
        "PREFECT_UI_API_URL": f"http://{HOST}:{port}/api",
    }
    return _start("Prefect", command, switches, port, "/api/health", workspace)


def _start(
    name: str,
    command: list[str],
    switches: dict[str, str],
    port: int,
    health: str,
    workspace: Workspace,
) -> Page:
    log = workspace.private / f"ui-{name.lower()}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=workspace.private,
            env={**os.environ, **switches},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    return Page(name, f"http://{HOST}:{port}", health, log, process)


def _port(wanted: int) -> int:
    """The usual port of a tool, or any free one where it is taken."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise UnavailableError("no free port", where=HOST, fix="end some server on this machine")


def _watch(pages: list[Page]) -> None:
    while True:
        for page in pages:
            if page.process.poll() is not None:
                raise UnavailableError(
                    f"the server of {page.name} ended",
                    where=str(page.log),
                    fix="read its last lines",
                )
        time.sleep(1)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
