"""Which process opened a run, and whether it still lives.

A number alone does not say: the system gives it to another process later. So the time at which
the process began stands beside it, and the machine.
"""

from __future__ import annotations

import fcntl
import json
import os
import uuid
from dataclasses import asdict, dataclass

from rlp_core.workspace import Workspace

_SAME_START_SECONDS = 2.0  # a clock that is set moves the times that the system tells


@dataclass(frozen=True)
class Process:
    """One process of one machine.

    Attributes:
        host: name of the machine.
        pid: its number.
        began: when it started, in seconds since 1970.
    """

    host: str
    pid: int
    began: float

    @classmethod
    def this(cls) -> Process:
        """The process that asks."""
        import psutil

        return cls(os.uname().nodename, os.getpid(), psutil.Process().create_time())

    @classmethod
    def read(cls, text: str) -> Process | None:
        """A process from `str(process)`; None for any other text."""
        try:
            held = json.loads(text)
            return cls(str(held["host"]), int(held["pid"]), float(held["began"]))
        except (ValueError, TypeError, KeyError):
            return None

    def __str__(self) -> str:
        return json.dumps(asdict(self))

    def is_gone(self) -> bool:
        """Whether it has ended for certain; False for a process of another machine."""
        import psutil

        if self.host != os.uname().nodename:
            return False
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.began) < _SAME_START_SECONDS
            return not same or process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True
        except psutil.AccessDenied:
            return False


def workspace_id(workspace: Workspace) -> str:
    """A name of this workspace that stays when its folder is moved; made at the first call."""
    path = workspace.private / "workspace-id"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        handle.seek(0)
        held = handle.read().strip()
        if not held:
            held = uuid.uuid4().hex
            handle.write(held + "\n")
        return held
