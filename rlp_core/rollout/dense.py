"""The dense path: one padded row per thought, each with its whole context.

It costs K * G times the document where branches cost it once. It needs nothing of the model but
the usual interface, and is what the branches are compared with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from rlp_core.rollout.branches import Branch


def hidden_states(model: PreTrainedModel, rows: Sequence[Sequence[int]]) -> Tensor:
    """Last hidden states of rows of any lengths, padded on the right.

    With right padding and causal attention a real token sees only real tokens before it, so no
    mask is needed and position ids count from 0.

    Returns:
        [rows, longest, width]; what stands beyond a row's own length has no meaning.
    """
    width = max(map(len, rows)) or 1  # no model reads a row of nothing
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = torch.tensor(row, dtype=torch.long)
    output = model.base_model(input_ids=ids.to(model.device), use_cache=False)
    found: Tensor = output.last_hidden_state
    return found


def states(
    model: PreTrainedModel, trunks: Sequence[Sequence[int]], branches: Sequence[Branch] = ()
) -> Tensor:
    """Last hidden states of all trunk tokens, then of all branch tokens: [N, width]."""
    parts: list[Tensor] = []
    if trunks:
        found = hidden_states(model, trunks)
        parts += [row[: len(trunk)] for trunk, row in zip(trunks, found, strict=True)]
    if branches:
        rows = [[*trunks[b.trunk][: b.position], *b.tokens] for b in branches]
        found = hidden_states(model, rows)
        parts += [
            row[b.position : b.position + len(b.tokens)]
            for b, row in zip(branches, found, strict=True)
        ]
    return torch.cat(parts)
