"""Branches against the dense path on a run's own model and texts, before it is trusted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from rlp_core.policy.logits import logits_of
from rlp_core.rollout import dense, engine

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from rlp_core.rollout.branches import Branch

TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.2}
"""Largest difference of a log-probability, in nats, that rounding may explain, by dtype."""


@torch.no_grad()
def difference(
    model: PreTrainedModel, trunks: Sequence[Sequence[int]], branches: Sequence[Branch]
) -> float:
    """Largest difference between both paths over all next-token log-probabilities, in nats.

    Looks at the vocabulary row by row, so that no table of tokens times vocabulary is made.
    """
    pairs = zip(
        engine.states(model, trunks, branches),
        dense.states(model, trunks, branches),
        strict=True,
    )
    worst = torch.zeros((), device=model.device)
    for one, other in pairs:
        both = torch.log_softmax(logits_of(model, torch.stack([one, other])), dim=1)
        worst = torch.maximum(worst, (both[0] - both[1]).abs().max())  # NaN stays NaN
    return float(worst)


def agrees(
    model: PreTrainedModel, trunks: Sequence[Sequence[int]], branches: Sequence[Branch]
) -> tuple[bool, float]:
    """Whether the model may attend through branches here, and the largest difference."""
    worst = difference(model, trunks, branches)
    return worst <= TOLERANCE[model.dtype], worst
