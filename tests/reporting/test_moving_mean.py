"""The band of a moving mean: what it holds of one run, and that no more is drawn than is seen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.reporting.moving_mean import FEWEST_STEPS, MOST_POINTS, MovingMean, moving_mean


def made(values: np.ndarray) -> MovingMean:
    found = moving_mean(range(len(values)), values.tolist())
    assert found is not None
    return found


def correlated(count: int, rho: float, rng: np.random.Generator) -> np.ndarray:
    noise = rng.standard_normal(count)
    for i in range(1, count):
        noise[i] = rho * noise[i - 1] + np.sqrt(1 - rho**2) * noise[i]
    return noise


def held(count: int, rho: float, slope: float = 0.0, runs: int = 150) -> float:
    """Share of bands, over places and runs, that hold the mean without the scatter."""
    rng = np.random.default_rng([count, int(10 * rho), int(slope)])
    line = slope * np.arange(count) / count
    plain = np.array(made(line).middle)
    shares = []
    for _ in range(runs):
        found = made(line + correlated(count, rho, rng))
        shares.append(np.mean((found.low <= plain) & (plain <= found.high)))
    return float(np.mean(shares))


@pytest.mark.parametrize("count", [20, 60, 300])
def test_the_band_holds_the_mean_of_independent_steps(count: int) -> None:
    assert 0.94 <= held(count, 0.0) <= 1.0
    assert held(count, 0.3) >= 0.93


def test_the_band_of_dependent_steps_is_as_narrow_as_the_module_says() -> None:
    assert 0.86 <= held(300, 0.6) <= 0.95


def test_a_slope_is_no_scatter() -> None:
    assert held(300, 0.0, slope=10.0) >= 0.94
    rng = np.random.default_rng(5)
    noise = rng.standard_normal(300)
    flat, steep = made(noise), made(noise + np.arange(300) / 30)
    widths = [float(np.mean(of.high - of.low)) for of in (flat, steep)]
    assert widths[1] == pytest.approx(widths[0], rel=0.1)


def test_scatter_that_ends_leaves_a_narrow_band() -> None:
    noise = np.random.default_rng(6).standard_normal(600)
    noise[300:] *= 0.01
    found = made(noise)
    width = found.high - found.low
    assert width[0] > 20 * width[-1]


def test_a_jump_is_seen_beside_the_band() -> None:
    noise = np.random.default_rng(7).standard_normal(120)
    noise[60:] += 3
    found = made(noise)
    assert found.high[0] < 1.5 < found.low[-1]


def test_a_curve_without_scatter_is_its_own_band() -> None:
    found = made(np.full(50, 0.1))
    assert found.low.tolist() == found.high.tolist() == pytest.approx([0.1] * 50)


@given(st.integers(0, FEWEST_STEPS - 1), st.integers(0, 30))
def test_few_values_have_no_band(count: int, missing: int) -> None:
    values = [1.0] * count + [float("nan")] * missing
    assert moving_mean(range(len(values)), values) is None


def test_steps_without_a_value_are_passed_over() -> None:
    values = np.random.default_rng(8).standard_normal(80)
    gaps = np.insert(values, [10, 40], np.nan)
    steps = np.insert(np.arange(80.0), [10, 40], -1)
    found = moving_mean(steps.tolist(), gaps.tolist())
    assert found is not None
    assert found.middle.tolist() == made(values).middle.tolist()
    assert found.steps.tolist() == list(range(80))


def test_by_hand() -> None:
    found = made(np.arange(12.0) % 2)
    assert found.window == 6
    assert found.middle.tolist() == pytest.approx([1 / 3, 0.5, 0.4, *[0.5] * 7, 0.6, 0.5])
    assert (found.high - found.low).tolist() == pytest.approx([0.0] * 12)  # pairs have one mean


def test_long_runs_keep_as_many_points_as_can_be_seen() -> None:
    found = made(np.random.default_rng(9).standard_normal(20_000))
    assert len(found.steps) == len(found.middle) == len(found.low) == len(found.high)
    assert len(found.steps) <= MOST_POINTS
    assert (found.steps[0], found.steps[-1]) == (0, 19_999)
