"""A rule holds where it is shown; where it is not for want of items, the number told would do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rlp_core.evaluation.gate_rules import POWER, GateRule, Reason, clusters_of, fewest_clusters
from rlp_core.evaluation.statistics import Estimate, Resampler, mean


def judged(
    values: np.ndarray, limit: float, *, at_least: bool = True, resamples: int = 400
) -> Reason:
    names = [f"{i:06d}" for i in range(len(values))]
    statistic = mean(names, names, values.tolist())
    resampler = Resampler(1, resamples)
    rule = GateRule("mean", limit, at_least)
    return rule.shown(resampler.estimate(statistic), clusters_of(statistic), 0.95)


def test_as_many_as_are_told_show_it_four_times_in_five() -> None:
    """Planted: mean 0.25, spread 1. Twenty items cannot show that it is above 0."""
    few = [judged(draw(seed, 20), 0.0) for seed in range(200)]
    told = [r["enough"] for r in few if r["enough"] is not None]
    assert len(told) > 100  # those that are not short of items hold, or are below 0 by chance
    right = (1.96 + 0.84) ** 2 / 0.25**2  # what theory says: 126
    enough = told_of_the_truth()
    assert abs(enough - right) < 0.15 * right
    shown = [judged(draw(seed, enough), 0.0)["holds"] for seed in range(300)]
    assert abs(np.mean(shown) - POWER) < 0.08


def draw(seed: int, n: int) -> np.ndarray:
    return np.random.default_rng([7, seed]).normal(0.25, 1.0, n)


def told_of_the_truth() -> int:
    """What is told of twenty items with exactly the planted mean and spread."""
    half = np.random.default_rng(1).normal(size=10)
    values = np.concatenate([half, -half])
    return int(judged(0.25 + values / values.std(), 0.0, resamples=4000)["enough"])


@pytest.mark.parametrize("at_least", [True, False])
def test_what_is_not_so_passes_once_in_forty(at_least: bool) -> None:
    """Null: the truth lies on the limit."""
    made = [np.random.default_rng([8, seed]).normal(0, 1, 60) for seed in range(600)]
    passed = [judged(values, 0.0, at_least=at_least)["holds"] for values in made]
    assert 0.01 < np.mean(passed) < 0.05


def test_a_few_that_agree_prove_nothing() -> None:
    least = fewest_clusters(0.95)
    assert least == 6  # a coin falls on one side six times running once in 64
    few, enough = judged(np.ones(least - 1), 0.5), judged(np.ones(least), 0.5)
    assert (few["holds"], few["enough"]) == (False, least)
    assert "too few items: 5; about 6 would do" in few["why"]
    assert enough["holds"]


def test_one_cluster_is_too_few() -> None:
    statistic = mean(["a", "b"], ["same", "same"], [1.0, 1.2])
    estimate = Resampler(1, 200).estimate(statistic)
    reason = GateRule("mean", 0.5, at_least=True).shown(estimate, clusters_of(statistic), 0.95)
    assert (reason["holds"], reason["enough"], reason["measured"]) == (False, 12, None)


def test_no_number_is_told_where_the_estimate_is_against_it() -> None:
    reason = judged(np.linspace(-1, 0.5, 40), 0.0)
    assert (reason["holds"], reason["enough"]) == (False, None)
    assert "would not help" in reason["why"]


def test_an_undefined_number_fails() -> None:
    nan = float("nan")
    reason = GateRule("mean", 0.0, at_least=False).shown(Estimate(nan, nan, nan, 9, 9), 9, 0.95)
    assert (reason["holds"], reason["measured"], reason["value"]) == (False, None, None)
    assert "undefined" in reason["why"]


@example(4e-271, 1.0, 0.0, 2, True, 1.0)  # so near that the number of items would overflow
@given(
    st.floats(-2, 2), st.floats(0, 2), st.floats(-2, 2), st.integers(2, 50), st.booleans(),
    st.sampled_from([1.0, 100.0]),
)  # fmt: skip
def test_a_rule_holds_or_says_why(
    value: float, half: float, limit: float, clusters: int, at_least: bool, scale: float
) -> None:
    estimate = Estimate(value, value - half, value + half, 3 * clusters, clusters)
    reason = GateRule("x", limit, at_least).shown(estimate, clusters, 0.95, scale)
    assert reason["holds"] is (reason["why"] == "")
    end = scale * (estimate.low if at_least else estimate.high)
    if reason["holds"]:
        assert (end >= limit - 1e-6) if at_least else (end <= limit + 1e-6)
    if reason["enough"] is not None:
        assert reason["enough"] > estimate.n
