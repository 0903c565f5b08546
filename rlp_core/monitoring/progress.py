"""What a person sees of a loop, and what is kept of it.

On a terminal a bar with tokens per second and the time left; elsewhere a plain line now and then.
The rows of `steps.csv` hold no time: DVC tracks them, and equal runs must give equal bytes.
"""

from __future__ import annotations

import csv
import io
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, Protocol

from tqdm import tqdm

from rlp_core.files import write_text
from rlp_core.training.checkpoint import State


class MetricSink(Protocol):
    """What takes metrics as they come: an experiment tracker."""

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Take the metrics of a step, counted from 1; None: of the whole run."""

    def flush(self) -> None:
        """Send what is held back."""


class StepLog:
    """Collects the metrics of every step, shows them, and sends them to the tracker."""

    def __init__(self, name: str, total: int, sink: MetricSink | None, log_every: int) -> None:
        """Begin.

        Args:
            name: the stage, shown before every line.
            total: steps to come.
            sink: gets every step's metrics and the speed; None: nobody does.
            log_every: steps between plain lines.
        """
        self.name, self.total, self.sink, self.log_every = name, total, sink, log_every
        self.rows: list[dict[str, float]] = []
        self.restored = 0
        self.started = self.last = time.perf_counter()
        self.bar = (
            tqdm(total=total, desc=name, unit="step", dynamic_ncols=True)
            if sys.stderr.isatty()
            else None
        )

    def step(
        self,
        metrics: dict[str, float],
        tokens: int,
        flops: int,
        phases: Mapping[str, float] | None = None,
    ) -> None:
        """Record one step.

        Args:
            metrics: a row of `steps.csv`.
            tokens: that it read or drew.
            flops: that it took.
            phases: seconds and shares of the machine's limits; for the tracker alone.
        """
        now = time.perf_counter()
        number = len(self.rows) + 1
        seconds, self.last = max(now - self.last, 1e-9), now
        self.rows.append({"step": number, **metrics})
        speed = {"tokens_per_second": tokens / seconds, "flops_per_second": flops / seconds}
        speed |= phases or {}
        self._send({**metrics, **speed}, number)
        shown = ", ".join(f"{key} {value:.4g}" for key, value in list(metrics.items())[:3])
        if self.bar is not None:
            self.bar.set_postfix_str(f"{shown}, {speed['tokens_per_second']:,.0f} tokens/s")
            self.bar.update()
        elif number % self.log_every == 0 or number == self.total:
            left = (now - self.started) / (number - self.restored) * (self.total - number)
            print(
                f"{self.name}: step {number}/{self.total}, {shown}, "
                f"{speed['tokens_per_second']:,.0f} tokens/s, {left:.0f} s left",
                flush=True,
            )

    def flush(self) -> None:
        """Send what the sink holds back: a checkpoint is never ahead of the run's history."""
        if self.sink is not None:
            self.sink.flush()

    def state(self) -> State:
        """The rows so far."""
        rows: list[Any] = [dict(row) for row in self.rows]
        return State(values={"rows": rows})

    def restore(self, state: State) -> None:
        """Take up the rows of an earlier process.

        They are offered to the sink again, which leaves out what its run has: a run that was
        begun anew, because its store was away or is another one now, then has them all the same.
        """
        rows: Any = state.values["rows"]
        self.rows, self.restored = rows, len(rows)
        for row in rows:
            metrics = {name: value for name, value in row.items() if name != "step"}
            self._send(metrics, row["step"])
        if self.bar is not None:
            self.bar.update(self.restored)

    def end(self) -> None:
        """End the bar."""
        if self.bar is not None:
            self.bar.close()

    def _send(self, metrics: dict[str, float], step: int) -> None:
        if self.sink is not None:
            self.sink.metrics(metrics, step=step)

    def close(self, path: Path) -> None:
        """End the bar and write the rows as CSV; an empty loop leaves a header alone."""
        self.end()
        text = io.StringIO()
        fields = list(dict.fromkeys(name for row in self.rows for name in row)) or ["step", "loss"]
        writer = csv.DictWriter(text, fields, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(path, text.getvalue())


def tail_means(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Means over the last tenth of the steps, by `final_` and the metric's name.

    A metric that is not told at every step is averaged where it is; one that none of these steps
    tells, such as an audit's now and then, is that of the last step that does.
    """
    found: dict[str, list[float]] = {}
    tail = max(1, len(rows) // 10)
    for row in rows[-tail:]:
        for name, value in row.items():
            found.setdefault(name, []).append(value)
    for row in reversed(rows[:-tail]):
        missing = {name: [value] for name, value in row.items() if name not in found}
        found |= missing
    return {f"final_{name}": fmean(found[name]) for name in found if name != "step"}
