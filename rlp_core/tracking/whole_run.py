"""The numbers of a whole run: all of them in a table, the most important under names of their own.

With many benchmarks, bias sets and an audit a stage measures several hundred numbers. As many
columns and charts show nothing; so the run holds a bounded number by name, and `metrics.csv` all.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

from rlp_core.tracking import metric_names
from rlp_core.tracking.naming import acceptable_name

TABLE = "metrics.csv"
"""The artifact: `metric` as in `metrics.json`, `logged_as` in MLflow or empty, `value`."""


class WholeRun:
    """Collects what a stage measured of its whole run, what its process took left aside."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._values: dict[str, float] = {}
        self._names: dict[str, str] = {}

    def add(self, values: Mapping[str, float]) -> dict[str, float]:
        """Take numbers by their names in `metrics.json`; return those to log, by MLflow's names."""
        taken = len(self._names.keys() - values.keys())
        chosen = metric_names.admitted(self._stage, values, taken)
        names = {name: metric_names.logged_as(self._stage, name) for name in chosen}
        measured = [name for name in values if name not in metric_names.PROCESS]
        self._values |= {name: float(values[name]) for name in measured}
        self._names |= {name: names[name] for name in measured if name in names}
        return {as_: float(values[name]) for name, as_ in names.items()}

    @property
    def counted(self) -> tuple[int, int]:
        """How many numbers are logged by name, and how many there are."""
        return len(self._names), len(self._values)

    def table(self) -> str:
        """`metrics.csv`, in the order in which the stage told its numbers."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("metric", "logged_as", "value"))
        for name, value in self._values.items():
            logged = acceptable_name(self._names[name]) if name in self._names else ""
            writer.writerow((name, logged, value))
        return text.getvalue()
