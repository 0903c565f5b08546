"""What a person sees of a loop, and what is kept of it.

On a terminal a bar with tokens per second and the time left; elsewhere a plain line now and then.
The rows of `steps.csv` hold no time: DVC tracks them, and equal runs must give equal bytes.
"""

from __future__ import annotations

import csv
import io
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from rlp_core.files import write_text

if TYPE_CHECKING:
    from rlp_core.tracking import Tracker


class StepLog:
    """Collects the metrics of every step, shows them, and sends them to the tracker."""

    def __init__(self, name: str, total: int, tracker: Tracker, log_every: int) -> None:
        """Begin.

        Args:
            name: the stage, shown before every line.
            total: steps to come.
            tracker: gets every step's metrics and the speed.
            log_every: steps between plain lines.
        """
        self.name, self.total, self.tracker, self.log_every = name, total, tracker, log_every
        self.rows: list[dict[str, float]] = []
        self.started = self.last = time.perf_counter()
        self.bar = (
            tqdm(total=total, desc=name, unit="step", dynamic_ncols=True)
            if sys.stderr.isatty()
            else None
        )

    def step(self, metrics: dict[str, float], tokens: int, flops: int) -> None:
        """Record one step: its metrics, the tokens and FLOPs that it took."""
        now = time.perf_counter()
        number = len(self.rows) + 1
        seconds, self.last = max(now - self.last, 1e-9), now
        self.rows.append({"step": number, **metrics})
        speed = {"tokens_per_second": tokens / seconds, "flops_per_second": flops / seconds}
        self.tracker.metrics({**metrics, **speed}, step=number)
        shown = ", ".join(f"{key} {value:.4g}" for key, value in list(metrics.items())[:3])
        if self.bar is not None:
            self.bar.set_postfix_str(f"{shown}, {speed['tokens_per_second']:,.0f} tokens/s")
            self.bar.update()
        elif number % self.log_every == 0 or number == self.total:
            left = (now - self.started) / number * (self.total - number)
            print(
                f"{self.name}: step {number}/{self.total}, {shown}, "
                f"{speed['tokens_per_second']:,.0f} tokens/s, {left:.0f} s left",
                flush=True,
            )

    def close(self, path: Path) -> None:
        """End the bar and write the rows as CSV; an empty loop leaves a header alone."""
        if self.bar is not None:
            self.bar.close()
        text = io.StringIO()
        fields = list(self.rows[0]) if self.rows else ["step", "loss"]
        writer = csv.DictWriter(text, fields, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(path, text.getvalue())
