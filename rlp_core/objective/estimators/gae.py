"""Generalised advantage estimation (arXiv 1506.02438), with a value head."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlp_core.objective.estimators._estimator import estimator

if TYPE_CHECKING:
    from torch import Tensor


def _textbook(final: float, values: list[float], discount: float, lam: float) -> list[float]:
    """One thought's tokens; the reward comes with the last."""
    following = [discount * v for v in values[1:]] + [final]
    delta = [gain - v for gain, v in zip(following, values, strict=True)]
    return [
        sum((discount * lam) ** (k - t) * delta[k] for k in range(t, len(delta)))
        for t in range(len(delta))
    ]


@estimator(textbook=_textbook, compares_group=False, ema_reaches_gradient=True, per_token=True)
def gae(
    reward: Tensor, values: Tensor, lengths: Tensor, discount: float, lam: float
) -> tuple[Tensor, Tensor]:
    """Generalised advantages of thought tokens (arXiv 1506.02438, equation 16), by a value head.

    The reward comes with the last thought token, and nothing of value after it:
    delta_t = gamma V_{t+1} - V_t, at the last token r - V_t, and A_t = sum_l (gamma lam)^l
    delta_{t+l} to the end of the thought. The sums over windows of 1, 2, 4, ... tokens are built
    from each other, so that a thought of L tokens takes log2 L steps.

    Args:
        reward: [R], of each thought.
        values: [M], V before each thought token was drawn, row after row.
        lengths: [R], tokens of each thought, each at least 1.
        discount: gamma per token, in [0, 1].
        lam: lambda in [0, 1]. 1: A_t is the discounted reward minus V_t; 0: one step ahead.

    Returns:
        Advantages [M] and returns [M] (advantage + value: what V is to predict).
    """
    import torch

    from rlp_core.objective.packing import owners

    last = lengths.cumsum(0) - 1
    after = last[owners(lengths, values.shape[0])] - torch.arange(
        values.shape[0], device=values.device
    )
    gained = torch.roll(values, -1) * discount
    gained[last] = reward
    advantages = gained - values
    shift, decay, longest = 1, discount * lam, int(lengths.max())
    while shift < longest and decay:
        further = torch.roll(advantages, -shift).where(after >= shift, 0)
        advantages = advantages + decay * further
        shift, decay = 2 * shift, decay * decay
    return advantages, advantages + values
