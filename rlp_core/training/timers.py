"""Seconds per phase of a step, so that the phases of a step add up to the step."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class PhaseTimer:
    """Charges every moment of a step to exactly one phase: the innermost one that is open.

    Attributes:
        steps: per finished step the seconds of each phase.
    """

    def __init__(self, wait: Callable[[], object] | None = None) -> None:
        """Begin.

        Args:
            wait: returns when the device has done what it was told; None on a CPU.
        """
        self.wait = wait
        self.steps: list[dict[str, float]] = []
        self._current: dict[str, float] | None = None
        self._open: list[str] = []
        self._mark = 0.0

    def begin(self, phase: str) -> None:
        """Start a step; `phase` is charged with whatever no other phase covers."""
        self._current, self._open = {}, [phase]
        self._mark = time.perf_counter()

    def end(self) -> None:
        """Finish the step."""
        if self._current is None:
            raise ValueError("no step has begun")
        self._charge()
        self.steps.append(self._current)
        self._current = None

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Charge what runs inside to `name`; outside a step nothing is charged."""
        self._charge()
        self._open.append(name)
        try:
            yield
        finally:
            self._charge()
            self._open.pop()

    def _charge(self) -> None:
        if self.wait is not None:
            self.wait()
        now = time.perf_counter()
        if self._current is not None:
            name = self._open[-1]
            self._current[name] = self._current.get(name, 0.0) + now - self._mark
        self._mark = now
