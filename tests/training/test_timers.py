"""Every moment of a step belongs to one phase."""

from __future__ import annotations

import pytest

from rlp_core.training import timers
from rlp_core.training.timers import PhaseTimer


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that a test sets by hand."""
    now = [0.0]
    monkeypatch.setattr(timers.time, "perf_counter", lambda: now[0])
    return now


def test_the_innermost_phase_is_charged_and_phases_add_up(clock: list[float]) -> None:
    watch = PhaseTimer()
    watch.begin("rest")
    clock[0] = 1
    with watch.phase("outer"):
        clock[0] = 3
        with watch.phase("inner"):
            clock[0] = 7
        clock[0] = 15
    clock[0] = 31
    watch.end()
    assert watch.steps == [{"rest": 1 + 16, "outer": 2 + 8, "inner": 4}]


def test_nothing_is_charged_between_steps(clock: list[float]) -> None:
    watch = PhaseTimer()
    for _ in range(2):
        watch.begin("rest")
        clock[0] += 1
        watch.end()
        with watch.phase("between"):
            clock[0] += 100
    assert watch.steps == [{"rest": 1}, {"rest": 1}]


def test_a_phase_that_fails_is_closed(clock: list[float]) -> None:
    watch = PhaseTimer()
    watch.begin("rest")
    with pytest.raises(RuntimeError), watch.phase("failing"):
        raise RuntimeError
    clock[0] = 1
    watch.end()
    assert watch.steps[0]["rest"] == 1


def test_a_step_must_begin_before_it_ends() -> None:
    with pytest.raises(ValueError, match="begun"):
        PhaseTimer().end()
