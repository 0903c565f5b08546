"""Imports libraries once, and forks a process for each job.

    python server.py ADDRESS LIBRARY...

A job is what `client.py` sends: arguments as Python's own, environment, folder, standard streams.
Each has a keeper, a process that passes on signals and the exit code, and kills the job when its
client is gone. All end when standard input does.

Before a fork there is one thread here: a lock that another held would stay locked in the child.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import struct
import sys
import threading
import traceback
from pathlib import Path
from typing import Any, NoReturn

from client import REFUSED  # beside this file

QUIET = Path(__file__).parents[2] / "rlp_core" / "quiet.py"
SETTINGS = (
    "CUDA", "HF_", "KMP_", "LD_", "MALLOC_", "MKL_", "OMP_", "PYTHONHASHSEED", "PYTORCH_",
    "SQLALCHEMY_", "TORCH", "TRANSFORMERS_",
)  # fmt: skip
"""How the names of variables begin that decide what an import makes."""


def main() -> None:
    address, libraries = sys.argv[1], sys.argv[2:]
    sys.path.remove(str(Path(__file__).parent))
    own = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:] = [path for path in sys.path if path not in own]
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        os.write(1, b"listening\n")
        given = settings(dict(os.environ))
        prepare(libraries)
        signal.signal(signal.SIGCHLD, reap)
        while True:
            ready, _, _ = select.select([listener, 0], [], [])
            if 0 in ready:  # it ended: nothing is ever sent
                os._exit(0)
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                keep(connection, given)
            connection.close()


def settings(environment: dict[str, str]) -> dict[str, str]:
    """What of an environment decides what an import makes."""
    return {name: value for name, value in environment.items() if name.startswith(SETTINGS)}


def prepare(libraries: list[str]) -> None:
    """Import, as a stage would: its first act is to switch off what calls home."""
    runpy.run_path(str(QUIET))["apply"]()
    # Asked in the common way, CUDA is begun, and would be of no use to a child.
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"
    os.environ["JE_ARROW_MALLOC_CONF"] = "background_thread:false"  # it would be a second thread
    gc.disable()
    for name in libraries:
        importlib.import_module(name)
    gc.freeze()
    gc.enable()
    tasks = len(list(Path("/proc/self/task").iterdir()))
    if tasks > 1:
        sys.exit(f"{tasks} threads after the imports: it is not safe to fork")
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        sys.exit("CUDA was begun by the imports: a fork cannot use it")


def reap(_number: int, _frame: object) -> None:
    """Forget the keepers that have ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def keep(connection: socket.socket, given: dict[str, str]) -> NoReturn:
    """Start the job of a connection, and answer how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    die_with_parent()
    head, streams, _, _ = socket.recv_fds(connection, 4, 3)
    order = json.loads(connection.recv(struct.unpack("!I", head)[0], socket.MSG_WAITALL))
    fit = settings(order["environment"]) == given and order["arguments"][:1] in (["-m"], ["-c"])
    code = wait(connection, start(connection, streams, order)) if fit else REFUSED
    with contextlib.suppress(OSError):  # the client is gone
        connection.sendall(struct.pack("!i", code))
    os._exit(0)


def start(connection: socket.socket, streams: list[int], order: dict[str, Any]) -> int:
    """Fork the job; returns its number."""
    job = os.fork()
    if job == 0:
        connection.close()
        die_with_parent()
        for target, stream in enumerate(streams):
            os.dup2(stream, target)
            os.close(stream)
        work(order["arguments"], order["folder"], order["environment"])
    for stream in streams:
        os.close(stream)
    return job


def wait(connection: socket.socket, job: int) -> int:
    """The exit code of a job; its client's signals are passed on, and its end is the job's."""
    ended = os.pidfd_open(job)
    while True:
        ready, _, _ = select.select([connection, ended], [], [])
        if ended in ready:
            return os.waitstatus_to_exitcode(os.waitpid(job, 0)[1])
        for number in connection.recv(64) or [signal.SIGKILL]:
            os.kill(job, number)


def die_with_parent() -> None:
    """Be killed when the parent ends."""
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


def work(arguments: list[str], folder: str, environment: dict[str, str]) -> NoReturn:
    """Run a job as Python would, and end this process with its exit code."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()  # Python's own generator is seeded anew by a fork
    at_once = bool(environment.get("PYTHONUNBUFFERED"))
    sys.stdout.reconfigure(line_buffering=os.isatty(1), write_through=at_once)
    paths = environment.get("PYTHONPATH")
    sys.path[:0] = [folder if arguments[0] == "-m" else "", *(paths.split(":") if paths else [])]
    importlib.invalidate_caches()
    code = _ended(arguments)
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _ended(arguments: list[str]) -> int:
    """The exit code of a program, less than 0 for a signal."""
    option, what, *rest = arguments
    sys.argv = [option, *rest]
    try:
        if option == "-m":
            runpy.run_module(what, run_name="__main__", alter_sys=True)
        else:
            exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return (end.code or 0) & 0xFF
        print(end.code, file=sys.stderr)
        return 1
    except BaseException as error:
        traceback.print_exc()
        return -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    return 0


if __name__ == "__main__":
    main()
