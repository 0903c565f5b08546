"""Intervals over seeds and items are those of a slow loop that draws them one by one."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlp_core.evaluation.seeds import SeedResampler
from rlp_core.evaluation.statistics import Statistic, mean

VALUES = st.lists(st.floats(-3, 3).map(lambda x: round(x, 3)), min_size=2, max_size=5)


def statistic(values: list[float], prefix: str = "p") -> Statistic:
    names = [f"{prefix}{i}" for i in range(len(values))]
    return mean(names, names, values)


def slowly(resampler: SeedResampler, by_seed: dict[int, Statistic]) -> list[float]:
    """Every resample as a textbook has it: a list of drawn seeds, in each a list of drawn items."""
    seeds = list(by_seed)
    found = []
    for r, counts in enumerate(resampler.seed_draws(len(seeds))):
        drawn = [seed for seed, n in zip(seeds, counts, strict=True) for _ in range(int(n))]
        scores = []
        for seed in drawn:
            of = by_seed[seed]
            values = (of.sums[:, 0] / of.sums[:, 1]).tolist()
            times = resampler.items_of(of)._draws(0, len(of.clusters))[r]
            items = [v for v, n in zip(values, times, strict=True) for _ in range(int(n))]
            scores.append(math.fsum(items) / len(items))
        found.append(math.fsum(scores) / len(scores))
    return found


def ends(values: list[float], confidence: float) -> tuple[float, float]:
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


@settings(max_examples=20, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=4), st.booleans(), st.integers(0, 9))
def test_an_interval_is_that_of_the_slow_loop(rows, shared: bool, seed: int) -> None:
    resampler = SeedResampler(seed, 100, 0.9)
    if shared:
        rows = [(row * 5)[: len(rows[0])] for row in rows]
    of = {i: statistic(row, "p" if shared else f"s{i}p") for i, row in enumerate(rows)}
    found = resampler.estimate(of)
    assert found.value == pytest.approx(np.mean([np.mean(row) for row in rows]))
    assert (found.low, found.high) == pytest.approx(ends(slowly(resampler, of), 0.9))
    assert found.n == sum(map(len, rows))


@settings(max_examples=20, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=4), st.integers(0, 9))
def test_a_difference_is_paired_within_each_seed(rows, seed: int) -> None:
    resampler = SeedResampler(seed, 100, 0.9)
    changes = [[x / 2 + i for i, x in enumerate(row)] for row in rows]
    first = {i: statistic([x + c for x, c in zip(row, change, strict=True)])
             for i, (row, change) in enumerate(zip(rows, changes, strict=True))}  # fmt: skip
    second = {i: statistic(row) for i, row in enumerate(rows)}
    gap = {i: statistic(change) for i, change in enumerate(changes)}
    found, direct = resampler.difference(first, second), resampler.estimate(gap)
    assert (found.value, found.low, found.high) == pytest.approx(
        (direct.value, direct.low, direct.high), abs=1e-9
    )
    back = resampler.difference(second, first)
    assert (back.low, back.high) == pytest.approx((-found.high, -found.low), abs=1e-9)
    assert back.same_sign == found.same_sign


def test_draws_of_the_loop_are_draws() -> None:
    """The loop above takes the counts; here nothing is shared with the code but the definition."""
    chance = random.Random(3)
    rows = {s: [chance.gauss(s, 1) for _ in range(12)] for s in range(4)}
    found = SeedResampler(1, 20_000).estimate({s: statistic(row) for s, row in rows.items()})
    values = []
    for _ in range(20_000):
        items = [chance.randrange(12) for _ in range(12)]  # the same at every seed
        drawn = [rows[chance.randrange(4)] for _ in range(4)]
        values.append(sum(sum(row[i] for i in items) / 12 for row in drawn) / 4)
    low, high = ends(values, 0.95)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.06)


def test_one_seed_is_an_interval_over_items() -> None:
    of = statistic([0.0, 1.0, 1.0, 0.0, 1.0])
    resampler = SeedResampler(1, 500)
    found, items = resampler.estimate({7: of}), resampler.items_of(of).estimate(of)
    assert (found.value, found.low, found.high) == (items.value, items.low, items.high)


def test_seeds_that_differ_widen_the_interval_whatever_the_items() -> None:
    flat = {s: statistic([float(s)] * 5) for s in range(4)}
    found = SeedResampler(1, 2000).estimate(flat)
    assert found.value == 1.5
    assert found.low < 0.8 < 2.2 < found.high
    equal = SeedResampler(1, 2000).estimate({s: statistic([1.0] * 5) for s in range(4)})
    assert (equal.low, equal.high) == (1.0, 1.0)


def test_numbers_of_seeds_alone_have_an_interval_from_two_on() -> None:
    resampler = SeedResampler(1, 2000)
    assert math.isnan(resampler.of_values({1: 2.0}).low)
    found = resampler.of_values({1: 2.0, 2: 4.0})
    assert (found.value, found.low, found.high) == (3.0, 2.0, 4.0)
    assert found.same_sign == 2


def test_other_items_are_no_pair() -> None:
    with pytest.raises(ValueError, match="different items at seed 3"):
        SeedResampler(1).difference({3: statistic([1, 2])}, {3: statistic([1, 2], "q")})
