"""The advantage of GRPO (arXiv 2402.03300, section 4.1)."""

from __future__ import annotations

from statistics import mean, stdev
from typing import TYPE_CHECKING

from rlp_core.objective.estimators._estimator import estimator

if TYPE_CHECKING:
    from torch import Tensor

EPSILON = 1e-4
"""Nats added to a group's standard deviation. Well above fp32's rounding of a reward (1e-6), or a
group of equal rewards would turn that rounding into advantages of order 1."""


def _textbook(rewards: list[list[float]]) -> list[list[float]]:
    """A reward less the group's mean, over the group's spread."""
    return [[(r - mean(group)) / (stdev(group) + 1e-4) for r in group] for group in rewards]


@estimator(textbook=_textbook, compares_group=True, ema_reaches_gradient=False)
def grpo(rewards: Tensor) -> Tensor:
    """(r_i - mean_j r_j) / (std_j r_j + `EPSILON`), the sample standard deviation.

    Not the paper's: a position where all thoughts are about equally good weighs as much as one
    where they differ by nats.
    """
    centred = rewards - rewards.mean(dim=1, keepdim=True)
    return centred / (rewards.std(dim=1, keepdim=True) + EPSILON)
