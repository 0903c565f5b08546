"""The leave-one-out baseline over rewards that have a floor."""

from __future__ import annotations

from statistics import mean
from typing import TYPE_CHECKING

from rlp_core.objective.estimators._estimator import estimator

if TYPE_CHECKING:
    from torch import Tensor


def _textbook(rewards: list[list[float]]) -> list[list[float]]:
    """Of each group a floored reward less the mean of the others'."""
    floored = [[max(r, 0.0) for r in group] for group in rewards]
    return [
        [r - mean(group[:i] + group[i + 1 :]) for i, r in enumerate(group)] for group in floored
    ]


@estimator(textbook=_textbook, compares_group=True, ema_reaches_gradient=True)
def floored(rewards: Tensor) -> Tensor:
    """Equation 7 of max(r_i, 0): a thought that misled counts as one that changed nothing.

    What a right thought earns has a ceiling, the nats that were left to save; what a wrong one
    costs has none. Where both are drawn, the mean of working can be a loss though it finds the
    answer more often, and not to think is then what equation 7 learns.
    """
    group = rewards.shape[1]
    raised = rewards.clamp(min=0)
    return group / (group - 1) * (raised - raised.mean(dim=1, keepdim=True))
