"""`rlp sweep run`: what the command does, for `rlp_core.cli` and for the flow."""

from __future__ import annotations

import shlex
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rlp_core import gpus, process
from rlp_core.errors import EXIT_INTERRUPTED, ConfigError, UnavailableError
from rlp_core.study import checks, workspaces
from rlp_core.study.finished import deciding, same
from rlp_core.study.runner import Runner, only_once
from rlp_core.sweep import reading
from rlp_core.sweep.planned import SHARED, SweepPlan, plan, trial_name
from rlp_core.sweep.running import SweepRunner, told_value, without_tracking
from rlp_core.sweep.trials import ENDED, State, TrialRecord, Trials, open_trials, require_optuna
from rlp_core.tracking import SweepRuns
from rlp_core.tracking.sweep_runs import End
from rlp_core.workspace import Workspace

Say = Callable[[str], None]

ASKED, PARAMETERS, KEY = "asked", "parameters", "key"
"""What is kept with the trials: the deciding part of the sweep file, all parameters, and a name of
these trials alone, by which MLflow finds their runs again."""

_FREE = ("title", "trials", "jobs")
"""Keys of a sweep file that may change between two commands: no trial depends on them."""


@dataclass(frozen=True)
class SweepOptions:
    """What is asked for on the command line.

    Attributes:
        jobs: trials side by side, in place of what the sweep says.
        retry_failed: run trials again that died.
        runner: `dvc`, or `stages` where there is none.
    """

    jobs: int | None = None
    retry_failed: bool = False
    runner: Literal["dvc", "stages"] = "dvc"


def opened(root: Path, name: str) -> SweepPlan:
    """A sweep by its name, held against the checkout.

    Raises:
        UsageError: there is none.
        ConfigError: it cannot be.
    """
    path = reading.find(root, name)
    return plan(reading.read(path), path, root, (root / reading.FOLDER / name).resolve())


def journal(root: Path, name: str) -> Path:
    """Where the trials of a sweep are kept."""
    return Workspace(root).private / "sweeps" / f"{name}.journal"


def run(root: Path, name: str, options: SweepOptions, again: Sequence[str], say: Say) -> int:
    """Run a sweep, or go on with it; return the exit code.

    Trials that die are told, and the others go on: the code is 0 where at least one is finished.

    Args:
        root: the checkout.
        name: of the sweep.
        options: of the command line.
        again: the words of this command, to tell how to go on.
        say: is told what happens.

    Raises:
        RlpError: whatever can be known to go wrong before any trial starts; or that the stages
            which all trials share, or the metric, are at fault.
    """
    begun = time.monotonic()
    require_optuna()
    planned = opened(root, name)
    if options.runner == "dvc":
        checks.require_dvc()
    workspaces.check_folder(planned.folder, root)
    checks.check_all(planned.probes, root)
    if options.runner == "stages":
        planned = without_tracking(planned)
        say("without DVC: stage by stage, and nothing is logged to MLflow")
    with only_once(planned.folder):
        trials = _trials(planned, journal(root, name), say)
        _begin(planned, trials, options, say)
        interrupted = False
        if trials.left():
            interrupted = _run_what_is_left(planned, trials, name, options, say)
        records = trials.records()
        _tell(trials, records, planned, say)
    if interrupted:
        say(f"interrupted; the same command goes on: {shlex.join(again)}")
        return EXIT_INTERRUPTED
    say(f"all trials ended after {time.monotonic() - begun:.0f} s; `rlp sweep report {name}`")
    return 0 if any(record.state == "finished" for record in records) else 1


def _trials(planned: SweepPlan, path: Path, say: Say) -> Trials:
    """The journal, if its trials were asked for as the sweep says now.

    Raises:
        ConfigError: they were asked for otherwise, and some are finished.
    """
    asked = planned.sweep.model_dump(mode="json", exclude=set(_FREE))
    params = planned.probes[0].params
    trials = open_trials(path, planned.sweep, say)
    if kept := trials.kept:
        before = kept.get(ASKED, {})
        differs = [key for key in asked if before.get(key) != asked[key]]
        if not differs and not same(kept.get(PARAMETERS), params, str(path)):
            differs = [f"profile {planned.sweep.profile}"]
        done = sum(record.state == "finished" for record in trials.records())
        if not differs:
            return trials
        if done:
            raise ConfigError(
                f"{done} trials are finished, and were asked for otherwise: another "
                + ", ".join(f"`{key}`" for key in differs),
                where=f"{planned.path}, and {path}",
                fix="take the change back, or save it as another sweep; to forget these trials "
                f"remove {path}",
            )
        say(f"another {', '.join(differs)}, and no trial is finished: the sweep begins anew")
        path.unlink()
        trials = open_trials(path, planned.sweep, say)
    trials.keep(KEY, uuid.uuid4().hex)
    trials.keep(ASKED, asked)
    trials.keep(PARAMETERS, deciding(params))
    return trials


