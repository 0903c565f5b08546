"""The textbook's formulas: lists of numbers in, numbers out. `reference` walks through a step.

Written from the definitions and on their own: nothing is shared with `reward` and `loss`, which
are tested against them. The formula of an estimator stands beside it, in its file of `estimators`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rlp_core.objective.config import ObjectiveConfig


def surrogate(
    current: Tensor, behaviour: float | None, advantage: float, o: ObjectiveConfig
) -> Tensor:
    """One token's term of equation 8 at the first update, negated: it is minimised."""
    ratio = torch.exp(current - current.detach())
    clipped = ratio.clamp(1 - o.clip_low, 1 + o.clip_high)
    gain = torch.minimum(ratio * advantage, clipped * advantage)
    if behaviour is not None:
        gain = gain * torch.exp(current.detach() - behaviour).clamp(max=o.importance_limit)
    return -gain


def k3(current: Tensor, reference: Tensor) -> Tensor:
    """q / p - 1 - log(q / p)."""
    return torch.exp(reference - current) - 1 - (reference - current)


def value_error(value: Tensor, old: float | None, target: float, clip: float | None) -> Tensor:
    """Half the squared error, clipped as in PPO."""
    error = (value - target) ** 2
    if clip is not None:
        old = float(value.detach()) if old is None else old
        error = torch.maximum(error, (old + (value - old).clamp(-clip, clip) - target) ** 2)
    return error / 2


def average(per_thought: list[list[Tensor]], token_mean: str) -> Tensor:
    """Mean over thoughts of the mean over tokens, or one mean over all tokens."""
    if not any(per_thought):
        return torch.zeros(())
    if token_mean == "thought":
        return torch.stack([torch.stack(tokens).mean() for tokens in per_thought]).mean()
    return torch.stack([token for tokens in per_thought for token in tokens]).mean()
