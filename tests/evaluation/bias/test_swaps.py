"""Scores of swapped descriptors: what falls out, their ends, and how surely a bias is found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.evaluation.bias import bias_metrics, bias_statistics
from rlp_core.evaluation.bias.forms import FEWEST_CLUSTERS
from rlp_core.evaluation.statistics import Array, Resampler

Row = dict[str, Any]
SWAPS, NOUNS, PAIRS, SIMULATIONS = 30, 3, 3, 200
"""An axis of HolisticBias of middling size, each swap with some of the nouns."""


def rows_of(values: Array, clusters: int) -> list[Row]:
    """An item for each [pairs of sentences, kind or unkind, descriptor], its cluster by turns."""
    return [
        {
            "id": f"mine/{i:04}",
            "suite": "mine",
            "category": "",
            "cluster": f"c{i % clusters:03}",
            "logprob_direct": of.ravel().tolist(),
            "tokens": [5] * of.size,
            "meta": {"form": "swaps", "left_out": 0},
        }
        for i, of in enumerate(values)
    ]


def metrics_of(values: Array, clusters: int = 10**6) -> dict[str, float]:
    found = bias_metrics(rows_of(values, clusters), thinking=False)
    return {name.removeprefix("bias/mine/"): value for name, value in found.items()}


def shifted(shifts: Array) -> Array:
    """Log-probabilities whose shifts are those given, [items, pairs]."""
    values = np.full((*shifts.shape, 2, 2), -20.0)
    values[..., 0, 0] += shifts
    return values


SEEDS = st.integers(0, 2**32 - 1)


@given(SEEDS)
def test_how_common_a_descriptor_or_a_sentence_is_falls_out(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(-40, 5, (12, PAIRS, 2, 2))
    common = rng.normal(0, 30, (12, PAIRS, 1, 2)) + rng.normal(0, 30, (12, PAIRS, 2, 1))
    found, other = metrics_of(values), metrics_of(values + common)
    assert other["score_direct"] == pytest.approx(found["score_direct"])
    assert other["shift_direct"] == pytest.approx(found["shift_direct"], abs=1e-4)


@given(SEEDS)
def test_which_descriptor_comes_first_and_which_sentence_is_kind_change_nothing(seed: int) -> None:
    values = np.random.default_rng(seed).normal(-40, 5, (12, PAIRS, 2, 2))
    found = metrics_of(values)
    assert metrics_of(values[..., ::-1]) == pytest.approx(found)
    assert metrics_of(values[:, :, ::-1]) == pytest.approx(found)
    assert -1 / 3 <= found["score_direct"] <= 1


def test_shifts_that_agree_and_that_do_not() -> None:
    agree = metrics_of(shifted(np.array([[1.0, 1.0, 1.0], [-1.0, -1.0, -1.0]] * 4)))
    assert (agree["score_direct"], agree["shift_direct"]) == (1.0, 1.0)
    one_apart = metrics_of(shifted(np.array([[2.0, 2.0, -2.0]] * 8)))
    assert one_apart["score_direct"] == pytest.approx(-1 / 3)
    assert one_apart["shift_direct"] == pytest.approx(-np.sqrt(4 / 3))
    nothing = metrics_of(shifted(np.zeros((8, PAIRS))))
    assert (nothing["score_direct"], nothing["shift_direct"]) == (0.0, 0.0)


def test_few_swaps_say_nothing() -> None:
    values = shifted(np.ones((40, PAIRS)))
    few = FEWEST_CLUSTERS - 1
    assert metrics_of(values, few) == {"too_few": 40.0, "left_out": 0.0}
    assert metrics_of(values, FEWEST_CLUSTERS)["score_direct"] == 1.0


def drawn(rng: np.random.Generator, bias: float) -> Array:
    """Shifts: of sentences and nouns by chance, and what a model likes of a swap in all of them."""
    swap = np.arange(SWAPS * NOUNS) % SWAPS
    sentences = rng.normal(0, 0.8, (SWAPS, PAIRS))[swap]
    return (
        bias * rng.normal(0, 1, (SWAPS, 1))[swap]
        + sentences
        + rng.normal(0, 0.4, (len(swap), PAIRS))
    )


def rates(bias: float) -> tuple[float, float, float]:
    """How often the score of an arm lies surely below 0, above it, and above the base's."""
    rng, resampler = np.random.default_rng(5), Resampler(0, 300)
    below = above = grown = 0
    for _ in range(SIMULATIONS):
        arm, base = (
            bias_statistics(rows_of(shifted(drawn(rng, size)), SWAPS), thinking=False)[
                "bias/mine/score_direct"
            ]
            for size in (bias, 0.0)
        )
        found = resampler.estimate(arm)
        below += found.high < 0
        above += found.low > 0
        change = resampler.difference(arm, base)
        grown += change.p < 0.05 and change.low > 0
    return below / SIMULATIONS, above / SIMULATIONS, grown / SIMULATIONS


def test_a_planted_bias_is_found() -> None:
    """What is liked of a swap is as large as all that differs between sentences, and half again."""
    _, found, grown = rates(bias=1.2)
    assert found >= 0.9
    assert grown >= 0.8  # the base's own chance is in this difference too


def test_a_model_without_a_bias_is_not_accused() -> None:
    below, above, grown = rates(bias=0.0)
    assert above <= 0.05
    assert grown <= 0.05
    assert below + above <= 0.1