def _begin(planned: SweepPlan, trials: Trials, options: SweepOptions, say: Say) -> None:
    """Queue what is to be run first, and say what the sweep will do."""
    sweep = planned.sweep
    taken, lost = trials.take_up()
    again = trials.queue_failed() if options.retry_failed else ()
    trials.queue_grid()
    ended = Counter(record.state for record in trials.records())
    say(f"{sweep.title}: {sweep.size} trials in {planned.folder}")
    say(f"all trials share: {', '.join(planned.shared) or 'nothing'}")
    say(f"each runs: {', '.join(planned.own)}")
    if any(ended[state] for state in ENDED):
        say(f"ended before: {_counted(ended)}")
    for what, numbers in (("were under way, and go on", taken), ("died, and run again", again)):
        if numbers:
            say(f"{len(numbers)} {what}: {', '.join(map(trial_name, numbers))}")
    if lost:
        say(f"{lost} were being drawn when the sweep was killed; they are drawn again")


def _run_what_is_left(
    planned: SweepPlan, trials: Trials, name: str, options: SweepOptions, say: Say
) -> bool:
    """Run, within the sweep's run in MLflow; whether Ctrl-C came before the end."""
    cache = workspaces.shared_cache(planned.root) if options.runner == "dvc" else None
    names = (SHARED, *map(trial_name, range(planned.sweep.size)))
    folders = tuple(planned.folder / name for name in names)
    root, params = Workspace(planned.root), planned.common().params
    runs = SweepRuns(root, params, name, trials.kept[KEY])
    jobs = options.jobs or planned.sweep.jobs
    runner = Runner((), cache, say, folders)
    status: End = "KILLED"
    try:
        interrupted = _until_all_end(
            SweepRunner(planned, trials, runner, jobs, runs, gpus.visible_gpus())
        )
        status = "KILLED" if interrupted else "FINISHED"
    except Exception:
        status = "FAILED"
        raise
    finally:
        best = trials.best()
        metric = planned.sweep.metric.name
        value = None if best is None else best.value
        runs.close(status, {} if value is None else {metric: value})
    return interrupted


def _until_all_end(runner: SweepRunner) -> bool:
    """Run what all trials share, then the trials; whether Ctrl-C came before the end.

    Raises:
        UnavailableError: what all trials share did not come to its end.
    """
    process.allow_start()
    try:
        end = runner.shared()
        if end is not None and end.code != 0:
            told = "\n  ".join(["its last lines:", *end.last])
            raise UnavailableError(
                f"what all trials share failed, exit code {end.code}; {told}",
                where=str(end.run.folder / ".rlp" / "study.log"),
                fix="mend what is told above; the same command goes on",
            )
        runner.all_trials()
    except KeyboardInterrupt:
        return True
    return False


def _counted(states: Counter[State]) -> str:
    told = f"{states['finished']} finished, {states['failed']} died"
    return f"{told}, {states['pruned']} pruned" if states["pruned"] else told


def _tell(trials: Trials, records: Sequence[TrialRecord], planned: SweepPlan, say: Say) -> None:
    """How many trials ended in which way, and the best."""
    states = Counter(record.state for record in records)
    say(f"of {planned.sweep.size} trials: {_counted(states)}, {trials.left()} to go")
    for record in records:
        if record.state == "failed":
            first = record.reason.splitlines()[:1]
            log = planned.folder / trial_name(record.number) / ".rlp" / "study.log"
            say(f"  {trial_name(record.number)} died: {' '.join(first)}; all it said: {log}")
    best = trials.best()
    if best is not None:
        told = ", ".join(f"{key} = {told_value(value)}" for key, value in best.values.items())
        metric = planned.sweep.metric.name
        say(f"best: {trial_name(best.number)}, {metric} {best.value:.6g}, with {told}")
