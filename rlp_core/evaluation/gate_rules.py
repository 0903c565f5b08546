"""A rule of the gate: shown to hold, or failed with a reason in words.

A number whose interval reaches over the limit fails. Where the number itself lies on the right
side, more items may show it, and the rule says about how many: the width of an interval shrinks
with the root of their number. As many are asked for as show it in four cases of five, if the truth
is what was measured; with just as many as would bring the interval's end to the limit, chance alone
would fail half of them (Cohen 1988, chapter 2).

A few clusters that agree have a narrow interval and prove nothing: a bootstrap cannot draw what it
has not seen. So no rule holds with fewer clusters than the sign test needs to reject at all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from rlp_core.evaluation.comparison import rounded
from rlp_core.evaluation.statistics import Estimate, Statistic

POWER = 0.8

MOST = 1000.0
"""An interval so many times as wide as the room to the limit asks for millions of times the items:
the estimate lies on the limit, as far as anybody can tell."""

_UNKNOWN = "it was not measured, or is undefined"

Reason = dict[str, Any]
"""Keys as `GateRule.judged` says."""


@dataclass(frozen=True)
class GateRule:
    """What must be shown.

    Attributes:
        name: what is measured, in words.
        limit: what it is held against, in the same unit.
        at_least: whether it must reach the limit; else it must not exceed it.
    """

    name: str
    limit: float
    at_least: bool

    @property
    def required(self) -> str:
        """`>= 0.8`."""
        return f"{'>=' if self.at_least else '<='} {self.limit + 0.0:g}"

    def keeps(self, value: float) -> bool:
        """Whether a number keeps the limit, both rounded as in files. NaN does not."""
        known, limit = rounded(value), rounded(self.limit)
        if known is None or limit is None:
            return False
        return known >= limit if self.at_least else known <= limit

    def judged(self, value: float, n: int, clusters: int) -> Reason:
        """Hold the number itself against the limit, without an interval.

        Returns:
            `rule`, `required`, `measured` (what was held against the limit), `holds`, `value`
            (the estimate), `n` (items), `clusters`, `enough` (items that would do; null where none
            are missing, or no number would do) and `why` (empty where it holds).
        """
        why = ""
        if math.isnan(value):
            why = _UNKNOWN
        elif not self.keeps(value):
            why = "the number is on the wrong side of the limit"
        return self._reason(value, value, n, clusters, None, why)

    def unmeasured(self) -> Reason:
        """The reason of a number that is not there."""
        return self.judged(math.nan, 0, 0)

    def shown(
        self, estimate: Estimate, clusters: int, confidence: float, scale: float = 1.0
    ) -> Reason:
        """Hold the end of the interval that is against the model against the limit.

        Args:
            estimate: value and interval.
            clusters: of the factor that has the fewest.
            confidence: of the interval.
            scale: what all three are multiplied by before.
        """
        value = scale * estimate.value
        end = scale * (estimate.low if self.at_least else estimate.high)
        least = fewest_clusters(confidence)
        room = value - self.limit if self.at_least else self.limit - value
        width = abs(value - end)  # NaN with one cluster
        seen = width / MOST if width > 0 else 0.0  # less room than that is none
        enough = None
        if math.isnan(value):
            why = _UNKNOWN
        elif self.keeps(end) and clusters >= least:
            why = ""
        elif room < 0 or (room <= seen and width != 0):
            why = "the estimate itself is not clear of the limit: more of such items would not help"
        else:
            times = least / clusters
            if width > 0:
                times = max(times, enough_times(width, room, confidence))
            enough = math.ceil(times * estimate.n)
            of = "" if clusters == estimate.n else f" in {clusters} clusters"
            why = f"too few items: {estimate.n}{of}; about {enough} would do"
        return self._reason(value, end, estimate.n, clusters, enough, why)

    def _reason(
        self, value: float, measured: float, n: int, clusters: int, enough: int | None, why: str
    ) -> Reason:
        return {
            "rule": self.name,
            "required": self.required,
            "measured": rounded(measured),
            "holds": not why,
            "value": rounded(value),
            "n": n,
            "clusters": clusters,
            "enough": enough,
            "why": why,
        }


def fewest_clusters(confidence: float) -> int:
    """Clusters below which even full agreement is chance: 2^-n exceeds one tail of the interval."""
    return math.ceil(-math.log2((1 - confidence) / 2))


def enough_times(width: float, room: float, confidence: float) -> float:
    """How many times as many clusters would show it, with probability `POWER`.

    Args:
        width: from the estimate to the end of its interval.
        room: from the estimate to the limit.
        confidence: of the interval, two-sided.
    """
    tail = NormalDist().inv_cdf((1 + confidence) / 2)
    return (width / room * (1 + NormalDist().inv_cdf(POWER) / tail)) ** 2


def clusters_of(statistic: Statistic) -> int:
    """Clusters of the factor that has the fewest: it decides how wide an interval is."""
    return min(len(names) for names in statistic.factors)
