"""Runs the workspaces of a study: seeds side by side, the variants of a seed one after the other.

The variants of a seed begin with the same stages. In turn, the first computes them and the others
find them in the shared cache; side by side, all would compute them at once.
"""

from __future__ import annotations

import itertools
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rlp_core import process
from rlp_core.errors import EXIT_INTERRUPTED, RlpError, TryAgainError
from rlp_core.quiet import SWITCHES
from rlp_core.study import finished
from rlp_core.study.planned import StudyRun
from rlp_core.study.stages_runner import run_stages

Say = Callable[[str], None]

SHOWN_LINES = 30
"""Last lines of a run that failed, told again at the end; all of them are in its log."""


@dataclass(frozen=True)
class RunEnd:
    """How a run ended.

    Attributes:
        run: which.
        code: exit code, 0 where it is finished.
        seconds: wall time.
        last: its last lines.
    """

    run: StudyRun
    code: int
    seconds: float
    last: tuple[str, ...] = ()


Execute = Callable[[StudyRun, str | None], RunEnd]


@dataclass(frozen=True)
class Runner:
    """How a workspace is run.

    Attributes:
        until: stages to run to, in place of what the study says.
        cache: DVC's cache, shared; None: without DVC, stage by stage.
        say: is told what happens.
        folders: of all workspaces, one of which may have computed what another needs.
        variables: of the environment, beside what every run has.
        started: is told each process as it starts, by which it can be ended alone.
    """

    until: tuple[str, ...]
    cache: Path | None
    say: Say
    folders: tuple[Path, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    started: Callable[[process.ProcessTree], None] | None = None

    def __call__(self, run: StudyRun, gpu: str | None) -> RunEnd:
        """Bring one workspace, which `rlp_core.study.workspaces` made, up to date.

        Args:
            run: which.
            gpu: the one that it may see; None: whatever this process sees.
        """
        begun = time.monotonic()
        finished.unmark(run)
        heard = _Heard(run, self.say)
        try:
            with heard:
                environment = {**_environment(run, gpu), **self.variables}
                code = self._stages(run, environment, heard)
        except process.StoppedError:
            code = EXIT_INTERRUPTED
        except RlpError as error:
            heard.last.append(f"error: {error}")
            code = error.exit_code
        if code == 0:
            finished.mark(run, self.until or run.until)
        return RunEnd(run, code, time.monotonic() - begun, tuple(heard.last))

    def _stages(self, run: StudyRun, environment: dict[str, str], heard: _Heard) -> int:
        def command(words: list[str]) -> int:
            return process.run(
                words,
                cwd=run.folder,
                environment=environment,
                on_line=heard,
                time_limit=None,
                started=self.started,
            )

        until = self.until or run.until
        if self.cache is None:
            return run_stages(run.folder, run.params, until, command, heard, self.folders)
        return command([sys.executable, "-m", "dvc", "repro", *until])


def run_all(
    runs: Sequence[StudyRun], jobs: int, gpus: Sequence[str], execute: Execute
) -> Iterator[RunEnd]:
    """Run workspaces, and yield each as it ends. A run that fails does not keep others from theirs.

    Args:
        runs: seed by seed.
        jobs: seeds side by side, at most.
        gpus: of several each job is given one in turn; with none or one, all see the same.
        execute: brings one workspace up to date.
    """
    lines = [list(group) for _, group in itertools.groupby(runs, key=lambda run: run.seed)]
    free: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    for job in range(jobs):
        free.put(gpus[job % len(gpus)] if len(gpus) > 1 else None)
    ended: queue.SimpleQueue[RunEnd] = queue.SimpleQueue()
    stopping = threading.Event()

    def in_turn(line: Sequence[StudyRun]) -> None:
        gpu = free.get()
        try:
            for run in line:
                if not stopping.is_set():
                    ended.put(execute(run, gpu))
        finally:
            free.put(gpu)

    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(in_turn, line) for line in lines]
        try:
            yield from _as_they_end(futures, ended)
        except BaseException:  # Ctrl-C: no process may outlive the study
            stopping.set()
            for future in futures:
                future.cancel()
            process.end_all()
            raise


def _as_they_end(
    futures: Sequence[Future[None]], ended: queue.SimpleQueue[RunEnd]
) -> Iterator[RunEnd]:
    while True:
        open_ones = any(not future.done() for future in futures)
        try:
            yield ended.get(timeout=0.2)
        except queue.Empty:
            if not open_ones:
                break
    for future in as_completed(futures):
        future.result()  # raises what a thread died of


@contextmanager
def only_once(folder: Path) -> Iterator[None]:
    """Hold the folder of a study or sweep: two commands at once would run the same stages twice.

    Raises:
        TryAgainError: another process holds it.
    """
    import fcntl

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ".lock"
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TryAgainError(
                "this is running already",
                where=str(path),
                fix="wait for it to end, or end it; then run again",
            ) from None
        yield


class _Heard:
    """Takes the lines of a run: all into its log, what DVC says of stages to the terminal."""

    def __init__(self, run: StudyRun, say: Say) -> None:
        self.run, self.say = run, say
        self.last: list[str] = []
        self.log = run.folder / ".rlp" / "study.log"

    def __enter__(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.file = self.log.open("a", encoding="utf-8")

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def __call__(self, line: str) -> None:
        print(line, file=self.file, flush=True)
        self.last.append(line)
        del self.last[:-SHOWN_LINES]
        word, quote, rest = line.partition(" '")
        stage, _, what = rest.partition("'")
        if word == "Running stage":
            self.say(f"{self.run.name}: {stage}")
        elif word == "Stage" and quote:
            how = "from the cache" if "cached" in what else "unchanged"
            self.say(f"{self.run.name}: {stage}, {how}")


def _environment(run: StudyRun, gpu: str | None) -> dict[str, str]:
    """This interpreter first, the workspace's code, unbuffered lines, and the GPU of the job."""
    log = {"PYTHONUNBUFFERED": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    environment = {**SWITCHES, **os.environ, **log}
    interpreter = str(Path(sys.executable).parent)
    environment["PATH"] = os.pathsep.join([interpreter, environment.get("PATH", os.defpath)])
    paths = [str(run.folder), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    if gpu is not None:
        environment["CUDA_VISIBLE_DEVICES"] = gpu
    return environment
