"""The reward less the mean of the whole step."""

from __future__ import annotations

from statistics import mean
from typing import TYPE_CHECKING

from rlp_core.objective.estimators._estimator import estimator

if TYPE_CHECKING:
    from torch import Tensor


def _textbook(rewards: list[list[float]]) -> list[list[float]]:
    centre = mean([r for group in rewards for r in group])
    return [[r - centre for r in group] for group in rewards]


@estimator(textbook=_textbook, compares_group=False, ema_reaches_gradient=True)
def batch_centred(rewards: Tensor) -> Tensor:
    """r_i minus the mean over all thoughts of all positions."""
    return rewards - rewards.mean()
