"""A curve's moving mean, and how sure it is: by batch means, from the one run that was made.

Single steps scatter, because each met other texts and thoughts. The band is the interval of the
mean over a window of steps. It says where that mean would lie if the same run, on the same course,
had met others; of the course of another seed one run knows nothing.

Neighbouring steps are not independent. So the scatter is that of means of batches of steps
(Conway 1963), and of two neighbours' difference, which takes the slope of the curve out of it: for
batches of l steps, independent of one another, var(mean of w) = l / w * E[(difference)^2] / 2. It
is averaged over all neighbours near the window, because scatter changes in the course of training.
Where steps depend on each other over more than a batch, the band is too narrow: of steps with a
correlation of 0.6 it holds the mean in about nine cases of ten, instead of 19 of 20.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FEWEST_STEPS = 12
"""With fewer no scatter can be learnt, and there is no band."""

MOST_POINTS = 200
"""Points of a line that are kept: more cannot be seen, and would make the page heavy."""


@dataclass(frozen=True)
class MovingMean:
    """A mean over a window of steps, its middle at each step that is kept, and its interval.

    Attributes:
        window: steps that a mean is over; fewer at both ends of the curve, where it is cut.
        steps, middle, low, high: [k], at most about `MOST_POINTS`.
    """

    window: int
    steps: Array
    middle: Array
    low: Array
    high: Array


def moving_mean(
    steps: Sequence[float], values: Sequence[float], confidence: float = 0.95
) -> MovingMean | None:
    """The moving mean of the finite values, which count as neighbours; None where they are few.

    The window is a tenth of the steps, and three batches at least; a batch is the cube root of the
    number of steps, rounded.

    Args:
        steps: [n], in order.
        values: [n], NaN where a step has none.
        confidence: of the interval.
    """
    finite = [(s, v) for s, v in zip(steps, values, strict=True) if np.isfinite(v)]
    count = len(finite)
    if count < FEWEST_STEPS:
        return None
    places, told = (np.array(column, dtype=np.float64) for column in zip(*finite, strict=True))
    batch = max(2, round(count ** (1 / 3)))
    window = max(3 * batch, count // 10)
    kept = np.unique(np.linspace(0, count - 1, min(count, MOST_POINTS)).round().astype(int))
    first = np.maximum(kept - window // 2, 0)
    end = np.minimum(kept - window // 2 + window, count)
    middle = _means(told, first, end)
    scatter, freedom = _scatter(told, batch, kept, 3 * window)
    half = _student(freedom, confidence) * np.sqrt(scatter * batch / (end - first))
    return MovingMean(window, places[kept], middle, middle - half, middle + half)


def _means(values: Array, first: NDArray[np.int64], end: NDArray[np.int64]) -> Array:
    """Mean of values[first:end], for each pair of ends."""
    sums = np.concatenate([[0.0], np.cumsum(values - values.mean())])
    found: Array = values.mean() + (sums[end] - sums[first]) / (end - first)
    return found


def _scatter(
    values: Array, batch: int, kept: NDArray[np.int64], around: int
) -> tuple[Array, float]:
    """Variance of a batch's mean near each place, and its degrees of freedom.

    Args:
        values: [n].
        batch: steps of a batch.
        kept: [k] places.
        around: steps, centred on a place, whose batches are taken.
    """
    count = len(values)
    around = min(around, count)
    starts = np.arange(count - batch + 1)
    means = _means(values, starts, starts + batch)
    halves = (means[batch:] - means[:-batch]) ** 2 / 2  # of the batches from i and i + batch on
    first = np.clip(kept - around // 2, 0, count - around)
    pairs = around - 2 * batch + 1
    freedom = 2 / 3 * (around / batch - 1)  # overlapping differences know less than batches apart
    return np.maximum(_means(halves, first, first + pairs), 0.0), freedom


def _student(freedom: float, confidence: float) -> float:
    """Two-sided quantile of Student's t (Abramowitz and Stegun 1964, 26.7.5)."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return sum(term / freedom**power for power, term in enumerate(terms))
