"""`python -m flows.pipeline`: the whole pipeline or one phase, without a server set up by hand.

Prefect reads its settings when it is imported, and the flows import Prefect: so both are imported
only after the private server was started.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from flows.graph import PHASES, load_graph, refuse_without_git
from flows.server import configure, prefect_server
from rlp_core.checks import check
from rlp_core.errors import EXIT_INTERRUPTED, RlpError
from rlp_core.params import load
from rlp_core.workspace import Workspace

FLOW_LOGGERS = ("prefect.flow_runs", "prefect.task_runs")


def main(arguments: list[str] | None = None) -> int:
    """Run the pipeline or one phase in the current folder; return the exit code."""
    options = _parser().parse_args(arguments)
    root = Path.cwd()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        reads_data = options.phase in ("rlp-pipeline", "validate-data")
        check(load(Workspace(root).params), root, data=reads_data)
        configure(root)
        refuse_without_git(root)
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


def _run_flow(options: argparse.Namespace, wait_until_up: Callable[[], None]) -> None:
    """Run the chosen flow in this process, with only the stages' own lines on the terminal."""
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    from flows.phases import FLOWS

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


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
