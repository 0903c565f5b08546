"""The trials of a sweep, as Optuna keeps them: a journal that only grows, so a kill loses nothing.

A trial that was under way when its process was killed goes on as a new attempt: Optuna's record of
the first ends as failed, and one with the same values is put in front. What is told as trial N is
N of the distinct sets of values; attempts are counted beside.

Numbers are drawn by (seed, number of the trial), so that a sweep that was stopped draws what it
would have drawn: one that runs a trial at a time ends as if it had never been stopped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rlp_core.errors import MissingInputError, UnavailableError
from rlp_core.sweep.config import (
    Choices,
    FloatRange,
    IntRange,
    RandomSampler,
    SweepFile,
    SweepPruner,
    TpeSampler,
)
from rlp_core.sweep.planned import grid

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.distributions import BaseDistribution
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

State = Literal["waiting", "under way", "finished", "pruned", "failed"]
ENDED: tuple[State, ...] = ("finished", "pruned", "failed")
NUMBER, VALUES, REASON = "trial", "values", "reason"
"""Attributes of Optuna's records: the trial's number here, its values, and why it failed."""

_STUDY = "sweep"


@dataclass(frozen=True)
class TrialRecord:
    """A trial as it stands.

    Attributes:
        number: from 0.
        state: of its last attempt.
        values: of the parameters of the space.
        value: of the metric, where it is finished.
        reason: why it failed; else empty.
        attempts: how often it was begun.
        at_steps: what it had reported at which step.
    """

    number: int
    state: State
    values: Mapping[str, Any]
    value: float | None
    reason: str
    attempts: int
    at_steps: Mapping[int, float]


class Trials:
    """The trials of a sweep; for one process at a time, and of it one thread."""

    def __init__(self, study: Study, sweep: SweepFile) -> None:
        self.study, self.sweep = study, sweep
        self.domains = {key: _domain(of) for key, of in sweep.space.items()}
        self.study.pruner = _pruner(sweep.pruner)

    @property
    def kept(self) -> dict[str, Any]:
        """What was kept with the trials by `keep`."""
        return dict(self.study.user_attrs)

    def keep(self, name: str, value: Any) -> None:
        """Keep something that JSON can hold with the trials."""
        self.study.set_user_attr(name, value)

    def queue_grid(self) -> None:
        """Put all combinations of a grid in front, those that are there already left out."""
        there = {record.number for record in self.records()}
        for number, values in enumerate(grid(self.sweep)):
            if number not in there:
                self._queue(number, values)

    def take_up(self) -> tuple[tuple[int, ...], int]:
        """End the attempts that a dead process left under way, and queue them again.

        Returns:
            The trials that go on, and how many records had not all values yet.
        """
        from optuna.trial import TrialState

        taken, lost = [], 0
        for trial in self.study.get_trials(states=(TrialState.RUNNING,)):
            self.study.tell(trial.number, state=TrialState.FAIL)
            if VALUES in trial.user_attrs:
                self._queue(trial.user_attrs[NUMBER], trial.user_attrs[VALUES])
                taken.append(trial.user_attrs[NUMBER])
            else:
                lost += 1
        return tuple(sorted(taken)), lost

    def queue_failed(self) -> tuple[int, ...]:
        """Queue every trial again whose last attempt failed; returns their numbers."""
        failed = [record for record in self.records() if record.state == "failed"]
        for record in failed:
            self._queue(record.number, record.values)
        return tuple(record.number for record in failed)

    def _queue(self, number: int, values: Mapping[str, Any]) -> None:
        values = dict(values)
        self.study.enqueue_trial(values, {NUMBER: number, VALUES: values})

    def ask(self) -> Trial | None:
        """The next trial, queued or drawn; None where the sweep has all."""
        records = self.records()
        if not any(record.state == "waiting" for record in records):
            if len(records) >= self.sweep.size:
                return None
            self.study.sampler = _sampler(self.sweep, len(records))
        trial = self.study.ask(self.domains)
        if NUMBER not in trial.user_attrs:
            trial.set_user_attr(NUMBER, len(records))
            trial.set_user_attr(VALUES, trial.params)  # last: with it the trial is whole
        return trial

    def tell(self, trial: Trial, value: float) -> None:
        """A trial came to its end, with a value that is a number."""
        self.study.tell(trial, value)

    def tell_pruned(self, trial: Trial) -> None:
        """A trial was ended early."""
        from optuna.trial import TrialState

        self.study.tell(trial, state=TrialState.PRUNED)

    def tell_failed(self, trial: Trial, reason: str) -> None:
        """A trial died."""
        from optuna.trial import TrialState

        trial.set_user_attr(REASON, reason)
        self.study.tell(trial, state=TrialState.FAIL)

    def records(self) -> list[TrialRecord]:
        """Every trial, by number."""
        return list(_records(self.study.get_trials(deepcopy=False), tuple(self.sweep.space)))

    def left(self) -> int:
        """How many trials of the sweep have not ended yet, drawn or not."""
        ended = sum(record.state in ENDED for record in self.records())
        return self.sweep.size - ended

    def best(self) -> TrialRecord | None:
        """The finished trial with the best value; of equal ones the first."""
        done = [record for record in self.records() if record.value is not None]
        sign = -1 if self.sweep.metric.direction == "maximize" else 1
        return min(done, key=lambda of: (sign * (of.value or 0.0), of.number), default=None)


def open_trials(path: Path, sweep: SweepFile, say: Callable[[str], None]) -> Trials:
    """Open the journal of a sweep to write on, or begin one; only one process may at a time.

    Args:
        path: of the journal.
        sweep: as read.
        say: is told of a line that a kill cut short.

    Raises:
        UnavailableError: Optuna is not installed.
    """
    require_optuna()
    import optuna

    path.parent.mkdir(parents=True, exist_ok=True)
    if cut := _without_half_a_line(path):
        say(f"{path.name}: {cut} bytes of a half-written line are left out")
    path.with_name(f"{path.name}.lock").unlink(missing_ok=True)  # of a process that was killed
    study = optuna.create_study(
        study_name=_STUDY,
        storage=_storage(path),
        direction=sweep.metric.direction,
        load_if_exists=True,
    )
    return Trials(study, sweep)


def read_trials(path: Path, sweep: SweepFile) -> Trials:
    """Open the journal of a sweep to read, whoever is writing on it.

    Raises:
        UnavailableError: Optuna is not installed.
        MissingInputError: there is no journal.
    """
    require_optuna()
    import optuna

    if not path.is_file():
        raise MissingInputError(
            "no trial of the sweep was begun",
            where=str(path),
            fix="`rlp sweep run NAME` makes them",
        )
    return Trials(optuna.load_study(study_name=_STUDY, storage=_storage(path)), sweep)


def _storage(path: Path) -> BaseStorage:
    import optuna
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.storages.JournalStorage(JournalFileBackend(str(path)))


def require_optuna() -> None:
    """See that Optuna is installed.

    Raises:
        UnavailableError: it is not.
    """
    from importlib.util import find_spec

    if find_spec("optuna") is None:
        raise UnavailableError(
            "Optuna is not installed, which draws and keeps the trials of a sweep",
            where="import optuna",
            fix="pip install 'rlp[sweep]'; in a checkout `make install`",
        )


def _without_half_a_line(path: Path) -> int:
    """Cut what a killed process wrote behind the last whole line; returns how many bytes."""
    if not path.is_file():
        return 0
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with path.open("r+b") as journal:
            journal.truncate(whole)
    return len(content) - whole


def _records(trials: Sequence[FrozenTrial], keys: Sequence[str]) -> Iterator[TrialRecord]:
    from optuna.trial import TrialState

    states: dict[TrialState, State] = {
        TrialState.WAITING: "waiting",
        TrialState.RUNNING: "under way",
        TrialState.COMPLETE: "finished",
        TrialState.PRUNED: "pruned",
        TrialState.FAIL: "failed",
    }
    attempts: dict[int, list[FrozenTrial]] = {}
    for trial in trials:
        if VALUES in trial.user_attrs:
            attempts.setdefault(trial.user_attrs[NUMBER], []).append(trial)
    for number, of in sorted(attempts.items()):
        last = of[-1]
        values, state = last.user_attrs[VALUES], states[last.state]
        yield TrialRecord(
            number,
            state,
            {key: values[key] for key in keys},
            last.value if state == "finished" else None,
            last.user_attrs.get(REASON, "") if state == "failed" else "",
            sum(one.state != TrialState.WAITING for one in of),
            dict(last.intermediate_values),
        )


def _domain(domain: FloatRange | IntRange | Choices) -> BaseDistribution:
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if isinstance(domain, Choices):
        return CategoricalDistribution(domain.values)
    if isinstance(domain, IntRange):
        return IntDistribution(domain.low, domain.high, log=domain.log, step=domain.step)
    return FloatDistribution(domain.low, domain.high, log=domain.log)


def _pruner(settings: SweepPruner | None) -> BasePruner:
    from optuna import pruners

    if settings is None:
        return pruners.NopPruner()
    return pruners.PercentilePruner(
        settings.percentile, settings.startup_trials, settings.warmup_steps
    )


def _sampler(sweep: SweepFile, number: int) -> BaseSampler:
    """The sampler of one trial."""
    from optuna import samplers

    settings = sweep.sampler
    if isinstance(settings, TpeSampler):
        seed = _seed(settings.seed, number)
        return samplers.TPESampler(
            n_startup_trials=settings.startup_trials, seed=seed, constant_liar=sweep.jobs > 1
        )
    assert isinstance(settings, RandomSampler)  # a grid is queued as a whole
    return samplers.RandomSampler(seed=_seed(settings.seed, number))


def _seed(seed: int, number: int) -> int:
    """32 bits, which is what Optuna takes."""
    digest = hashlib.sha256(f"{seed}/{number}".encode()).digest()
    return int.from_bytes(digest[:4], "big")
