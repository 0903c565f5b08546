"""Log-probabilities of given tokens: ragged rows in, padded batches through the network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rlp_core.policy.logits import token_logprobs

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def hidden_states(model: PreTrainedModel, rows: Sequence[Sequence[int]]) -> Tensor:
    """Last hidden states of rows of any lengths, padded on the right.

    With right padding and causal attention a real token sees only real tokens before it, so no
    mask is needed and position ids count from 0.

    Returns:
        [rows, longest, width]; what stands beyond a row's own length has no meaning.
    """
    width = max(map(len, rows))
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = torch.tensor(row)
    output = model.base_model(input_ids=ids.to(model.device), use_cache=False)
    states: Tensor = output.last_hidden_state
    return states


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
    return gather_logprobs(model, hidden_states(model, rows), rows, places, temperature)


def gather_logprobs(
    model: PreTrainedModel,
    states: Tensor,
    rows: Sequence[Sequence[int]],
    places: Sequence[Sequence[int]],
    temperature: float,
) -> Tensor:
    """`logprobs_in` from states that are there already: [sum of places] in nats.

    Args:
        model: gives the head.
        states: [rows, longest, width], of `hidden_states`.
        rows: token ids of any lengths.
        places: per row the indices of the tokens to score; each at least 1.
        temperature: the logits are divided by it.
    """
    index = [(r, p) for r, wanted in enumerate(places) for p in wanted]
    at_row = torch.tensor([r for r, _ in index], device=states.device, dtype=torch.long)
    at_place = torch.tensor([p for _, p in index], device=states.device, dtype=torch.long)
    tokens = torch.tensor([rows[r][p] for r, p in index], device=states.device, dtype=torch.long)
    return token_logprobs(model, states[at_row, at_place - 1], tokens, temperature)


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
    result: list[list[float]] = [[] for _ in rows]
    for start in range(0, len(order), micro_batch):
        batch = order[start : start + micro_batch]
        flat = logprobs_in(model, [rows[i] for i in batch], [places[i] for i in batch]).tolist()
        for i in batch:
            result[i], flat = flat[: len(places[i])], flat[len(places[i]) :]
    model.train(training)
    return result
