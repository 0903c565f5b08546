"""Intervals cover, tests keep their level, pairing helps, and order does not matter."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlp_core.evaluation.statistics import Resampler, Statistic, collect, holm, mean

CLUSTERS = 40
PER_CLUSTER = 5


def clustered(rng: np.random.Generator, shift: float = 0.0) -> Statistic:
    """Items that share a cluster's effect, so that treating them as independent would be wrong."""
    effect = rng.normal(size=(CLUSTERS, 1))
    values = shift + effect + rng.normal(size=(CLUSTERS, PER_CLUSTER))
    return named_mean(values)


def named_mean(values: np.ndarray) -> Statistic:
    ids = [f"{c}/{i}" for c in range(values.shape[0]) for i in range(values.shape[1])]
    return mean(ids, [name.split("/")[0] for name in ids], values.ravel().tolist())


def test_value_is_ratio_of_sums() -> None:
    rows = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 4.0]])
    made = collect(["a", "b", "c"], ["x", "x", "y"], rows)
    assert made.value() == pytest.approx(9 / 10)
    assert made.clusters == ("x", "y")
    assert made.sums.tolist() == [[4.0, 6.0], [5.0, 4.0]]


def test_zero_over_zero_is_undefined() -> None:
    made = collect(["a"], ["x"], np.zeros((1, 2)))
    assert math.isnan(made.value())


@pytest.mark.parametrize(
    ("items", "clusters", "rows", "why"),
    [
        ([], [], 0, "at least one"),
        (["a", "a"], ["x", "y"], 2, "twice"),
        (["a"], ["x", "y"], 1, "as many"),
        (["a", "b"], ["x", "y"], 1, "as many"),
    ],
)
def test_unusable_items_are_refused(
    items: list[str], clusters: list[str], rows: int, why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        collect(items, clusters, np.ones((rows, 2)))


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(12)), st.integers(0, 3))
def test_order_of_items_does_not_matter(order: list[int], seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=12)
    ids, clusters = [f"i{i}" for i in range(12)], [f"c{i % 4}" for i in range(12)]
    straight = mean(ids, clusters, values.tolist())
    mixed = mean([ids[i] for i in order], [clusters[i] for i in order], values[order].tolist())
    resampler = Resampler(seed=1, resamples=200)
    assert resampler.estimate(straight) == resampler.estimate(mixed)


def test_same_seed_same_interval_in_any_order_of_questions() -> None:
    rng = np.random.default_rng(0)
    first, second = clustered(rng), clustered(rng)
    one, two = Resampler(5, 300), Resampler(5, 300)
    expected = (one.estimate(first), one.estimate(second))
    assert (two.estimate(second), two.estimate(first)) == expected[::-1]
    assert Resampler(6, 300).estimate(first) != expected[0]


def test_interval_covers_the_truth() -> None:
    rng = np.random.default_rng(1)
    covered = sum(
        interval.low <= 0 <= interval.high
        for interval in (Resampler(s, 400).estimate(clustered(rng)) for s in range(300))
    )
    assert 0.90 <= covered / 300 <= 0.99


def test_items_taken_for_independent_would_not_cover() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for seed in range(100):
        values = rng.normal(size=(CLUSTERS, 1)) + rng.normal(size=(CLUSTERS, PER_CLUSTER))
        interval = Resampler(seed, 300).estimate(named_mean(values.reshape(-1, 1)))
        covered += interval.low <= 0 <= interval.high
    assert covered < 90


def test_equal_arms_are_told_apart_in_one_case_of_twenty() -> None:
    rng = np.random.default_rng(2)
    p_values, excluded = [], 0
    for seed in range(300):
        base = rng.normal(size=(CLUSTERS, 1)) + rng.normal(size=(CLUSTERS, PER_CLUSTER))
        other = base + rng.normal(size=(CLUSTERS, 1)) + rng.normal(size=base.shape)
        found = Resampler(seed, 400).difference(named_mean(other), named_mean(base))
        p_values.append(found.p)
        excluded += not found.low <= 0 <= found.high
    assert 0.02 <= np.mean(np.array(p_values) < 0.05) <= 0.09
    assert excluded / 300 <= 0.11


def test_pairing_narrows_the_interval_of_correlated_arms() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(size=(CLUSTERS, PER_CLUSTER))
    first = named_mean(values + 0.1 * rng.normal(size=values.shape))
    second = named_mean(values + 0.1 * rng.normal(size=values.shape))
    resampler = Resampler(1, 1000)
    paired = resampler.difference(first, second)
    alone = [resampler.estimate(arm) for arm in (first, second)]
    widths = [interval.high - interval.low for interval in alone]
    assert paired.high - paired.low < 0.5 * math.hypot(*widths)


