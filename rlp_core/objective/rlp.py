"""Reward, advantage and loss of RLP as pure functions (arXiv 2510.01265, section 3).

Letters: N places to think, G thoughts at each, M the number of thought tokens in all.
"""

from __future__ import annotations

import torch
from torch import Tensor


def information_gain(predicted: Tensor, baseline: Tensor) -> Tensor:
    """Equation 4: how much likelier a thought made the text that really follows.

    Args:
        predicted: [N, G], S_pred = log p_theta(x_t | x_<t, c), in nats.
        baseline: [N], S_ema = log p_phi(x_t | x_<t), in nats.

    Returns:
        [N, G], r = S_pred - S_ema, a constant for the gradient.
    """
    return (predicted - baseline[:, None]).detach()


def advantages(rewards: Tensor) -> Tensor:
    """Equation 7: A_i = G / (G - 1) (r_i - mean_j r_j).

    This equals r_i - mean_{j != i} r_j, the leave-one-out baseline, and so it does not change
    when a constant is added to all rewards of one place: S_ema measures, it does not steer.

    Args:
        rewards: [N, G] with G >= 2.

    Returns:
        [N, G].

    Raises:
        ValueError: G is 1: no other thought is there to compare with.
    """
    group = rewards.shape[1]
    if group < 2:
        raise ValueError("the leave-one-out baseline needs at least 2 thoughts per place")
    return group / (group - 1) * (rewards - rewards.mean(dim=1, keepdim=True))


def clipped_surrogate(
    logprobs: Tensor,
    old_logprobs: Tensor,
    advantage: Tensor,
    weight: Tensor,
    clip_low: float,
    clip_high: float,
) -> Tensor:
    """Equation 8, to be minimised: the clipped surrogate over thought tokens.

    Args:
        logprobs: [M], log pi_theta of each thought token, with gradient.
        old_logprobs: [M], the same under the policy that sampled; no gradient.
        advantage: [M], A of the thought that the token belongs to.
        weight: [M], 1 / (|c_i| * number of thoughts), so that the sum is the mean over thoughts
            of the mean over a thought's tokens.
        clip_low: eps_low; the ratio counts down to 1 - eps_low.
        clip_high: eps_high; the ratio counts up to 1 + eps_high.

    Returns:
        A scalar.
    """
    ratio = torch.exp(logprobs - old_logprobs.detach())
    clipped = ratio.clamp(1 - clip_low, 1 + clip_high)
    gain = torch.minimum(ratio * advantage, clipped * advantage)
    return -(weight * gain).sum()
