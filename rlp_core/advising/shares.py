"""A share and how sure it is, also where it is 0 or 1: Wilson's score interval (1927)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import NormalDist

from rlp_core.evaluation.statistics import Estimate

CONFIDENCE = 0.95
"""Of every interval of an advice."""


def share_of(values: Iterable[tuple[str, float]]) -> Estimate:
    """The mean of values in [0, 1], with Wilson's interval over their clusters.

    A resampled interval has no width where all values are equal, and three sound demonstrations
    would make sure of all. Wilson's has one. It is of as many independent draws as there are
    clusters, which is rather too wide than too narrow where a cluster holds several values.

    Args:
        values: of each its cluster and its value.

    Returns:
        The mean over values; NaN with the interval from 0 to 1 where there is none.
    """
    given = list(values)
    clusters = len({cluster for cluster, _ in given})
    if not given:
        return Estimate(math.nan, 0.0, 1.0, 0, 0)
    share = math.fsum(value for _, value in given) / len(given)
    low, high = wilson(share, clusters)
    return Estimate(share, low, high, len(given), clusters)


def wilson(share: float, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Ends of the interval of a share that was seen in `n` independent draws.

    Raises:
        ValueError: the share lies outside [0, 1], or nothing was drawn.
    """
    if not 0 <= share <= 1 or n < 1:
        raise ValueError(f"no share of {n} draws: {share}")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    middle = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    whole = 1 + z * z / n
    return max(0.0, (middle - half) / whole), min(1.0, (middle + half) / whole)
