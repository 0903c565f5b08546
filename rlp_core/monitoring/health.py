"""A run that watches itself: what is wrong, since when, and what to change (design, 4.7).

`Monitor` reads the metrics of every step and reports each finding once when it begins and once
when it ends. It holds JSON values alone, so a resumed run reports what an unbroken one would. It
changes nothing: the trainer asks `collapsed` and `well`, and acts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from rlp_core.errors import TrainingError
from rlp_core.monitoring.config import HealthConfig
from rlp_core.monitoring.health_checks import (
    HEALTH_CHECKS,
    ROUNDING,
    SMALLER_STEPS,
    CheckResult,
    HealthCheck,
    Metrics,
    RunSummary,
    Severity,
)

NON_FINITE = "non_finite"
NON_FINITE_RUN = "non_finite_steps"
NON_FINITE_ADVICE = (
    f"see what became non-finite first with `rlp replay`; then {SMALLER_STEPS}, or lower "
    "`rlp.optimizer.clip_norm`"
)
GRADIENT_WINDOWS = 10
"""Windows that the usual gradient norm is the median of."""


@dataclass(frozen=True)
class Finding:
    """Something about a run that a person should know.

    Attributes:
        name: stable; each has a section in docs/guides/when-a-run-is-unwell.md.
        severity: `note`, `warning`, or `collapse`, which ends the run.
        since: the step at which it was first seen, counted from 0.
        step: the step at which it is reported.
        message: what is seen, with numbers.
        advice: what to change.
        ended: it is over; `message` are those it began with.
    """

    name: str
    severity: Severity
    since: int
    step: int
    message: str
    advice: str
    ended: bool = False

    def __str__(self) -> str:
        if self.ended:
            return f"{self.name}: over at step {self.step}, seen since step {self.since}"
        return (
            f"{self.severity}: {self.name}, since step {self.since}: {self.message}. "
            f"Advice: {self.advice}"
        )


@dataclass
class _Watch:
    """How long a symptom has been seen, or not been seen; `found` while it is reported."""

    seen: int = 0
    unseen: int = 0
    since: int = 0
    found: Finding | None = None


@dataclass
class _Memory:
    """What is kept of a run: bounded, and finite numbers alone.

    `spreads` are the values of `reward_std` that the run's unit is the median of: those of the
    first window of steps whose rewards differed at all. Steps of equal rewards say nothing of the
    scale of the others.
    """

    first: list[dict[str, float]] = field(default_factory=list)
    spreads: list[float] = field(default_factory=list)
    recent: list[dict[str, float]] = field(default_factory=list)
    gradients: list[float] = field(default_factory=list)
    best: float | None = None
    bad_in_a_row: int = 0


class Monitor:
    """Watches the metrics of a run, step by step."""

    def __init__(
        self,
        settings: HealthConfig | None = None,
        checks: Sequence[HealthCheck] = HEALTH_CHECKS,
        non_finite_advice: str = NON_FINITE_ADVICE,
    ) -> None:
        """Begin.

        Args:
            settings: every limit; None: all defaults.
            checks: what is looked at, in order of severity.
            non_finite_advice: what to change where steps are not finite.
        """
        self.settings = settings or HealthConfig()
        self.checks, self.non_finite_advice = checks, non_finite_advice
        self._memory = _Memory()
        self._watches: dict[str, _Watch] = {}

    def observe(self, step: int, metrics: Metrics) -> list[Finding]:
        """Read one step's metrics; return what begins and what ends with it.

        Args:
            step: its number, counted from 0; each step once, in order.
            metrics: `information_gain`, `reward_std`, `thought_tokens`, `thought_tokens_std`,
                `forced`, `entropy`, `grad_norm`, `positive`, `loss`, `skipped` (1 for a step
                whose update was not made). Any may be absent; other keys matter only where they
                are not finite. A step with a non-finite value, or skipped, is left out of all
                medians.
        """
        bad = non_finite(metrics)
        left_out = bool(bad) or metrics.get("skipped", 0.0) > 0
        self._memory.bad_in_a_row = self._memory.bad_in_a_row + 1 if left_out else 0
        changes = list(self._watch_non_finite(step, bad, left_out))
        if left_out:
            return changes
        usual = median(self._memory.gradients) if self._memory.gradients else None
        self._remember(metrics)
        view = self._view(metrics, usual)
        if view is None:
            return changes
        for check in self.checks:
            wait = 1 if check.wait == "now" else int(getattr(self.settings, check.wait))
            sign = check.look(view, self.settings)
            changes += self._watch(check.name, step, sign, check.advice, wait)
        return changes

    @property
    def active(self) -> list[Finding]:
        """What has begun and not ended, the worst first."""
        order = ("collapse", "warning", "note")
        found = [watch.found for watch in self._watches.values() if watch.found is not None]
        return sorted(found, key=lambda finding: (order.index(finding.severity), finding.since))

    @property
    def collapsed(self) -> Finding | None:
        """The finding that should end the run, or None."""
        worst = next(iter(self.active), None)
        return worst if worst is not None and worst.severity == "collapse" else None

    @property
    def well(self) -> bool:
        """Whether the state after this step is one to go back to.

        Not while a fall is seen or may be beginning: a gain half-way to a collapse in the last
        step alone is enough, for a median lags behind.
        """
        memory = self._memory
        falls = ("gain_collapsed", "collapsed_to_empty", "gain_falls", "empty_thoughts")
        suspected = any(self._watches[name].seen for name in falls if name in self._watches)
        gain = memory.recent[-1].get("information_gain") if memory.recent else None
        references = [row["information_gain"] for row in memory.first if "information_gain" in row]
        best = memory.best if memory.best is not None else max(references, default=None)
        low = False
        if gain is not None and best is not None and (unit := self._unit()) is not None:
            low = gain < best - self.settings.collapse / 2 * unit
        return not (suspected or low or memory.bad_in_a_row or self.collapsed)

    def state(self) -> dict[str, Any]:
        """All that was remembered, as JSON values."""
        return {
            "memory": asdict(self._memory),
            "watches": {name: asdict(watch) for name, watch in self._watches.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave, under the same settings."""
        self._memory = _Memory(**state["memory"])
        self._watches = {}
        for name, saved in state["watches"].items():
            found = saved["found"]
            self._watches[name] = _Watch(
                saved["seen"], saved["unseen"], saved["since"], Finding(**found) if found else None
            )

    def _remember(self, metrics: Metrics) -> None:
        memory, window = self._memory, self.settings.window
        row = dict(metrics)
        if len(memory.first) < window:
            memory.first.append(row)
        if len(memory.spreads) < window and row.get("reward_std", 0.0) > ROUNDING:
            memory.spreads.append(row["reward_std"])
        memory.recent = [*memory.recent, row][-window:]
        if "grad_norm" in row:
            memory.gradients = [*memory.gradients, row["grad_norm"]][-GRADIENT_WINDOWS * window :]
        # the first few steps count too: a fast collapse is over when the first window is
        begun = len(memory.first) == self.settings.hold and len(memory.recent) < window
        gain = medians(memory.recent).get("information_gain")
        if (begun or len(memory.recent) == window) and gain is not None:
            memory.best = gain if memory.best is None else max(memory.best, gain)

    def _view(self, last: Metrics, usual: float | None) -> RunSummary | None:
        """The run so far; None in the first window, of which nothing can be said."""
        memory = self._memory
        if len(memory.recent) < self.settings.window:
            return None
        first, now = medians(memory.first), medians(memory.recent)
        return RunSummary(first, now, last, memory.best, usual, self._unit())

    def _unit(self) -> float | None:
        """Nats of one spread; None before a whole window of them is known."""
        spreads = self._memory.spreads
        return median(spreads) if len(spreads) == self.settings.window else None

    def _watch(
        self, name: str, step: int, sign: CheckResult | None, advice: str, wait: int
    ) -> Iterable[Finding]:
        """Count a symptom's steps; report it when seen `wait` times in a row.

        It ends when it was not seen for a whole window: what flickers is reported once.
        """
        watch = self._watches.setdefault(name, _Watch())
        if sign is None:
            watch.seen, watch.unseen = 0, watch.unseen + 1
            if watch.found is not None and watch.unseen >= self.settings.window:
                over, watch.found = watch.found, None
                told = asdict(over) | {"step": step, "ended": True}
                yield Finding(**told)
            return
        if watch.seen == 0 and watch.found is None:
            watch.since = step
        watch.seen, watch.unseen = watch.seen + 1, 0
        if watch.found is None and watch.seen >= wait:
            watch.found = Finding(name, sign.severity, watch.since, step, sign.message, advice)
            yield watch.found

    def _watch_non_finite(self, step: int, bad: Sequence[str], left_out: bool) -> Iterable[Finding]:
        what = f"not finite: {', '.join(bad)}" if bad else "the step was skipped"
        many = f"{self._memory.bad_in_a_row} steps in a row could not be made; {what}"
        once = CheckResult("warning", f"{what}; its update was not made") if left_out else None
        run = CheckResult("collapse", many) if left_out else None
        advice = self.non_finite_advice
        yield from self._watch(NON_FINITE, step, once, advice, 1)
        yield from self._watch(NON_FINITE_RUN, step, run, advice, self.settings.non_finite)


def non_finite(metrics: Metrics) -> list[str]:
    """Names of the metrics that are NaN or infinite, in their order."""
    return [name for name, value in metrics.items() if not math.isfinite(value)]


def medians(rows: Sequence[Metrics]) -> dict[str, float]:
    """The median of every metric over the rows that have it."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: median(row[name] for row in rows if name in row) for name in names}


def stopped(finding: Finding, good: str | None) -> TrainingError:
    """The error that ends a collapsed run.

    Args:
        finding: `Monitor.collapsed`.
        good: the last good checkpoint and its step, in words; None where none was kept.
    """
    kept = f"last good checkpoint: {good}" if good else "no good checkpoint was kept"
    return TrainingError(
        f"the run has collapsed ({finding.name}), seen since step {finding.since}: "
        f"{finding.message}",
        where=f"step {finding.step}; {kept}",
        fix=f"{finding.advice}. docs/guides/when-a-run-is-unwell.md says more",
    )
