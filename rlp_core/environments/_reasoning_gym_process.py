"""The process that runs reasoning-gym: started when it is first asked, ended with this one."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from rlp_core.environments import Extra
from rlp_core.errors import PluginError

EXTRA = Extra("reasoning-gym", "reasoning_gym")
WORKER = Path(__file__).with_name("_reasoning_gym_worker.py")
HASH_SEED = "0"

_lock = threading.Lock()
_started: dict[int, subprocess.Popen[str]] = {}
"""By the process that started it: a fork must not share its parent's pipes."""


class TaskRefusedError(Exception):
    """What reasoning-gym does not take, in words."""


def ask(do: str, **request: Any) -> Any:
    """The value of a request to the worker, which says what there is to ask.

    Raises:
        TaskRefusedError: options that a task does not take.
        PluginError: reasoning-gym failed, or its process ended.
        UnavailableError: it is not installed.
    """
    line = json.dumps({"do": do, **request})
    with _lock:
        process = _process()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(f"{line}\n")
            process.stdin.flush()
            answered = process.stdout.readline()
        except BrokenPipeError:
            answered = ""
        if not answered:
            raise _failed(f"its process ended with exit code {_end(process)}", request)
    reply = json.loads(answered)
    if "refused" in reply:
        raise TaskRefusedError(reply["refused"])
    if "failed" in reply:
        raise _failed(reply["failed"], request)
    return reply["value"]


def _process() -> subprocess.Popen[str]:
    found = _started.get(os.getpid())
    if found is None:
        EXTRA.require("the world `reasoning_gym`", where=str(WORKER))
        # -P: the folder of the worker holds a file called like the package.
        found = subprocess.Popen(
            [sys.executable, "-P", "-W", "ignore", str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONHASHSEED": HASH_SEED, "PYTHONUTF8": "1"},
            text=True,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C is for this process, which ends the other
        )
        _started[os.getpid()] = found
        atexit.register(_end, found)
    return found


def _end(process: subprocess.Popen[str]) -> int:
    """Close its input, which ends it, or kill it in mid-request; its exit code."""
    if _started.get(os.getpid()) is not process:
        return 0  # another process's, or ended already
    del _started[os.getpid()]
    assert process.stdin is not None
    try:
        process.stdin.close()
        return process.wait(timeout=5.0)
    except (BrokenPipeError, subprocess.TimeoutExpired):
        process.kill()
        return process.wait()


def _failed(what: str, request: dict[str, Any]) -> PluginError:
    told = ", ".join(f"{key}={value!r}"[:80] for key, value in request.items() if key != "answer")
    return PluginError(
        f"reasoning-gym failed: {what}",
        where=told or "its process",
        fix="run the same item in reasoning-gym by itself, or take another task",
    )
