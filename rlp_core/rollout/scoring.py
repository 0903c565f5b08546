"""Log-probabilities of given tokens in rows of any lengths."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rlp_core.policy.logits import token_logprobs
from rlp_core.rollout.engine import starts_of, states

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def logprobs_in(
    model: PreTrainedModel,
    rows: Sequence[Sequence[int]],
    places: Sequence[Sequence[int]],
    temperature: float = 1.0,
) -> Tensor:
    """Log-probability of the tokens at the given places, each given what stands before it.

    Args:
        model: scores, with gradient where it is enabled.
        rows: token ids of any lengths.
        places: per row the indices of the tokens to score; each at least 1.
        temperature: the logits are divided by it.

    Returns:
        [sum of places] in nats, row after row.

    Raises:
        ValueError: a place is 0 or beyond its row: nothing predicts the first token.
    """
    for row, wanted in zip(rows, places, strict=True):
        if any(place < 1 or place >= len(row) for place in wanted):
            raise ValueError(f"places must lie in [1, {len(row) - 1}]: {list(wanted)}")
    found = states(model, rows)
    starts = starts_of(map(len, rows))
    index = [s + p - 1 for s, wanted in zip(starts, places, strict=True) for p in wanted]
    tokens = [row[p] for row, wanted in zip(rows, places, strict=True) for p in wanted]
    at = torch.tensor(index, device=found.device, dtype=torch.long)
    token = torch.tensor(tokens, device=found.device, dtype=torch.long)
    return token_logprobs(model, found.index_select(0, at), token, temperature)


@torch.no_grad()
def score(
    model: PreTrainedModel,
    rows: Sequence[Sequence[int]],
    places: Sequence[Sequence[int]],
    micro_batch: int,
) -> list[list[float]]:
    """`logprobs_in` without gradient, over any number of rows.

    Rows of like length share a batch, so that little is spent on padding.
    """
    training = model.training
    model.eval()
    order = sorted(range(len(rows)), key=lambda i: (len(rows[i]), i))
    parts = []
    for start in range(0, len(order), micro_batch):
        batch = order[start : start + micro_batch]
        parts.append(logprobs_in(model, [rows[i] for i in batch], [places[i] for i in batch]))
    model.train(training)
    flat = iter(torch.cat(parts).tolist() if parts else [])
    result: list[list[float]] = [[] for _ in rows]
    for i in order:
        result[i] = list(islice(flat, len(places[i])))
    return result
