"""The textbook: RLP's loss for one document, one thought after another.

No cache, no batch, no padding: every log-probability comes from its own forward pass over plain
token lists, with the model's own `logits`. Slow, short, and read against the paper; every fast
path is tested against it, forward and gradient.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Thought:
    """One sampled thought.

    Attributes:
        sampled: tokens drawn after the opening delimiter, a drawn closing delimiter included.
        forced: whether the closing delimiter had to be added; it is context, and no choice.
    """

    sampled: list[int]
    forced: bool


def logprob(model: PreTrainedModel, context: list[int], token: int, temperature: float) -> Tensor:
    """log p(token | context) at a temperature, from one forward pass."""
    logits = model(input_ids=torch.tensor([context])).logits[0, -1].float()
    return torch.log_softmax(logits / temperature, dim=0)[token]


def reward(
    policy: PreTrainedModel,
    ema: PreTrainedModel,
    document: list[int],
    position: int,
    reasoned: list[int],
    horizon: int,
    discount: float,
) -> float:
    """Equation 4, summed over `horizon` tokens: S_pred - S_ema at temperature 1."""
    total = 0.0
    for h in range(min(horizon, len(document) - position)):
        target, seen = document[position + h], document[position : position + h]
        with torch.no_grad():
            predicted = logprob(policy, reasoned + seen, target, 1.0)
            baseline = logprob(ema, document[:position] + seen, target, 1.0)
        total += discount**h * float(predicted - baseline)
    return total


def loss(
    policy: PreTrainedModel,
    ema: PreTrainedModel,
    document: list[int],
    thoughts: dict[int, list[Thought]],
    *,
    open_id: int,
    close_id: int,
    temperature: float,
    clip_low: float,
    clip_high: float,
    horizon: int = 1,
    discount: float = 1.0,
) -> tuple[Tensor, dict[int, list[float]]]:
    """Equation 8 for one document at the first update after sampling.

    Args:
        policy: theta.
        ema: phi.
        document: x, token ids.
        thoughts: for each position t the thoughts c_1..c_G sampled after x_<t.
        open_id: opens a thought.
        close_id: closes it.
        temperature: the thoughts were sampled at it.
        clip_low: eps_low.
        clip_high: eps_high.
        horizon: H.
        discount: weight of each further token.

    Returns:
        The loss, and the rewards per position.
    """
    terms: list[Tensor] = []
    rewards: dict[int, list[float]] = {}
    for position, group in thoughts.items():
        start = [*document[:position], open_id]
        rewards[position] = [
            reward(
                policy, ema, document, position,
                start + c.sampled + [close_id] * c.forced, horizon, discount,
            )
            for c in group
        ]  # fmt: skip
        for i, c in enumerate(group):
            others = [r for j, r in enumerate(rewards[position]) if j != i]
            advantage = rewards[position][i] - sum(others) / len(others)
            tokens = []
            for t, token in enumerate(c.sampled):
                current = logprob(policy, start + c.sampled[:t], token, temperature)
                ratio = torch.exp(current - current.detach())
                clipped = ratio.clamp(1 - clip_low, 1 + clip_high)
                tokens.append(torch.minimum(ratio * advantage, clipped * advantage))
            terms.append(torch.stack(tokens).mean())
    return -torch.stack(terms).mean(), rewards
