"""Wilson's interval: against its defining equation, and at the ends where others fail."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.advising.shares import share_of, wilson


@given(st.floats(0, 1), st.integers(1, 10_000))
def test_its_ends_are_where_the_score_test_just_rejects(share: float, n: int) -> None:
    low, high = wilson(share, n)
    z = NormalDist().inv_cdf(0.975)
    assert 0 <= low <= share + 1e-12
    assert share - 1e-12 <= high <= 1
    for end in (low, high):
        if 1e-9 < end < 1 - 1e-9:
            score = (share - end) ** 2 - z * z * end * (1 - end) / n
            assert score == pytest.approx(0, abs=1e-9)


@given(st.integers(1, 1000))
def test_more_draws_are_surer_even_where_all_are_alike(n: int) -> None:
    assert wilson(1.0, n + 1)[0] > wilson(1.0, n)[0]
    assert wilson(0.0, n)[1] == pytest.approx(1 - wilson(1.0, n)[0])


def test_values_of_one_cluster_count_as_one_draw() -> None:
    alone = share_of([("a", 1.0), ("b", 0.0)])
    many = share_of([("a", 1.0)] * 8 + [("b", 0.0)] * 8)
    assert (many.value, many.low, many.high) == (alone.value, alone.low, alone.high)
    assert (many.n, many.clusters) == (16, 2)


def test_of_nothing_nothing_is_known() -> None:
    nothing = share_of([])
    assert math.isnan(nothing.value)
    assert (nothing.low, nothing.high, nothing.n) == (0.0, 1.0, 0)


@pytest.mark.parametrize(("share", "n"), [(1.1, 3), (-0.1, 3), (0.5, 0), (math.nan, 3)])
def test_what_is_no_share_is_refused(share: float, n: int) -> None:
    with pytest.raises(ValueError, match="no share"):
        wilson(share, n)
