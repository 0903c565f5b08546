"""From rewards to advantages: by name, and by generalised advantage estimation.

S_ema is one number for all thoughts of a place. An estimator that subtracts something of the same
place therefore loses it: the reward still *measures* information gain, and the gradient does not
see the baseline. `EMA_REACHES_GRADIENT` says which is which.

Where it does reach the gradient, it need not change much of what is learnt. In `raw` a constant b
of a place adds b * E[w grad log pi(c)] to the expected ascent direction: 0 if no thought changed
the weight w, and b * grad E[1 / |c|] with equation 8's weights, so that b > 0 pulls towards short
thoughts and b < 0 towards long ones. `positive` uses S_ema as a threshold.

Letters: N places to think, G thoughts at each, R = N G rows, M thought tokens in all.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from rlp_core.objective.options import ESTIMATORS, Estimator
from rlp_core.objective.packing import owners

EMA_REACHES_GRADIENT: Mapping[Estimator, bool] = MappingProxyType(
    {
        "rloo": False,
        "grpo": False,
        "raw": True,
        "batch_centred": True,
        "positive": True,
        "gae": True,
    }
)
"""Whether a change of S_ema at one place changes the advantages, with no reward clip."""

GRPO_EPSILON = 1e-4
"""Nats added to a group's standard deviation. Well above fp32's rounding of a reward (1e-6), or a
group of equal rewards would turn that rounding into advantages of order 1."""


def ema_reaches_gradient(estimator: Estimator, reward_clip: float | None) -> bool:
    """Whether S_ema reaches the gradient: by the estimator, or because rewards are clipped."""
    return reward_clip is not None or EMA_REACHES_GRADIENT[estimator]


def estimate(name: Estimator, rewards: Tensor) -> Tensor:
    """One advantage per thought.

    - `rloo`: equation 7 of arXiv 2510.01265, A_i = G / (G - 1) (r_i - mean_j r_j). This equals
      r_i - mean_{j != i} r_j, the leave-one-out baseline. The paper's, and the default.
    - `grpo`: (r_i - mean_j r_j) / (std_j r_j + `GRPO_EPSILON`), the sample standard deviation
      (arXiv 2402.03300, section 4.1). Not the paper's: a place where all thoughts are about equally
      good weighs as much as one where they differ by nats.
    - `raw`: r_i.
    - `batch_centred`: r_i minus the mean over all thoughts of all places.
    - `positive`: max(r_i, 0). A thought that did not help is left alone, not pushed away.

    Args:
        name: which of them. `gae` is no function of the rewards alone: see `gae`.
        rewards: [N, G] of the *whole* step: `batch_centred` is another thing on a part of it.

    Returns:
        [N, G], a constant for the gradient.

    Raises:
        ValueError: the name is not known or is `gae`, or G is 1 and the estimator compares the
            thoughts of a place.
    """
    rewards = rewards.detach()
    if name in ("rloo", "grpo"):
        return _compared(name, rewards)
    if name == "raw":
        return rewards
    if name == "batch_centred":
        return rewards - rewards.mean()
    if name == "positive":
        return rewards.clamp(min=0)
    if name == "gae":
        raise ValueError("`gae` needs a value per thought token: call gae()")
    raise ValueError(f"estimator must be one of {', '.join(ESTIMATORS)}, not {name!r}")


def _compared(name: Estimator, rewards: Tensor) -> Tensor:
    group = rewards.shape[1]
    if group < 2:
        raise ValueError(
            f"`{name}` compares the thoughts of a place and needs at least 2 thoughts per place, "
            f"not {group}: raise the group size, or take raw, batch_centred, positive or gae"
        )
    centred = rewards - rewards.mean(dim=1, keepdim=True)
    if name == "rloo":
        return group / (group - 1) * centred
    return centred / (rewards.std(dim=1, keepdim=True) + GRPO_EPSILON)


def gae(
    reward: Tensor, values: Tensor, lengths: Tensor, discount: float, lam: float
) -> tuple[Tensor, Tensor]:
    """Generalised advantage estimation (arXiv 1506.02438, equation 16) on thought tokens.

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
        Advantages [M] and returns [M] (advantage + value: what V is to predict), both constants
        for the gradient.

    Raises:
        ValueError: a thought has no token, or the lengths do not sum to M.
    """
    if int(lengths.min()) < 1 or int(lengths.sum()) != values.shape[0]:
        raise ValueError(
            f"every thought needs a token, and the lengths must sum to the {values.shape[0]} "
            f"values: the shortest is {int(lengths.min())}, the sum {int(lengths.sum())}"
        )
    reward, values = reward.detach().to(values.dtype), values.detach()
    last = lengths.cumsum(0) - 1
    after = last[owners(lengths)] - torch.arange(values.shape[0], device=values.device)
    gained = torch.roll(values, -1) * discount
    gained[last] = reward
    advantages = gained - values
    shift, decay = 1, discount * lam
    while shift < int(lengths.max()) and decay:
        further = torch.roll(advantages, -shift).where(after >= shift, 0)
        advantages = advantages + decay * further
        shift, decay = 2 * shift, decay * decay
    return advantages, advantages + values
