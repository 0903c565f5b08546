"""What a model expects to follow: its states at the end of many branches of one text.

`scoring` says how likely given tokens are; here the tokens are not known before, and whoever asks
makes from a state the probabilities of the whole vocabulary (`policy.logits.logits_of`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rlp_core.rollout.attention import kernel_of
from rlp_core.rollout.branches import Branch, pack
from rlp_core.rollout.engine import require

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@torch.no_grad()
def states_after(
    model: PreTrainedModel, text: Sequence[int], branches: Sequence[Branch], micro_batch: int
) -> tuple[Tensor, Tensor]:
    """Last hidden states of every token of a text, and of the last token of each branch of it.

    Args:
        model: prepared (`engine.prepare`).
        text: is read once for up to `micro_batch` branches.
        branches: of trunk 0, in order of their position.
        micro_batch: branches through the network at once.

    Returns:
        [T, width] and [branches, width].

    Raises:
        ValueError: a branch is empty or lies beyond the text, or the model was not prepared.
    """
    require(model)
    training = model.training
    model.eval()
    own: Tensor | None = None
    ends = []
    for start in range(0, max(len(branches), 1), micro_batch):
        batch = branches[start : start + micro_batch]
        packed = pack([text], batch, model.device, kernel_of(model))
        hidden = packed.states(model)
        own = hidden[: len(text)] if own is None else own
        last = [
            first + len(one.tokens) - 1
            for first, one in zip(packed.branch_starts, batch, strict=True)
        ]
        ends.append(hidden[torch.tensor(last, dtype=torch.long, device=hidden.device)])
    model.train(training)
    assert own is not None  # the loop runs at least once
    return own, torch.cat(ends)
