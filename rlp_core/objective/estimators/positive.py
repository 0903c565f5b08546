"""Only thoughts that helped count."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlp_core.objective.estimators._estimator import estimator

if TYPE_CHECKING:
    from torch import Tensor


def _textbook(rewards: list[list[float]]) -> list[list[float]]:
    return [[max(r, 0.0) for r in group] for group in rewards]


@estimator(textbook=_textbook, compares_group=False, ema_reaches_gradient=True)
def positive(rewards: Tensor) -> Tensor:
    """max(r_i, 0): a thought that did not help is left alone, not pushed away.

    S_ema is its threshold.
    """
    return rewards.clamp(min=0)
