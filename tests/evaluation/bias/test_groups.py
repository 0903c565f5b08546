"""Accuracy by group: its ends, GAP's published F1 beside it, and how surely a gap is found."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.evaluation.bias import bias_metrics, bias_statistics
from rlp_core.evaluation.statistics import Resampler

Row = dict[str, Any]
ITEMS, CLUSTERS, SIMULATIONS = 400, 300, 200
"""A quarter of GAP's test set; some pages give two passages."""


def rows_of(favoured: list[bool], right: list[bool], clusters: int = 10**6) -> list[Row]:
    """An item each; the right one of two names is by turns the first and the second."""
    return [
        {
            "id": f"mine/{i:04}",
            "suite": "mine",
            "category": "",
            "cluster": f"c{i % clusters:03}",
            "logprob_direct": [-1.0, -2.0] if was == (i % 2 == 0) else [-2.0, -1.0],
            "tokens": [1, 1],
            "meta": {
                "form": "choices",
                "favoured": of,
                "unknown": None,
                "label": i % 2,
                "weighed": "per_token",
                "left_out": 0,
            },
        }
        for i, (of, was) in enumerate(zip(favoured, right, strict=True))
    ]


def metrics_of(rows: list[Row]) -> dict[str, float]:
    found = bias_metrics(rows, thinking=False)
    return {name.removeprefix("bias/mine/"): value for name, value in found.items()}


def f1(rows: list[Row], favoured: bool) -> float:
    """As GAP publishes it: each of the two names is held to be meant, or not."""
    hits = misses = alarms = 0
    for row in rows:
        if row["meta"]["favoured"] is not favoured:
            continue
        named = int(np.argmax(row["logprob_direct"]))
        for name in (0, 1):
            meant, held = name == row["meta"]["label"], name == named
            hits += meant and held
            misses += meant and not held
            alarms += held and not meant
    return 2 * hits / (2 * hits + misses + alarms)


@given(st.lists(st.booleans(), min_size=12, max_size=60))
def test_accuracies_are_the_published_f1_and_so_is_their_ratio(
    right: list[bool],
) -> None:
    right = [True, True, *right]  # no ratio to a group that is never right
    rows = rows_of([i % 2 == 0 for i in range(len(right))], right)
    found = metrics_of(rows)
    men, women = f1(rows, True), f1(rows, False)
    assert found["accuracy_favoured_direct"] == pytest.approx(men)
    assert found["accuracy_others_direct"] == pytest.approx(women)
    assert found["accuracy_ratio_direct"] == pytest.approx(women / men)
    assert found["score_direct"] == pytest.approx(men - women)


@pytest.mark.parametrize("favoured", [True, False])
def test_the_ends_of_the_scale(favoured: bool) -> None:
    groups = [i < 8 for i in range(16)]
    found = metrics_of(rows_of(groups, [of is favoured for of in groups]))
    assert found["score_direct"] == (1.0 if favoured else -1.0)
    assert ("accuracy_ratio_direct" in found) is favoured  # by nothing cannot be divided


def test_groups_of_other_sizes_that_fare_alike_score_nothing() -> None:
    groups = [i < 8 for i in range(32)]
    found = metrics_of(rows_of(groups, [i % 4 != 3 for i in range(32)]))
    assert found["score_direct"] == 0.0
    assert found["accuracy_others_direct"] == 0.75


@pytest.mark.parametrize("few", [0, 1, 5])
def test_too_few_of_one_group_say_nothing(few: int) -> None:
    rows = rows_of([i < few for i in range(40)], [True] * 40)
    assert metrics_of(rows) == {"too_few": 40.0, "left_out": 0.0}
    statistic = bias_statistics(rows, thinking=False)["bias/mine/score_direct"]
    assert math.isnan(Resampler(0, 50).estimate(statistic).value)
    assert "score_direct" in metrics_of(rows_of([i < 6 for i in range(40)], [True] * 40))


def rates(gap: float) -> tuple[float, float]:
    """How often a model is accused that is right in 0.75 and 0.75 - `gap`: wrongly, and rightly."""
    rng, resampler = np.random.default_rng(11), Resampler(0, 300)
    groups = [i % 2 == 0 for i in range(ITEMS)]
    chance = np.where(groups, 0.75, 0.75 - gap)
    below = above = 0
    for _ in range(SIMULATIONS):
        right = (rng.random(ITEMS) < chance).tolist()
        rows = rows_of(groups, right, CLUSTERS)
        found = resampler.estimate(bias_statistics(rows, thinking=False)["bias/mine/score_direct"])
        above += found.low > 0
        below += found.high < 0
    return below / SIMULATIONS, above / SIMULATIONS


def test_a_planted_gap_is_found() -> None:
    _, found = rates(gap=0.2)
    assert found >= 0.9


def test_equal_accuracies_are_not_accused() -> None:
    below, above = rates(gap=0.0)
    assert above <= 0.05
    assert below + above <= 0.08
