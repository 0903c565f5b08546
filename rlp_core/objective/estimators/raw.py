"""The reward itself as the advantage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlp_core.objective.estimators._estimator import estimator

if TYPE_CHECKING:
    from torch import Tensor


def _textbook(rewards: list[list[float]]) -> list[list[float]]:
    return [list(group) for group in rewards]


@estimator(textbook=_textbook, compares_group=False, ema_reaches_gradient=True)
def raw(rewards: Tensor) -> Tensor:
    """r_i, the reward itself.

    Where S_ema reaches the gradient, it need not change much of what is learnt: a constant b of a
    position adds b * E[w grad log pi(c)] to the expected ascent direction: 0 if no thought changed
    the weight w, and b * grad E[1 / |c|] with equation 8's weights, so that b > 0 pulls towards
    short thoughts and b < 0 towards long ones.
    """
    return rewards
