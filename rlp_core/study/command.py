"""`rlp study run` and `rlp study report`: what the command does, for `rlp_core.cli`."""

from __future__ import annotations

import shlex
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rlp_core import gpus, process
from rlp_core.errors import EXIT_INTERRUPTED, UsageError, did_you_mean
from rlp_core.stage import stage_names
from rlp_core.study import checks, finished, reading, workspaces
from rlp_core.study.config import StudyFile
from rlp_core.study.planned import StudyRun, planned, planned_folders
from rlp_core.study.runner import RunEnd, Runner, only_once, run_all

Say = Callable[[str], None]


@dataclass(frozen=True)
class RunOptions:
    """What is asked for on the command line.

    Attributes:
        seeds, variants: only these; none: all.
        folder: of the workspaces; None: `studies/NAME`.
        jobs: seeds side by side.
        until: stages to run to, in place of the study's own.
        runner: `dvc`, or `stages` where there is none.
    """

    seeds: tuple[int, ...] = ()
    variants: tuple[str, ...] = ()
    folder: Path | None = None
    jobs: int = 1
    until: tuple[str, ...] = ()
    runner: Literal["dvc", "stages"] = "dvc"


def run(root: Path, name: str, options: RunOptions, again: Sequence[str], say: Say) -> int:
    """Run a study, or go on with it; return the exit code.

    Args:
        root: the checkout.
        name: of the study, or its file.
        options: of the command line.
        again: the words of this command, to tell how to go on.
        say: is told what happens.

    Raises:
        RlpError: whatever can be known to go wrong before any run starts.
    """
    begun = time.monotonic()
    path, study, folder = opened(root, name, options.folder)
    runs = planned(study, root, folder, str(path), options.seeds, options.variants)
    _check_until(options.until)
    if options.runner == "dvc":
        checks.require_dvc()
    workspaces.check_folder(folder, root)
    checks.check_all(runs, root)
    if options.runner == "stages":
        runs = tuple(_untracked(one) for one in runs)
        say("without DVC: stage by stage, and nothing is logged to MLflow")
    with only_once(folder):
        cache = workspaces.shared_cache(root) if options.runner == "dvc" else None
        for one in runs:
            if workspaces.make(one, root, cache):
                finished.unmark(one)
        say(f"{study.title}: {len(runs)} runs in {folder}")
        runner = Runner(options.until, cache, say, planned_folders(study, folder))
        ends, interrupted = _until_all_end(runs, options.jobs, runner)
    _tell(runs, ends, say)
    failed = [end for end in ends if end.code != 0]
    if interrupted:
        say(f"interrupted; the same command goes on: {shlex.join(again)}")
        return EXIT_INTERRUPTED
    if failed:
        say(f"mend what is told above; the same command goes on: {shlex.join(again)}")
        return failed[0].code if 0 < failed[0].code < 256 else 1
    took = f"all finished after {time.monotonic() - begun:.0f} s"
    say(f"{took}; `rlp study report {name}` writes the page")
    return 0


def _until_all_end(
    runs: Sequence[StudyRun], jobs: int, runner: Runner
) -> tuple[list[RunEnd], bool]:
    """How the runs ended, and whether Ctrl-C or SIGTERM came before the last; then none is left."""
    ends: list[RunEnd] = []
    side_by_side = min(jobs, len({one.seed for one in runs}))
    process.allow_start()
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        for end in run_all(runs, side_by_side, gpus.visible_gpus(), runner):
            ends.append(end)
            how = "finished" if end.code == 0 else f"failed, exit code {end.code}"
            runner.say(f"{end.run.name}: {how} after {end.seconds:.0f} s")
    except KeyboardInterrupt:
        return ends, True
    finally:
        signal.signal(signal.SIGTERM, before)
    return ends, False


def opened(root: Path, name: str, folder: Path | None) -> tuple[Path, StudyFile, Path]:
    """The file of a study, what it holds, and the folder of its workspaces."""
    path = reading.find(root, name)
    study = reading.read(path)
    place = root / (folder or Path(reading.FOLDER, path.stem))
    return path, study, place.resolve()


def _tell(runs: Sequence[StudyRun], ends: Sequence[RunEnd], say: Say) -> None:
    """What was done, and the last lines of what failed."""
    done = [run.name for run in runs if finished.state(run) == "finished"]
    say(f"finished: {len(done)} of {len(runs)}" + (f" ({'; '.join(done)})" if done else ""))
    for end in ends:
        if end.code != 0:
            say(f"\n{end.run.name} failed, exit code {end.code}; its last lines:")
            for line in end.last:
                say(f"  {line}")
            say(f"  all of them: {end.run.folder / '.rlp' / 'study.log'}")


def _check_until(until: Sequence[str]) -> None:
    known = stage_names()
    for stage in until:
        if stage not in known:
            raise UsageError(
                f"no stage is called {stage!r}",
                where="--until",
                fix=f"{did_you_mean(stage, known)}known: {', '.join(known)}",
            )


def _untracked(run: StudyRun) -> StudyRun:
    import dataclasses

    tree = {**run.tree, "runtime": {**run.tree.get("runtime", {}), "tracking": False}}
    runtime = run.params.runtime.model_copy(update={"tracking": False})
    params = run.params.model_copy(update={"runtime": runtime})
    return dataclasses.replace(run, tree=tree, params=params)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt
