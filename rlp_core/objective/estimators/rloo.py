"""Equation 7 of the paper (arXiv 2510.01265): the leave-one-out baseline."""

from __future__ import annotations

from statistics import mean
from typing import TYPE_CHECKING

from rlp_core.objective.estimators._estimator import estimator

if TYPE_CHECKING:
    from torch import Tensor


def _textbook(rewards: list[list[float]]) -> list[list[float]]:
    """A reward less the mean of the others."""
    return [
        [r - mean(group[:i] + group[i + 1 :]) for i, r in enumerate(group)] for group in rewards
    ]


@estimator(textbook=_textbook, compares_group=True, ema_reaches_gradient=False)
def rloo(rewards: Tensor) -> Tensor:
    """Equation 7: A_i = G / (G - 1) (r_i - mean_j r_j). The paper's, and the default.

    This equals r_i - mean_{j != i} r_j.
    """
    group = rewards.shape[1]
    return group / (group - 1) * (rewards - rewards.mean(dim=1, keepdim=True))
