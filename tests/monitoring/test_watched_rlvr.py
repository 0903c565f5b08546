"""What is found in a run of `rlvr`, and what becomes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rlp_core.errors import TrainingError
from rlp_core.monitoring.config import HealthConfig
from rlp_core.monitoring.health import Monitor
from rlp_core.monitoring.rlvr_checks import NON_FINITE_ADVICE, RLVR_CHECKS
from rlp_core.monitoring.watched_rlvr import WatchedRlvr
from rlp_core.training.checkpoint import State
from rlp_core.training.loop import StepResult
from tests.training.completions import stopping
from tests.training.steps import same, saved

SETTINGS = HealthConfig(window=5, patience=4)
STEADY = {
    "reward": 0.5,
    "reward_std": 0.4,
    "no_signal": 0.2,
    "all_right": 0.1,
    "unended": 0.0,
    "empty_answer": 0.0,
    "thought_tokens": 9.0,
    "thought_tokens_std": 2.0,
    "forced": 0.0,
    "entropy": 0.3,
    "grad_norm": 1.0,
    "loss": 0.0,
    "skipped": 0.0,
}


class Told:
    """A learner that tells what it is told to tell."""

    def __init__(self, rows: list[dict[str, float]]) -> None:
        self.rows = rows

    def step(self, number: int) -> StepResult:
        return StepResult(self.rows[number], 1, 1)

    def state(self) -> State:
        return State()

    def restore(self, state: State) -> None:
        assert state.values == {}


def found(later: dict[str, float], count: int = 10) -> dict[str, str]:
    """Findings by severity of a run that is steady first, and then as told."""
    monitor = Monitor(SETTINGS, RLVR_CHECKS, NON_FINITE_ADVICE)
    rows = [STEADY] * 10 + [STEADY | later] * count
    every = [f for i, row in enumerate(rows) for f in monitor.observe(i, row)]
    return {finding.name: finding.severity for finding in every}


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        ({}, {}),
        ({"reward": 0.29}, {"reward_falls": "warning"}),
        ({"reward": 0.05}, {"reward_falls": "warning", "reward_collapsed": "collapse"}),
        ({"no_signal": 0.95, "all_right": 0.9}, {"no_signal": "note"}),
        ({"no_signal": 0.95, "all_right": 0.0}, {"no_signal": "warning"}),
        ({"unended": 0.3, "empty_answer": 0.3}, {"unread_answers": "warning"}),
        ({"thought_tokens": 1.0}, {"empty_thoughts": "warning"}),
        ({"forced": 0.8}, {"forced_thoughts": "warning"}),
        ({"entropy": 2.0}, {"high_entropy": "warning"}),
        ({"skipped": 1.0}, {"non_finite": "warning", "non_finite_steps": "collapse"}),
    ],
    ids=str,
)
def test_what_is_wrong_is_named(later: dict[str, float], expected: dict[str, str]) -> None:
    assert found(later) == expected


def test_a_model_that_began_without_a_right_answer_has_nothing_to_lose() -> None:
    monitor = Monitor(SETTINGS, RLVR_CHECKS)
    rows = [STEADY | {"reward": 0.0, "reward_std": 0.0}] * 20
    names = {f.name for i, row in enumerate(rows) for f in monitor.observe(i, row)}
    assert names == set()


def watched(rows: list[dict[str, float]], **changes: Any) -> WatchedRlvr:
    health = SETTINGS.model_copy(update=changes)
    return WatchedRlvr(Told(rows), health, "rlvr@rlp", "models/rlp-sft")  # type: ignore[arg-type]


def test_a_collapsed_run_ends_and_says_which_model_is_left(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [STEADY] * 10 + [STEADY | {"reward": 0.0}] * 20
    run = watched(rows)
    with pytest.raises(TrainingError, match=r"reward_collapsed.*\n?.*models/rlp-sft"):
        for i in range(len(rows)):
            run.step(i)
    assert "rlvr@rlp: warning: reward_falls" in capsys.readouterr().out
    tolerant = watched(rows, stop=False)
    for i in range(len(rows)):
        tolerant.step(i)


def test_a_watched_run_goes_on_where_it_was_cut_off(tmp_path: Path) -> None:
    whole, first = (WatchedRlvr(stopping(), SETTINGS, "rlvr@rlp", "it") for _ in range(2))
    told = [whole.step(i).metrics for i in range(4)]
    for i in range(2):
        first.step(i)
    second = WatchedRlvr(stopping(), SETTINGS, "rlvr@rlp", "it")
    second.restore(saved(first.state(), tmp_path))
    assert [second.step(i).metrics for i in (2, 3)] == told[2:]
    assert same(second.state(), whole.state())
