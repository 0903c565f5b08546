"""Ends a trial early that does worse than others did at the same step.

The stage tells its metrics step by step in a file of its workspace. What is compared is the mean of
a column over the last `every` steps, in the order of the steps: the decision depends on the numbers
alone, and not on when they are looked at.
"""

from __future__ import annotations

import csv
import json
import math
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from rlp_core.errors import ConfigError, did_you_mean
from rlp_core.process import GRACE_SECONDS, ProcessTree
from rlp_core.sweep.config import SweepPruner
from rlp_core.workspace import Workspace

if TYPE_CHECKING:
    from optuna import Trial

Row = Mapping[str, float]


class Watch:
    """Looks at one trial that is under way.

    Attributes:
        pruned_at: the step at which it was found to be worse than others; None: it was not.
    """

    def __init__(self, trial: Trial, settings: SweepPruner, folder: Path, where: str) -> None:
        """Begin; what an earlier attempt told is left out.

        Args:
            trial: Optuna's, with the pruner that decides.
            settings: of the sweep.
            folder: the trial's workspace.
            where: the sweep file, for messages.
        """
        self.trial, self.settings, self.where = trial, settings, where
        self.pruned_at: int | None = None
        workspace = Workspace(folder)
        self._told = workspace.steps(settings.stage)
        self._told.unlink(missing_ok=True)
        self._written = workspace.report(settings.stage) / "steps.csv"
        self._read = 0  # bytes of the file
        self._step = 0  # the last that was taken
        self._window: list[float] = []
        self._seen = False
        self._trees: list[ProcessTree] = []
        self._lock = threading.Lock()

    def started(self, tree: ProcessTree) -> None:
        """A process of the trial was started; it is ended at once where the trial is pruned."""
        with self._lock:
            self._trees.append(tree)
            pruned = self.pruned_at is not None
        if pruned:
            _end(tree)

    def look(self) -> bool:
        """Take what the stage has told since; whether the trial is to end, which it then does.

        Raises:
            ConfigError: the stage tells no such column.
        """
        for row in self._new_rows():
            if self._take(row):
                with self._lock:
                    trees = list(self._trees)
                for tree in trees:
                    _end(tree)
                return True
        return False

    def finish(self) -> bool:
        """Take all rows of a stage that came to its end, by its `steps.csv`; whether it is pruned.

        A stage that was restored from the cache has told nothing on its way.

        Raises:
            ConfigError: the stage tells no such column.
        """
        if self.pruned_at is not None:
            return True
        with self._written.open(encoding="utf-8", newline="") as lines:
            for cells in csv.DictReader(lines):
                row = {name: float(cell) for name, cell in cells.items() if cell}
                if row["step"] > self._step and self._take(row):
                    return True
        return False

    def _new_rows(self) -> Iterator[Row]:
        """Whole lines that were written since, of steps that were not taken."""
        if self.pruned_at is not None or not self._told.is_file():
            return
        with self._told.open("rb") as lines:
            lines.seek(self._read)
            for line in lines:
                if not line.endswith(b"\n"):
                    return
                self._read += len(line)
                row = json.loads(line)
                if row["step"] > self._step:
                    yield row

    def _take(self, row: Row) -> bool:
        """Take a row, and report where a window is full; whether the trial is pruned by it."""
        settings = self.settings
        self._step = int(row["step"])
        value = row.get(settings.column, math.nan)
        self._seen = self._seen or settings.column in row
        if math.isfinite(value):
            self._window.append(value)
        if self._step % settings.every:
            return False
        if not self._seen:
            names = sorted(name for name in row if name != "step")
            raise ConfigError(
                f"stage {settings.stage} tells no {settings.column!r} step by step",
                where=f"{self.where}, key pruner.column",
                fix=f"{did_you_mean(settings.column, names)}it tells: {', '.join(names)}",
            )
        if not self._window:
            return False
        self.trial.report(fmean(self._window), self._step)
        self._window.clear()
        if self.trial.should_prune():
            self.pruned_at = self._step
        return self.pruned_at is not None


def _end(tree: ProcessTree) -> None:
    """Ask a process to end, which takes it a step; nobody waits here."""
    threading.Thread(target=tree.end, args=(GRACE_SECONDS,), daemon=True).start()
