"""`python -m flows.pipeline`: the flows without a server set up by hand.

A private Prefect server on loopback, with its SQLite under `.rlp/prefect`, starts first and lives
as long as the command. It is started here and not by Prefect so that it boots while this process
still imports, is out of reach of the terminal's Ctrl-C (the flow must report to it how it ended),
writes to a log file, and dies with this process. A server named by PREFECT_API_URL is used instead.
"""

from __future__ import annotations

import argparse
import atexit
import logging
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from flows.graph import PHASES, load_graph
from flows.process import GUARD
from rlp_core import quiet
from rlp_core.errors import EXIT_INTERRUPTED, RlpError, UnavailableError
from rlp_core.params import load
from rlp_core.workspace import Workspace

STARTUP_SECONDS = 120
FLOW_LOGGERS = ("prefect.flow_runs", "prefect.task_runs")


def main(arguments: list[str] | None = None) -> int:
    """Run the pipeline or one phase in the current folder; return the exit code."""
    options = _parser().parse_args(arguments)
    root = Path.cwd()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        load(Workspace(root).params)
        configure(root)
        wait_until_up = prefect_server(root)
        load_graph(root)
        _run_flow(options, wait_until_up)
    except RlpError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted; the next run continues with what is finished", file=sys.stderr)
        return EXIT_INTERRUPTED
    return 0


def configure(root: Path) -> None:
    """Set what Prefect reads when it is imported; what the user has set stays."""
    quiet.apply()
    for name, value in {
        "PREFECT_HOME": str(root / ".rlp" / "prefect"),
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    }.items():
        os.environ.setdefault(name, value)
    Path(os.environ["PREFECT_HOME"]).mkdir(parents=True, exist_ok=True)


def prefect_server(root: Path) -> Callable[[], None]:
    """Use the server that PREFECT_API_URL names, or start a private one; return how to wait for it.

    The private one is stopped at exit. This must be called before Prefect is imported: what is
    registered first runs last, and Prefect sends its last logs and events at exit.

    Raises:
        UnavailableError: the named server does not answer.
    """
    named = os.environ.get("PREFECT_API_URL")
    if named:
        if not _answers(named):
            raise UnavailableError(
                "the Prefect server does not answer",
                where=f"PREFECT_API_URL={named}",
                fix="start it (`prefect server start`), or unset PREFECT_API_URL to run without",
            )
        return lambda: None
    log = Path(os.environ["PREFECT_HOME"]) / "server.log"
    address = f"http://127.0.0.1:{_free_port()}/api"
    server = _start_server(address, root, log)
    atexit.register(_stop_server, server)
    os.environ["PREFECT_API_URL"] = address
    return lambda: _wait_until_up(server, address, log)


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


def _run_flow(options: argparse.Namespace, wait_until_up: Callable[[], None]) -> None:
    """Run the chosen flow in this process, with only the stages' own lines on the terminal."""
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    from flows.pipeline import FLOWS

    _show_own_lines()
    wait_until_up()
    # The heartbeat thread is joined at the end, which costs a second; nobody listens to it here.
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        FLOWS[options.phase](max_parallel=options.max_parallel, gpu_slots=options.gpu_slots)


def _show_own_lines() -> None:
    """On the terminal: what `flows` logs, and errors of Prefect outside of flow runs.

    The whole, with Prefect's tracebacks, is in the run's log in the server's database.
    """
    folder = str(Path(__file__).parent)

    def ours(record: logging.LogRecord) -> bool:
        if record.name.startswith(FLOW_LOGGERS):
            return record.pathname.startswith(folder)
        return record.levelno >= logging.ERROR

    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    handler.addFilter(ours)
    logging.getLogger().handlers = [handler]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m flows.pipeline",
        description="Run the pipeline, or one phase of it, through Prefect; no server is needed.",
    )
    parser.add_argument(
        "--phase",
        choices=("rlp-pipeline", *PHASES),
        default="rlp-pipeline",
        metavar="NAME",
        help=f"one of {', '.join(PHASES)}; default: all",
    )
    parser.add_argument("--max-parallel", type=_count, default=2, help="stages at once (2)")
    parser.add_argument("--gpu-slots", type=_count, default=1, help="GPUs to share out (1)")
    return parser


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 1")
    return int(text)


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


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt
