"""The body of every task: one stage, by the same command that a person would type.

DVC decides whether the stage has to run, and is the only cache. Prefect sees the stage's lines,
its exit code, and repeats it if that code says "try again".
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from flows.graph import Stage
from flows.plan import LOCKED
from rlp_core import process
from rlp_core.errors import EXIT_INTERRUPTED, EXIT_TRY_AGAIN, RlpError
from rlp_core.quiet import SWITCHES
from rlp_core.threads import VARIABLE as THREADS
from rlp_core.workspace import Workspace

# What DVC says about itself; the rest of its lines, and all of the stage's, are passed on.
DVC_CHATTER = (
    "Running stage '",
    "> ",
    "Generating lock file",
    "Updating lock file",
    "Use `dvc push`",
    "To track the changes",
    "\tgit add",
    "To enable auto staging",
    "\tdvc config core.autostage",
    "ERROR: failed to reproduce",
)
EXIT_TIMED_OUT = 124  # as coreutils' timeout
RETRY_DELAY_SECONDS = 5


class StageFailedError(RlpError):
    """A stage ended with an error, or was ended. `exit_code` is the stage's own."""

    def __init__(self, stage: str, code: int, what: str, *, where: str, fix: str) -> None:
        super().__init__(what, where=where, fix=fix)
        self.stage, self.exit_code = stage, code


@dataclass(frozen=True)
class Run:
    """What a task needs to know about the flow run around it.

    Attributes:
        root: the checkout.
        parent_run: MLflow run that the stage's run becomes a child of; empty without one.
        flow_run: Prefect's flow run, for lineage.
        gpus: the stage sees these alone, named as `CUDA_VISIBLE_DEVICES` does; empty: whatever
            this process sees.
        threads: CPU threads that the stage may take; 0: what its parameters say.
    """

    root: str
    parent_run: str = ""
    flow_run: str = ""
    gpus: tuple[str, ...] = ()
    threads: int = 0


def run_stage(stage: Stage, run: Run, on_line: Callable[[str], None]) -> bool:
    """Bring one stage up to date; return whether its command ran.

    Raises:
        StageFailedError: it failed, took too long, or was ended.
    """
    root = Path(run.root)
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "-s", stage.name]
    said: list[str] = []

    def hear(line: str) -> None:
        said.append(line)
        del said[:-20]
        if line.strip() and not line.startswith(DVC_CHATTER):
            on_line(line)

    started = time.time()
    try:
        code = process.run(
            command,
            cwd=root,
            environment=stage_environment(run),
            on_line=hear,
            time_limit=stage.meta.timeout_minutes * 60.0,
        )
    except process.StoppedError:
        raise StageFailedError(
            stage.name,
            EXIT_INTERRUPTED,
            f"stage {stage.name} was told to end",
            where=str(root),
            fix="run again: finished stages are kept",
        ) from None
    except process.TimeLimitError:
        what = f"took longer than {stage.meta.timeout_minutes} minutes and was ended"
        raise _failed(stage.name, EXIT_TIMED_OUT, what, root) from None
    record = read_record(root, stage.name, since=started)
    if code != 0:
        raise _explain(stage.name, code, record, said, root)
    return record is not None


def stage_environment(run: Run) -> dict[str, str]:
    """The environment of a stage: this interpreter first, unbuffered, quiet, with its lineage."""
    log = {"PYTHONUNBUFFERED": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}  # lines, no bars
    environment = {**SWITCHES, **os.environ, **log}
    folder = str(Path(sys.executable).parent)  # not resolved: a virtual environment is a link
    environment["PATH"] = os.pathsep.join([folder, environment.get("PATH", os.defpath)])
    if run.gpus:
        environment["CUDA_VISIBLE_DEVICES"] = ",".join(run.gpus)
    for name, value in (
        ("RLP_PARENT_RUN_ID", run.parent_run),
        ("RLP_PREFECT_FLOW_RUN_ID", run.flow_run),
    ):
        environment.pop(name, None)
        if value:
            environment[name] = value
    if run.threads:
        environment.setdefault(THREADS, str(run.threads))
    return environment


def read_record(root: Path, stage: str, *, since: float) -> dict[str, Any] | None:
    """The stage's run record, if it was written by a process that began after `since`.

    DVC hides a stage's exit code behind its own 255, so the stage leaves it here. Without a record
    the command did not run (DVC found nothing to do), or was killed.
    """
    path = Workspace(root).run_record(stage)
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        return None  # torn by a kill: the same as none
    return record if float(record.get("started", 0.0)) >= since else None


def worth_repeating(_task: Any, _task_run: Any, state: Any) -> bool:
    """Prefect's question after a failure. Only exit code 75 means that a repeat can help."""
    failure = state.data
    return isinstance(failure, StageFailedError) and failure.exit_code == EXIT_TRY_AGAIN


@task(
    name="stage",
    task_run_name="{stage.name}",
    cache_policy=NO_CACHE,
    persist_result=False,
    retry_condition_fn=worth_repeating,
    retry_delay_seconds=RETRY_DELAY_SECONDS,
)
def stage_task(stage: Stage, run: Run, fresh: bool) -> bool:
    """Run a stage with its output in the task's log; return whether its command ran.

    Args:
        fresh: the plan found neither the stage nor any above it changed, so that asking DVC
            again, which costs a second, could only give the same answer.
    """
    logger = get_run_logger()
    if fresh:
        logger.info("%s: fresh", stage.name)
        return False
    logger.info("%s: started", stage.name)
    begun = time.monotonic()
    try:
        ran = run_stage(stage, run, lambda line: logger.info("%s | %s", stage.name, line))
    except StageFailedError as error:
        again = ", may be tried again" if error.exit_code == EXIT_TRY_AGAIN else ""
        if error.exit_code != EXIT_INTERRUPTED:  # who ended it knows
            logger.error("%s: failed, exit code %d%s", stage.name, error.exit_code, again)
        raise
    done = "done" if ran else "unchanged, taken from the cache"
    logger.info("%s: %s in %.1f s", stage.name, done, time.monotonic() - begun)
    return ran


def _explain(
    stage: str, code: int, record: dict[str, Any] | None, said: list[str], root: Path
) -> StageFailedError:
    """What a failed `dvc repro` means: the stage's own code, a lock, or DVC's trouble."""
    if record is not None and record.get("exit_code"):
        own = int(record["exit_code"])
        return _failed(stage, own, f"ended with exit code {own}; its message is above", root)
    text = "\n".join(line for line in said if not line.startswith(("Running stage", "> ")))
    if any(sign in text for sign in LOCKED):
        return StageFailedError(
            stage,
            EXIT_TRY_AGAIN,
            f"stage {stage}: another DVC command holds what it needs",
            where=text,
            fix="wait for that command to end, or end it; then run again",
        )
    return _failed(stage, code, f"did not finish: {text.strip()}", root)


def _failed(stage: str, code: int, what: str, root: Path) -> StageFailedError:
    return StageFailedError(
        stage,
        code,
        f"stage {stage} {what}",
        where=str(root),
        fix="mend what it names and run again: finished stages are kept",
    )
