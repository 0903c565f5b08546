"""Runs the trials of a sweep: so many side by side, each in its workspace, whatever becomes of one.

Optuna's journal is written by the main thread alone; threads of a pool only wait for processes.
"""

from __future__ import annotations

import dataclasses
import json
import math
import queue
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlp_core import process
from rlp_core.errors import ConfigError, did_you_mean
from rlp_core.study import workspaces
from rlp_core.study.planned import StudyRun
from rlp_core.study.runner import RunEnd, Runner
from rlp_core.sweep.config import SweepMetric
from rlp_core.sweep.planned import SweepPlan, trial_name
from rlp_core.sweep.pruning import Watch
from rlp_core.sweep.trials import NUMBER, VALUES, Trials
from rlp_core.tracking import SweepRuns, tracking_uri
from rlp_core.workspace import Workspace

if TYPE_CHECKING:
    from optuna import Trial

Say = Callable[[str], None]

LOOK_SECONDS = 0.5
"""Between looks at the trials that are under way."""

REASON_LINES = 3
"""Last lines of a trial that died, kept with it; all of them are in the log of its workspace."""


@dataclass(frozen=True)
class UnderWay:
    """A trial whose processes run.

    Attributes:
        trial: Optuna's.
        run: its workspace and parameters.
        future: of the thread that waits for it.
        watch: may end it early; None: the sweep prunes none.
    """

    trial: Trial
    run: StudyRun
    future: Future[RunEnd]
    watch: Watch | None


