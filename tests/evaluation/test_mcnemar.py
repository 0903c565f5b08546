"""McNemar's exact test: by hand, by the binomial distribution, and on a null."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.evaluation.mcnemar import mcnemar


@pytest.mark.parametrize(
    ("worse", "better", "p"),
    [(1, 0, 1.0), (5, 0, 2 / 32), (0, 6, 2 / 64), (3, 1, 10 / 16), (4, 4, 1.0)],
)
def test_by_hand(worse: int, better: int, p: float) -> None:
    assert mcnemar(worse, better) == pytest.approx(p)


def test_without_a_change_there_is_no_test() -> None:
    assert math.isnan(mcnemar(0, 0))


@given(st.integers(1, 9), st.integers(0, 9))
def test_it_is_the_share_of_flips_at_least_as_one_sided(worse: int, better: int) -> None:
    count = worse + better
    if count > 12:
        return
    far = abs(worse - better)
    flips = [abs(sum(signs)) >= far for signs in product((-1, 1), repeat=count)]
    assert mcnemar(worse, better) == pytest.approx(np.mean(flips))
    assert mcnemar(worse, better) == mcnemar(better, worse)


def test_thousands_of_changes_are_exact_too() -> None:
    assert mcnemar(2600, 2400) == pytest.approx(0.00489, abs=1e-4)  # z = 2.8 less a half each side
    assert 0 <= mcnemar(5000, 0) < 1e-300


def test_its_level_is_kept_for_every_number_of_changes() -> None:
    for count in range(1, 60):
        chance = [math.comb(count, i) / 2**count for i in range(count + 1)]
        wrong = sum(c for i, c in enumerate(chance) if mcnemar(i, count - i) <= 0.05)
        assert wrong <= 0.05


def test_on_a_null_it_rejects_one_case_in_twenty() -> None:
    rng = np.random.default_rng(0)
    right = rng.random((4000, 800, 2)) < 0.5  # neither text is the easier
    worse = (right[..., 0] & ~right[..., 1]).sum(axis=1)
    better = (~right[..., 0] & right[..., 1]).sum(axis=1)
    pairs, where = np.unique(np.stack([worse, better]), axis=1, return_inverse=True)
    p = np.array([mcnemar(int(w), int(b)) for w, b in pairs.T])[where.ravel()]
    assert 0.03 < np.mean(p <= 0.05) < 0.07


def test_a_planted_drop_is_found() -> None:
    rng = np.random.default_rng(1)
    found = [mcnemar(int(w), 40 - int(w)) <= 0.05 for w in rng.binomial(40, 0.8, 500)]
    assert np.mean(found) > 0.9
