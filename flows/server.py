"""The Prefect server of a command: the one that PREFECT_API_URL names, or a private one.

The private one, on loopback and with its SQLite under `.rlp/prefect`, starts first and lives as
long as the command. It is started here and not by Prefect so that it boots while the command
still imports, is out of reach of the terminal's Ctrl-C (the flow must report to it how it ended),
writes to a log file, and dies with this process.
"""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from rlp_core import quiet
from rlp_core.errors import ConfigError, OutputError, UnavailableError
from rlp_core.process import GUARD
from rlp_core.tracking import masked
from rlp_core.workspace import Workspace

STARTUP_SECONDS = 120


def configure(root: Path) -> None:
    """Set what Prefect reads when it is imported; what the user has set stays.

    Raises:
        OutputError: Prefect's folder cannot be written to.
        ConfigError: a proxy in the environment is none that can be used.
    """
    quiet.apply()
    refuse_unusable_proxy()
    os.environ["PREFECT_HOME"] = str(prefect_home(Workspace(root)))
    for name, value in {
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    }.items():
        os.environ.setdefault(name, value)


def refuse_unusable_proxy() -> None:
    """Prefect's client reads every proxy of the environment, those it does not need too.

    Raises:
        ConfigError: it cannot work with one of them.
    """
    import httpx

    try:
        httpx.Client().close()
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        variables = [
            f"{name}={masked(value)}"
            for name, value in sorted(os.environ.items())
            if value and name.lower() in ("http_proxy", "https_proxy", "all_proxy")
        ]
        raise ConfigError(
            f"a proxy in the environment cannot be used: {error}",
            where=", ".join(variables) or "the environment",
            fix="unset or mend that variable; for a SOCKS proxy, `pip install socksio`",
        ) from error


def prefect_home(workspace: Workspace) -> Path:
    """Make the folder of Prefect's database and logs, and return its absolute path.

    It is the one that PREFECT_HOME names, or the workspace's own.

    Raises:
        OutputError: it cannot be made, or not be written to.
    """
    named = os.environ.get("PREFECT_HOME")
    home = Path(named) if named else workspace.private / "prefect"
    try:
        home = home.expanduser().absolute()
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            pass
    except (OSError, RuntimeError) as error:  # RuntimeError: `~someone` who is not known
        reason = getattr(error, "strerror", None) or error
        fix = "unset PREFECT_HOME, or name a folder" if named else "choose a place for the checkout"
        raise OutputError(
            f"Prefect's folder cannot be used: {reason}",
            where=f"PREFECT_HOME={named}" if named else str(home),
            fix=f"{fix} that you may write to",
        ) from error
    return home


def prefect_server(root: Path) -> Callable[[], None]:
    """Use the server that PREFECT_API_URL names, or start a private one; return how to wait for it.

    The private one is stopped at exit. This must be called before Prefect is imported: what is
    registered first runs last, and Prefect sends its last logs and events at exit.

    Raises:
        UnavailableError: the named server does not answer.
    """
    if os.environ.get("PREFECT_API_URL"):
        answering_server()
        return lambda: None
    log = Path(os.environ["PREFECT_HOME"]) / "server.log"
    address = f"http://127.0.0.1:{_free_port()}/api"
    server = _start_server(address, root, log)
    atexit.register(_stop_server, server)
    os.environ["PREFECT_API_URL"] = address
    return lambda: _wait_until_up(server, address, log)


def answering_server() -> None:
    """Make sure that PREFECT_API_URL names a server that answers.

    Raises:
        UnavailableError: it names none, or one that does not answer.
    """
    named = os.environ.get("PREFECT_API_URL")
    if not named:
        raise UnavailableError(
            "no Prefect server is named",
            where="PREFECT_API_URL",
            fix="`export PREFECT_API_URL=http://127.0.0.1:4200/api`, and `prefect server start`",
        )
    if not _answers(named):
        raise UnavailableError(
            "the Prefect server does not answer",
            where=f"PREFECT_API_URL={named}",
            fix="start it (`prefect server start`), or unset PREFECT_API_URL to run without",
        )


def _stop_server(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(timeout=5)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _start_server(address: str, root: Path, log: Path) -> subprocess.Popen[bytes]:
    """The command by which Prefect starts its own temporary server, without the pages."""
    port = address.removesuffix("/api").rpartition(":")[2]
    uvicorn = [sys.executable, "-m", "uvicorn", "--factory", "prefect.server.api.server:create_app"]
    options = ["--host", "127.0.0.1", "--port", port, "--log-level", "error", "--lifespan", "on"]
    switches = {
        "PREFECT__SERVER_EPHEMERAL": "1",
        "PREFECT__SERVER_FINAL": "1",
        "PREFECT_UI_ENABLED": "0",
    }
    with log.open("w", encoding="utf-8") as output:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(GUARD), str(os.getpid()), *uvicorn, *options],
            cwd=root,
            env={**os.environ, **switches},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def _wait_until_up(server: subprocess.Popen[bytes], address: str, log: Path) -> None:
    give_up = time.monotonic() + STARTUP_SECONDS
    while time.monotonic() < give_up and server.poll() is None:
        if _answers(address):
            return
        time.sleep(0.1)
    raise UnavailableError(
        "the private Prefect server did not start",
        where=str(log),
        fix="read its last lines; a damaged database is mended by deleting prefect.db beside it",
    )


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address.rstrip('/')}/health", timeout=5.0) as response:
            return bool(response.status == 200)
    except (OSError, ValueError):
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
