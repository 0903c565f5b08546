"""The leave-one-out baseline over rewards that have a floor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlp_core.objective.estimators._estimator import estimator
from rlp_core.objective.estimators.rloo import rloo

if TYPE_CHECKING:
    from torch import Tensor


def _textbook(rewards: list[list[float]]) -> list[list[float]]:
    found: list[list[float]] = rloo.textbook([[max(r, 0.0) for r in group] for group in rewards])
    return found


@estimator(textbook=_textbook, compares_group=True, ema_reaches_gradient=True)
def floored(rewards: Tensor) -> Tensor:
    """Equation 7 of max(r_i, 0): a thought that misled counts as one that changed nothing.

    What a right thought earns has a ceiling, the nats that were left to save; what a wrong one
    costs has none. Where both are drawn, the mean of working can be a loss though it finds the
    answer more often, and not to think is then what equation 7 learns.
    """
    found: Tensor = rloo.function(rewards.clamp(min=0))
    return found
