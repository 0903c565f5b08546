"""The metrics of a stage under way, step by step, for whoever watches it from another process.

`.rlp/steps/STAGE.jsonl` has a line per step, and is begun anew by each process: one that goes on
from a checkpoint tells the steps before it again. It is tracked by nothing, and may hold times.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO


class StepsFile:
    """Writes the file, from the first step on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: TextIO | None = None
        self._step = 0

    def add(self, values: Mapping[str, float], step: int) -> None:
        """Write the metrics of a step, once; NaN and infinities as Python's JSON has them."""
        if step <= self._step:
            return
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("w", encoding="utf-8")
        row = {"step": step, **{name: float(value) for name, value in values.items()}}
        self._file.write(json.dumps(row) + "\n")
        self._file.flush()
        self._step = step

    def close(self) -> None:
        """End the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