@dataclass(frozen=True)
class SweepRunner:
    """How the trials of a sweep are run.

    Attributes:
        plan: the sweep.
        trials: its journal.
        runner: brings a workspace up to date.
        jobs: trials side by side, at most.
        runs: its runs in MLflow.
        gpus: of several each trial is given one in turn; with none or one, all see the same.
    """

    plan: SweepPlan
    trials: Trials
    runner: Runner
    jobs: int
    runs: SweepRuns
    gpus: Sequence[str] = ()

    def shared(self) -> RunEnd | None:
        """Compute what all trials have in common; None where there is nothing.

        Raises:
            OutputError: its workspace cannot be made.
        """
        if not self.plan.shared:
            return None
        run = self.plan.common()
        workspaces.make(run, self.plan.root, self.runner.cache)
        gpu = self.gpus[0] if len(self.gpus) > 1 else None
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(self._below(self.runs.parent), run, gpu)
            try:
                while not future.done():  # in short waits, so that Ctrl-C is heard
                    wait([future], LOOK_SECONDS)
            except BaseException:
                process.end_all()
                raise
            return future.result()

    def all_trials(self) -> None:
        """Run trials until the sweep has all; one that dies is told, and the others go on.

        Raises:
            ConfigError: what is judged is not among the numbers of its stage: no trial has it.
            KeyboardInterrupt: Ctrl-C; what runs is ended, and goes on the next time.
        """
        free: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        for job in range(self.jobs):
            free.put(self.gpus[job % len(self.gpus)] if len(self.gpus) > 1 else None)
        under_way: list[UnderWay] = []
        with ThreadPoolExecutor(self.jobs) as pool:
            try:
                while True:
                    self._fill(under_way, pool, free)
                    if not under_way:
                        return
                    futures = [one.future for one in under_way]
                    wait(futures, LOOK_SECONDS, FIRST_COMPLETED)
                    for one in under_way:
                        if one.watch is not None:
                            one.watch.look()
                    for one in [one for one in under_way if one.future.done()]:
                        under_way.remove(one)
                        self._end(one, one.future.result())
            except BaseException:  # no process may outlive the sweep
                process.end_all()
                raise

    def _fill(
        self,
        under_way: list[UnderWay],
        pool: ThreadPoolExecutor,
        free: queue.SimpleQueue[str | None],
    ) -> None:
        while len(under_way) < self.jobs and (trial := self.trials.ask()) is not None:
            started = self._start(trial, pool, free)
            if started is not None:
                under_way.append(started)

    def _start(
        self, trial: Trial, pool: ThreadPoolExecutor, free: queue.SimpleQueue[str | None]
    ) -> UnderWay | None:
        """Make the workspace of a trial, and start it; None where its parameters cannot be."""
        number, values = trial.user_attrs[NUMBER], trial.user_attrs[VALUES]
        try:
            run = self.plan.trial(number, values)
        except ConfigError as error:
            self._failed(trial, str(error))
            return None
        workspaces.make(run, self.plan.root, self.runner.cache)
        told = ", ".join(f"{key} = {told_value(value)}" for key, value in values.items())
        self.runner.say(f"{trial_name(number)}, of {self.plan.sweep.size}: {told}")

        settings = self.plan.sweep.pruner
        watch = None
        if settings is not None:
            watch = Watch(trial, settings, run.folder, str(self.plan.path))
        title, given = trial_name(number), {key: str(value) for key, value in values.items()}
        below = self._below(self.runs.begin(number, title, given))
        runner = dataclasses.replace(below, started=watch.started if watch else None)

        def work() -> RunEnd:
            gpu = free.get()
            try:
                return runner(run, gpu)
            finally:
                free.put(gpu)

        return UnderWay(trial, run, pool.submit(work), watch)

    def _below(self, run_id: str | None) -> Runner:
        """The runner whose stages' runs are children of a run, in the store of the checkout."""
        variables = {"MLFLOW_TRACKING_URI": tracking_uri(Workspace(self.plan.root))}
        if run_id is not None:
            variables["RLP_PARENT_RUN_ID"] = run_id
        return dataclasses.replace(self.runner, variables=variables)

    def _end(self, one: UnderWay, end: RunEnd) -> None:
        """Tell the journal how a trial ended."""
        watch = one.watch
        if watch is not None and (watch.pruned_at or (end.code == 0 and watch.finish())):
            self._pruned(one, watch)
            return
        if end.code != 0:
            self._failed(one.trial, _reason(end))
            return
        value = value_of(one.run.folder, self.plan.sweep.metric, str(self.plan.path))
        name = trial_name(one.trial.user_attrs[NUMBER])
        if not math.isfinite(value):
            self._failed(one.trial, f"{self.plan.sweep.metric.name} is {value}, which is no number")
            return
        self.trials.tell(one.trial, value)
        number = one.trial.user_attrs[NUMBER]
        self.runs.end(number, "FINISHED", {self.plan.sweep.metric.name: value})
        self.runner.say(
            f"{name}: {self.plan.sweep.metric.name} {value:.6g} after {end.seconds:.0f} s"
        )

    def _pruned(self, one: UnderWay, watch: Watch) -> None:
        """A trial was worse than others: it never goes on, and its checkpoints have no use."""
        self.trials.tell_pruned(one.trial)
        shutil.rmtree(Workspace(one.run.folder).private / "scratch", ignore_errors=True)
        name = trial_name(one.trial.user_attrs[NUMBER])
        why = f"pruned, by {watch.settings.column} at step {watch.pruned_at}"
        self.runs.end(one.trial.user_attrs[NUMBER], "KILLED", {}, why)
        self.runner.say(f"{name}: {why}")

    def _failed(self, trial: Trial, reason: str) -> None:
        self.trials.tell_failed(trial, reason)
        self.runs.end(trial.user_attrs[NUMBER], "FAILED", {}, reason)
        lines = reason.splitlines()
        self.runner.say("\n  ".join([f"{trial_name(trial.user_attrs[NUMBER])}: died", *lines]))


def without_tracking(plan: SweepPlan) -> SweepPlan:
    """The sweep with nothing logged to MLflow."""
    runtime = {**plan.tree.get("runtime", {}), "tracking": False}
    return dataclasses.replace(plan, tree={**plan.tree, "runtime": runtime})


def value_of(folder: Path, metric: SweepMetric, where: str) -> float:
    """The metric of a run that came to its end.

    Args:
        folder: its workspace.
        metric: what is judged.
        where: the sweep file, for messages.

    Raises:
        ConfigError: the stage does not measure it.
    """
    path = Workspace(folder).report(metric.stage) / "metrics.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if metric.name not in found:
        names = sorted(found)
        raise ConfigError(
            f"stage {metric.stage} measures no {metric.name!r}",
            where=f"{where}, key metric.name; {path}",
            fix=f"{did_you_mean(metric.name, names)}it measures: {', '.join(names)}",
        )
    value = found[metric.name]
    return math.nan if value is None else float(value)


def told_value(value: Any) -> str:
    """A value of the space as a person reads it."""
    return f"{value:.6g}" if isinstance(value, float) else json.dumps(value)


def _reason(end: RunEnd) -> str:
    lines = [line for line in end.last if line.strip()]
    start = next((n for n, line in enumerate(lines) if line.startswith("error in stage")), None)
    said = lines[start : start + REASON_LINES] if start is not None else lines[-REASON_LINES:]
    return "\n".join([f"exit code {end.code}", *said])
