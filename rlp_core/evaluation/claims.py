"""What the page's first screen may claim: its tests, adjusted together.

Each sentence there answers one question by one test. Several of them at 5 % each would be wrong
somewhere more often than at 5 %, so they are adjusted as one family (Holm 1979).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from rlp_core.arms import Arms
from rlp_core.evaluation.statistics import Resampler, Statistic, holm, ratio

ALPHA = 0.05
"""A claim is made where its adjusted p is smaller."""

AGAINST_NOTHING = ("gain_over_base", "content_gain")
"""Metrics that are compared with 0."""


def claims(
    made: Mapping[str, Mapping[str, Statistic]],
    few_shot: Mapping[str, Mapping[str, Any]],
    resampler: Resampler,
    arms: Arms,
    arm: str = "rlp",
) -> dict[str, dict[str, float]]:
    """P-values of the first screen's sentences, NaN where nothing can be tested.

    Args:
        made: every metric of every arm.
        few_shot: what examples give for nothing, by arm, as `comparison.py` describes it.
        resampler: gives the permutations.
        arms: as they are declared; their headlines are among the claims.
        arm: the one that the page is about.

    Returns:
        `ARM/pass_at_1_gain`, `ARM/gain_over_base`, `ARM/content_gain`,
        `ARM/pass_at_1_best/REFERENCE` and `ARM/left`, each to `p` and `p_holm`.
    """
    found: dict[str, float] = {}
    if arm in made:
        of = made[arm]
        modes = of["pass_at_1_thinking"], of["pass_at_1_direct"]
        found[f"{arm}/pass_at_1_gain"] = resampler.difference(*modes).p
        found |= {
            f"{arm}/{name}": of_no_change(of[name], resampler)
            for name in AGAINST_NOTHING
            if name in of
        }
    for one in arms.all:
        for other in one.headlines:
            if one.name in made and other in made:
                pair = (made[name]["pass_at_1_best"] for name in (one.name, other))
                found[f"{one.name}/pass_at_1_best/{other}"] = resampler.difference(*pair).p
    for name in arms.pretrained:
        if name in few_shot:
            p = few_shot[name]["left"]["p"]
            found[f"{name}/left"] = float("nan") if p is None else p
    adjusted = holm(found)
    return {name: {"p": p, "p_holm": adjusted[name]} for name, p in found.items()}


def of_no_change(statistic: Statistic, resampler: Resampler) -> float:
    """Two-sided p that a mean of differences is 0: their signs are flipped, cluster by cluster.

    Raises:
        ValueError: the statistic is no ratio of two sums.
    """
    if statistic.formula is not ratio:
        raise ValueError("only a ratio of two sums can be compared with 0")
    nothing = replace(statistic, sums=statistic.sums * np.array([0.0, 1.0]))
    return resampler.difference(statistic, nothing).p