def test_difference_is_antisymmetric() -> None:
    rng = np.random.default_rng(4)
    first, second = clustered(rng), clustered(rng, 0.3)
    resampler = Resampler(1, 500)
    there, back = resampler.difference(first, second), resampler.difference(second, first)
    assert there.value == pytest.approx(-back.value)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))
    assert there.p == back.p


def test_permutation_is_exact_for_few_clusters() -> None:
    first = named_mean(np.array([[1.0], [2.0], [3.0]]))
    second = named_mean(np.zeros((3, 1)))
    # Of the eight assignments of signs only all-plus and all-minus reach a sum of six.
    assert Resampler(0, 100).difference(first, second).p == pytest.approx(2 / 8)


def test_magnitude_compares_distances_from_zero() -> None:
    rng = np.random.default_rng(5)
    noise = 0.01 * rng.normal(size=(CLUSTERS, 1))
    first, second = named_mean(-0.5 + noise), named_mean(0.2 + noise[::-1])
    resampler = Resampler(0, 500)
    assert resampler.difference(first, second).value == pytest.approx(-0.7, abs=0.02)
    found = resampler.difference(first, second, magnitude=True)
    assert found.value == pytest.approx(0.3, abs=0.02)
    assert 0.2 < found.low < found.high < 0.4


def test_different_items_cannot_be_paired() -> None:
    first, second = mean(["a", "b"], ["x", "y"], [1, 2]), mean(["a", "c"], ["x", "y"], [1, 2])
    with pytest.raises(ValueError, match="different items"):
        Resampler(0, 100).difference(first, second)


def test_one_cluster_gives_no_interval() -> None:
    found = Resampler(0, 100).estimate(mean(["a", "b"], ["x", "x"], [1.0, 3.0]))
    assert found.value == 2.0
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def crossed_mean(values: np.ndarray) -> Statistic:
    """[templates, occupations] values, every one a cell."""
    ids = [f"{t}/{o}" for t in range(values.shape[0]) for o in range(values.shape[1])]
    rows = np.column_stack([values.ravel(), np.ones(values.size)])
    first, second = zip(*(name.split("/") for name in ids), strict=True)
    return collect(ids, first, rows, crossed=second)


def test_crossed_factors_cover_where_one_alone_does_not() -> None:
    rng = np.random.default_rng(7)
    both = alone = 0
    for seed in range(200):
        shared = rng.normal(size=(1, 20))  # an occupation's quirk, the same in every template
        values = shared + 0.3 * rng.normal(size=(10, 20))
        resampler = Resampler(seed, 300)
        crossed, single = resampler.estimate(crossed_mean(values)), named_mean(values)
        narrow = resampler.estimate(single)
        both += crossed.low <= 0 <= crossed.high
        alone += narrow.low <= 0 <= narrow.high
    assert alone < 120
    assert both > 180


def test_crossed_permutation_keeps_its_level() -> None:
    rng = np.random.default_rng(8)
    p_values = []
    for seed in range(150):
        base = rng.normal(size=(10, 20))
        other = base + rng.normal(size=(1, 20)) + 0.3 * rng.normal(size=(10, 20))
        found = Resampler(seed, 300).difference(crossed_mean(other), crossed_mean(base))
        p_values.append(found.p)
    assert np.mean(np.array(p_values) < 0.05) <= 0.10


def test_equivalence_is_shown_only_where_it_holds() -> None:
    rng = np.random.default_rng(6)
    values = rng.normal(size=(CLUSTERS, PER_CLUSTER))
    noise = 0.02 * rng.normal(size=values.shape)
    resampler = Resampler(0, 1000)
    assert resampler.equivalence(named_mean(values + noise), named_mean(values), 0.05) < 0.05
    assert resampler.equivalence(named_mean(values + 0.1), named_mean(values), 0.05) > 0.5
    loose = named_mean(rng.normal(size=values.shape))
    assert resampler.equivalence(loose, named_mean(values), 0.05) > 0.05  # too few to tell


def test_holm_by_hand() -> None:
    found = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": float("nan")})
    assert found["a"] == pytest.approx(0.03)
    assert found["c"] == pytest.approx(0.06)
    assert found["b"] == pytest.approx(0.06)
    assert math.isnan(found["d"])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_lowers_and_keeps_the_order(p_values: list[float]) -> None:
    named = {str(i): p for i, p in enumerate(p_values)}
    adjusted = holm(named)
    assert all(named[k] <= adjusted[k] <= 1 for k in named)
    ranked = sorted(named, key=lambda k: named[k])
    assert [adjusted[k] for k in ranked] == sorted(adjusted.values())
