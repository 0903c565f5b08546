"""Reward against what can be verified: does the more that is earned mean that more is known?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import permutations

import numpy as np

from rlp_core.evaluation.reward_audit.alarms import (
    NAN,
    Alarm,
    enough,
    p_worded,
    worded,
)
from rlp_core.evaluation.reward_audit.config import RewardAudit
from rlp_core.evaluation.reward_audit.rules import texts_of
from rlp_core.evaluation.reward_audit.table import rank_correlation
from rlp_core.evaluation.statistics import Array, Estimate, Resampler, Statistic

POINTS = 5
"""With fewer points no order of them has a p below 0.05 by much: of 4 the least is 1 / 24."""

_EXACT = 8
_GOODHART = (
    "choose the checkpoint by answers (`rlp.heldout.keep: best` goes by gain), and read thoughts"
)


def without_accuracy(
    gain: tuple[Statistic, Statistic],
    accuracy: tuple[Statistic, Statistic],
    settings: RewardAudit,
    resampler: Resampler,
) -> Alarm:
    """Whether an arm earns more than the base and answers worse: a reward that misleads.

    Both must be shown, so the larger p counts (intersection-union test, Berger 1982).

    Args:
        gain, accuracy: of the arm and of the base, on the same items.
        settings: the audit's.
        resampler: of the tests.

    Raises:
        ValueError: arm and base were measured on different items.
    """
    name = "reward_without_accuracy"
    few = [pair[0] for pair in (gain, accuracy) if not enough(pair[0], settings)]
    earned, right = (resampler.difference(*pair) for pair in (gain, accuracy))
    said = (
        f"Against the base a thought earns {worded(earned)} nats more, and answers after thinking "
        f"are right by {worded(right)} more"
    )
    if few:
        return Alarm(name, "too_few", f"{said}: too few to say, n = {texts_of(few[0])}.", right)
    ups, downs = (
        _known(resampler.distribution(a) - resampler.distribution(b)) for a, b in (gain, accuracy)
    )
    p = max(
        (1 + int((ups <= 0).sum())) / (1 + len(ups)),
        (1 + int((downs >= 0).sum())) / (1 + len(downs)),
    )
    if p < settings.alpha:
        told = f"{said}: more is earned and less is known (p {p_worded(p)}). To do: {_GOODHART}."
        return Alarm(name, "alarm", told, right, None, p, p)
    if right.low > 0:
        return Alarm(name, "clear", f"{said}: accuracy rose too.", right, None, p, p)
    return Alarm(name, "open", f"{said}: a fall of accuracy is not shown.", right, None, p, p)


def _known(spread: Array) -> Array:
    """Without the resamples that drew no problem of a benchmark, whose average is undefined."""
    return spread[~np.isnan(spread)]


def rank_agreement(
    gains: Sequence[float], accuracies: Sequence[float], settings: RewardAudit
) -> Alarm:
    """Spearman's of reward and verified accuracy over arms or checkpoints, by all permutations.

    Args:
        gains, accuracies: a point each; up to 8 points are permuted exactly, later ones by a
            normal approximation.
        settings: the audit's.
    """
    name, count = "reward_against_accuracy", len(gains)
    said = "Over the arms, reward and accuracy after thinking"
    if count < POINTS:
        told = f"{said}: too few to say, n = {count} points, {POINTS} would do."
        return Alarm(name, "too_few", told, Estimate(NAN, NAN, NAN, count, count))
    value, p = _spearman_p(np.array(gains), np.array(accuracies))
    found = Estimate(value, NAN, NAN, count, count)
    if math.isnan(value):
        return Alarm(name, "open", f"{said}: all points are equal in one of the two.", found)
    told = f"{said} rank alike by {value:.3f} (n = {count} points, p of no negative rank {p:.3f})"
    if p < settings.alpha:
        return Alarm(name, "alarm", f"{told}: the more is earned the less is known.", found, p=p)
    return Alarm(name, "clear" if value > 0 else "open", f"{told}.", found, p=p)


def _spearman_p(first: Array, second: Array) -> tuple[float, float]:
    value, known = rank_correlation(first[None], second[None])
    if not known[0]:
        return NAN, NAN
    if len(first) > _EXACT:
        z = float(value[0]) * math.sqrt(len(first) - 1)
        return float(value[0]), 0.5 * math.erfc(-z / math.sqrt(2))
    orders = np.array(list(permutations(range(len(second)))))
    tried, _ = rank_correlation(np.broadcast_to(first, orders.shape), second[orders])
    return float(value[0]), float((tried <= value[0] + 1e-12).mean())
