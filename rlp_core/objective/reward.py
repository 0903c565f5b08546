"""The reward: how much likelier a thought made the text that follows (arXiv 2510.01265, 3).

Letters: N places to think, G thoughts at each, R rows (thoughts) in all.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rlp_core.objective.packing import owners, steps


def information_gain(predicted: Tensor, baseline: Tensor) -> Tensor:
    """Equation 4: r = S_pred - S_ema.

    Its mean over texts drawn from the true distribution is the cross-entropy that the thought
    saved: CE(p*, p_ema) - CE(p*, p_pred), the paper's proposition 1.

    Args:
        predicted: [N, G], S_pred = log p_theta(x_t | x_<t, c) at temperature 1, in nats.
        baseline: [N], S_ema = log p_phi(x_t | x_<t), in nats.

    Returns:
        [N, G] in nats, a constant for the gradient.
    """
    return (predicted - baseline[:, None]).detach()


def discounted_sum(logprobs: Tensor, lengths: Tensor, discount: float) -> Tensor:
    """S over a horizon: sum_h discount^h log p(x_{t+h} | ...), for rows of any lengths.

    Args:
        logprobs: [sum of lengths], the targets' log-probabilities, row after row.
        lengths: [R], targets of each row; fewer than the horizon where a text ends.
        discount: weight of each further token. 0 leaves the first token alone.

    Returns:
        [R].
    """
    weight = torch.as_tensor(discount, dtype=logprobs.dtype, device=logprobs.device)
    weighted = logprobs * weight.pow(steps(lengths, logprobs.shape[0]))
    return logprobs.new_zeros(lengths.shape[0]).index_add(
        0, owners(lengths, logprobs.shape[0]), weighted
    )


def clip_reward(reward: Tensor, limit: float | None) -> Tensor:
    """Cut rewards to [-limit, limit]; None leaves them as they are.

    A cut reward no longer moves with S_ema by a constant per place, so under a clip the baseline
    reaches the gradient whatever the estimator.

    Args:
        reward: any shape, in nats.
        limit: above 0, in nats.

    Raises:
        ValueError: the limit is not above 0.
    """
    if limit is None:
        return reward
    if not limit > 0:
        raise ValueError(f"the limit of the reward must be above 0, not {limit}")
    return reward.clamp(-limit, limit)
