"""Evaluation beside the harness, on a shape small enough for a test; no time is asserted."""

import dataclasses

import pytest

from benchmarks import harness_peer
from benchmarks.work import TEST

pytest.importorskip("lm_eval", reason="lm-evaluation-harness is not installed")


def test_both_sides_answer_and_weigh_alike():
    work = dataclasses.replace(TEST, documents=3, tokens=24, positions=1, group_size=2)
    found = harness_peer.measure(work, seed=1, rounds=1, batch=2)
    assert found["same_greedy_answers"] == 1.0
    assert found["largest_difference"] < 1e-3
    for kind in ("answers", "options"):
        low, median, high = found[kind]["times_as_fast"]
        assert 0 < low <= median <= high
