"""A command in a process group of its own, whose every process ends when it should.

Stages are started from threads, which cannot be cut, nor can what they started. So the time limit,
cancelling and Ctrl-C are enforced here: descendants are asked to end (SIGTERM), given
a grace in which a stage can save its work, and what is left of the group is killed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

GUARD = Path(__file__).with_name("guard.py")
GRACE_SECONDS = 10.0

_running: set[ProcessTree] = set()
_running_lock = threading.Lock()
_stopping = threading.Event()


class TimeLimitError(Exception):
    """The command took longer than it may, and was ended."""


class StoppedError(Exception):
    """The command was ended from outside: cancelled, or Ctrl-C."""


class ProcessTree:
    """A started command and all that it started.

    It must be started and waited for by one thread: on Linux the guard has the kernel kill the
    command when that thread dies, which covers a killed flow run.
    """

    def __init__(self, command: Sequence[str], *, cwd: Path, environment: dict[str, str]) -> None:
        guarded = [sys.executable, "-I", "-S", str(GUARD), str(os.getpid()), *command]
        self._popen = subprocess.Popen(
            guarded,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        self._ending = threading.Lock()

    def stream(self, on_line: Callable[[str], None]) -> int:
        """Pass on each line as it comes; return the exit code."""
        assert self._popen.stdout is not None
        for line in self._popen.stdout:
            on_line(line.rstrip("\n"))
        return self._popen.wait()

    def end(self, grace: float) -> None:
        """End the whole tree: SIGTERM to all below the leader, then SIGKILL to the group.

        The leader is DVC. It would die of SIGTERM at once, and a stage dies with its DVC, so the
        stage is asked first; DVC then ends by itself and releases its locks.
        """
        with self._ending:
            asked = self._ask_descendants()
            psutil.wait_procs(asked, timeout=grace)
            if asked:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._popen.wait(timeout=grace)
            self.kill()

    def kill(self) -> None:
        """Kill whatever is left of the group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, signal.SIGKILL)

    def close(self) -> None:
        """Kill what is left, and reap the leader."""
        self.kill()
        if self._popen.stdout is not None:
            self._popen.stdout.close()
        self._popen.wait()

    def _ask_descendants(self) -> list[psutil.Process]:
        asked = []
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in psutil.Process(self._popen.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.terminate()
                    asked.append(process)
        return asked


def run(
    command: Sequence[str],
    *,
    cwd: Path,
    environment: dict[str, str],
    on_line: Callable[[str], None],
    time_limit: float | None,
    grace: float = GRACE_SECONDS,
    started: Callable[[ProcessTree], None] | None = None,
) -> int:
    """Run a command, pass on its lines, and return its exit code. No process of it survives.

    Args:
        time_limit: seconds of wall time; None: as many as it takes.
        grace: seconds between asking the processes to end and killing them.
        started: is told the tree, which another thread may then `end`.

    Raises:
        TimeLimitError: it took longer than `time_limit`.
        StoppedError: `end_all` was called.
    """
    with _running_lock:
        if _stopping.is_set():
            raise StoppedError
        tree = ProcessTree(command, cwd=cwd, environment=environment)
        _running.add(tree)
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        tree.end(grace)

    timer = threading.Timer(time_limit or 0.0, expire)
    timer.daemon = True
    if time_limit is not None:
        timer.start()
    try:
        if started is not None:
            started(tree)
        code = tree.stream(on_line)
    finally:
        timer.cancel()
        tree.close()
        with _running_lock:
            _running.discard(tree)
    if _stopping.is_set() and code != 0:
        raise StoppedError
    if expired.is_set() and code != 0:
        raise TimeLimitError
    return code


def end_all(grace: float = GRACE_SECONDS) -> None:
    """End every running tree, side by side, and refuse new ones until `allow_start`."""
    with _running_lock:
        _stopping.set()
        trees = list(_running)
    threads = [threading.Thread(target=tree.end, args=(grace,), daemon=True) for tree in trees]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def allow_start() -> None:
    """Let `run` start commands again: called where a flow begins."""
    _stopping.clear()
