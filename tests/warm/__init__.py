"""Python with the slow libraries imported already: `python()`, a program as `sys.executable` is.

To import torch, transformers and MLflow takes a process five seconds, and the tests run some
hundred stages and guides' commands in processes of their own. So one process imports them and
forks for each job: a process like any other, with the job's arguments, environment, folder and
files, which imports this project's code by itself, from wherever its paths say.

What it shares with its siblings is the seed of hashes. The flow without a server
(`tests/e2e/runs.py`) starts every stage in a Python of its own, as users do, and must leave the
same bytes.
"""

from __future__ import annotations

import atexit
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent

OF_A_RUN = ("PREFECT_", "MLFLOW_", "RLP_", "DVC_")
"""How the names of variables begin that a run has, and the process that imports must not."""

LIBRARIES = (
    "great_expectations",
    "matplotlib.pyplot",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.system_metrics.system_metrics_monitor",
    "transformers.models.qwen3.modeling_qwen3",
)


@cache
def python(libraries: tuple[str, ...] = LIBRARIES, **variables: str) -> Path:
    """A program to be started in place of `sys.executable`, with `-m` or `-c`.

    It lives as long as this process, and its jobs do. A job whose environment would have other
    libraries come of the import (`server.SETTINGS`) is left to the real interpreter, as is all
    where there is no Linux.

    Args:
        libraries: what is imported before any job comes.
        variables: of the environment, in addition to this process' own: what must be set before
            a library is imported, or before the process begins.
    """
    if not sys.platform.startswith("linux"):
        return Path(sys.executable)
    folder = Path(tempfile.mkdtemp(prefix="warm-"))  # short: the address of a socket must be
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    address = folder / "socket"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OF_A_RUN)}
    process = subprocess.Popen(
        [sys.executable, str(HERE / "server.py"), str(address), *libraries],
        env={**kept, "OMP_NUM_THREADS": "1", **variables},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    atexit.register(_end, process)
    assert process.stdout is not None
    assert process.stdout.readline() == b"listening\n"
    client = [sys.executable, "-I", "-S", str(HERE / "client.py"), sys.executable, str(address)]
    program = folder / "python"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(client)} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return program


def _end(process: subprocess.Popen[bytes]) -> None:
    """Close its standard input: then it ends, and all its jobs."""
    process.communicate()
