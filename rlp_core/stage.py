"""The one entry point of every stage: `python -m rlp_core.stage NAME`.

`dvc repro`, the Prefect tasks and the tests all start this same command. It checks the
parameters, holds the stage's lock, opens the MLflow run, calls `rlp_core.stages.NAME.run`, and
turns what went wrong into one message and one exit code (`rlp_core.errors`).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import importlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rlp_core import arms, quiet
from rlp_core.checks import check
from rlp_core.errors import (
    EXIT_INTERRUPTED,
    OutputError,
    RlpError,
    TryAgainError,
    UsageError,
    did_you_mean,
)
from rlp_core.extras import missing
from rlp_core.files import write_json
from rlp_core.garbage import collection_paused
from rlp_core.guard import GUARDED
from rlp_core.interruption import end_at_sigterm
from rlp_core.params import Params, load
from rlp_core.workspace import Workspace

if TYPE_CHECKING:
    from rlp_core.tracking import Tracker


def stage_names() -> tuple[str, ...]:
    """Every stage: those that stand alone, and one of each kind per arm.

    Raises:
        ConfigError: the arms are not declared soundly.
    """
    declared = arms.declared()
    return (
        *("prepare", "validate", "base", "bootstrap", "rlp", "cpt"),
        *(f"finetune@{arm}" for arm in declared.starts),
        *(f"rlvr@{arm}" for arm in declared.starts),
        *(f"evaluate@{arm}" for arm in declared.names),
        *("compare", "promote"),
    )


@dataclass(frozen=True)
class StageContext:
    """What a stage is given.

    Attributes:
        name: the stage, `evaluate@rlp`.
        params: the whole of `params.yaml`; a stage reads only the sections that `dvc.yaml` names.
        workspace: where to read and write.
        tracker: takes metrics and data sets; works, and says so, when the server is away.
        scratch: folder for the checkpoints of this very work, whichever process does it; None
            where `dvc.yaml` does not say what the work depends on: then none are kept.
    """

    name: str
    params: Params
    workspace: Workspace
    tracker: Tracker
    scratch: Path | None = None

    @property
    def arm(self) -> str:
        """The arm of a stage that has one: `rlp` for `evaluate@rlp`."""
        return self.name.partition("@")[2]


def run_stage(name: str, root: Path) -> None:
    """Run one stage in the workspace at `root`.

    Raises:
        RlpError: anything a person can mend.
    """
    known = stage_names()
    if name not in known:
        hint = did_you_mean(name, known)
        raise UsageError(
            f"no stage is called {name!r}", where="rlp_core.stage", fix=f"{hint}{', '.join(known)}"
        )
    workspace = Workspace(root)
    params = load(workspace.params)
    check(params, root, data=name == "prepare")
    with _only_once(name, workspace), contextlib.ExitStack() as start:
        start.enter_context(collection_paused())
        from rlp_core.tracking import open_run

        with open_run(name, params, workspace) as tracker:
            module = importlib.import_module(f"rlp_core.stages.{name.partition('@')[0]}")
            start.close()
            key = tracker.fingerprint
            scratch = workspace.scratch(name, key) if key else None
            module.run(StageContext(name, params, workspace, tracker, scratch))
            if scratch is not None:
                shutil.rmtree(scratch.parent, ignore_errors=True)


def main(arguments: list[str] | None = None) -> int:
    """Command line of a stage; returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if len(arguments) != 1:
        print("usage: python -m rlp_core.stage NAME", file=sys.stderr)
        return UsageError.exit_code
    quiet.apply()
    _die_with_parent()
    end_at_sigterm()
    name, root, started = arguments[0], Path.cwd(), time.time()
    code = 1
    try:
        run_stage(name, root)
        code = 0
    except RlpError as error:
        print(f"error in stage {name}: {error}", file=sys.stderr)
        code = error.exit_code
    except ModuleNotFoundError as error:
        told = missing(error)
        if told is None:
            raise
        print(f"error in stage {name}: {told}", file=sys.stderr)
        code = told.exit_code
    except KeyboardInterrupt:
        print(
            f"stage {name}: interrupted; the next run goes on or starts anew",
            file=sys.stderr,
        )
        code = EXIT_INTERRUPTED
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        full = OutputError("the disk is full", where=str(error.filename or root), fix="free space")
        print(f"error in stage {name}: {full}", file=sys.stderr)
        code = full.exit_code
    finally:
        with contextlib.suppress(RlpError):  # arms that are not sound were told above
            if name in stage_names():
                _record(name, Workspace(root), started, code)
    return code


def _record(name: str, workspace: Workspace, started: float, code: int) -> None:
    """Add times and exit code to the run record that the tracker began."""
    import json

    path = workspace.run_record(name)
    record = {}
    with contextlib.suppress(FileNotFoundError, ValueError):
        record = json.loads(path.read_text(encoding="utf-8"))
    if record.get("pid") != os.getpid():
        record = {}  # left by an earlier run: its identity is not ours
    record |= {
        "stage": name,
        "pid": os.getpid(),
        "host": os.uname().nodename,
        "started": started,
        "seconds": time.time() - started,
        "exit_code": code,
    }
    try:
        write_json(path, record)
    except OutputError as error:
        print(f"warning: no run record: {error}", file=sys.stderr)


@contextlib.contextmanager
def _only_once(name: str, workspace: Workspace) -> Iterator[None]:
    """Hold the stage's lock: after a crash of DVC a second copy could start beside the first."""
    path = workspace.private / "locks" / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TryAgainError(
                f"stage {name} is running already in this workspace",
                where=str(path),
                fix="wait for it to end, or end it; then run again",
            ) from None
        yield


def _die_with_parent() -> None:
    """On Linux, end this process when DVC dies: DVC would leave it running as an orphan.

    The kernel does so from now on. A DVC that died while this process was starting is told by the
    number that the guard left, of the process which became DVC.
    """
    if not sys.platform.startswith("linux"):
        return
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
    started_by = os.environ.get(GUARDED, "")
    if started_by.isdecimal() and not _runs(int(started_by)):
        print("the process that started this stage is gone: it does not begin", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)


def _runs(process: int) -> bool:
    """Whether a process is there, and is no zombie, which nobody has waited for."""
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return False
    except OSError:
        return True  # /proc is hidden here
    return state.rpartition(")")[2].split()[0] not in ("Z", "X")


if __name__ == "__main__":
    sys.exit(main())
