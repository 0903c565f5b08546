"""`python -m flows.worker`: a worker for the deployments of `prefect.yaml`, on this machine.

A worker that was killed could report nothing: its flow run would stay "running", and keep every
later one waiting for its slot. So this ends what is lost, and then becomes `prefect worker start`.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from flows import recovery
from flows.server import answering_server, refuse_unusable_proxy
from rlp_core import quiet
from rlp_core.errors import EXIT_INTERRUPTED, RlpError
from rlp_core.params import load
from rlp_core.workspace import Workspace

POOL = "rlp-local"


def main(arguments: list[str] | None = None) -> int:
    """Recover, and start the worker in place of this process; return the code of an error."""
    parser = argparse.ArgumentParser(
        prog="python -m flows.worker",
        description="End flow runs of this checkout whose process is gone, then start a worker "
        "for the Prefect server that PREFECT_API_URL names.",
    )
    parser.add_argument("--pool", default=POOL, help=f"work pool ({POOL})")
    options = parser.parse_args(arguments)
    quiet.apply()
    workspace = Workspace(Path.cwd())
    try:
        params = load(workspace.params)
        refuse_unusable_proxy()
        answering_server()
        recovery.recover(workspace, params, lambda line: print(line, flush=True))
    except RlpError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    command = ["-m", "prefect", "worker", "start", "--pool", options.pool, "--type", "process"]
    os.execv(sys.executable, [sys.executable, *command])


if __name__ == "__main__":
    sys.exit(main())
