"""Sampling by inverse transform from counted uniforms, with one prefill per context.

Pure temperature sampling: no top-k, no top-p, so the probability that a token was drawn with is
the one that the loss uses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rlp_core.policy.logits import logits_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Uniforms = Callable[[int], npt.NDArray[np.float64]]
"""Token index -> one uniform number in [0, 1) per row, rows in order [context, copy]."""


@dataclass(frozen=True)
class Sample:
    """What was drawn, one row per context and copy.

    Attributes:
        tokens: per row the tokens drawn, the stop token included where it was drawn.
        stopped: per row whether the stop token was drawn; otherwise the limit was reached.
    """

    tokens: list[list[int]]
    stopped: list[bool]


@torch.no_grad()
def sample(
    model: PreTrainedModel,
    contexts: Sequence[Sequence[int]],
    *,
    copies: int,
    uniforms: Uniforms,
    stop: int,
    max_tokens: int,
    temperature: float,
    micro_batch: int,
) -> Sample:
    """Continue every context `copies` times until `stop` or `max_tokens`.

    Args:
        model: any causal model with a key-value cache.
        contexts: token ids, each at least one, of any lengths.
        copies: continuations per context.
        uniforms: the numbers that decide; unused when `temperature` is 0.
        stop: the token that ends a continuation.
        max_tokens: tokens per continuation at most.
        temperature: 0 takes the likeliest token.
        micro_batch: rows decoded at once; contexts stay whole.

    Raises:
        ValueError: an empty context, or a limit, number of copies or temperature that is not
            sensible.
    """
    if min(map(len, contexts), default=1) < 1:
        raise ValueError("a context needs at least one token to be continued")
    if max_tokens < 1 or copies < 1 or temperature < 0:
        raise ValueError("max_tokens and copies must be positive, temperature not negative")
    training = model.training
    model.eval()
    tokens: list[list[int]] = []
    stopped: list[bool] = []
    per_batch = max(1, micro_batch // copies)
    for start in range(0, len(contexts), per_batch):
        part = contexts[start : start + per_batch]
        rows = slice(start * copies, (start + len(part)) * copies)
        drawn, ended = _sample_batch(
            model, part, copies, _rows(uniforms, rows), stop, max_tokens, temperature
        )
        tokens += drawn
        stopped += ended
    model.train(training)
    return Sample(tokens, stopped)


def _rows(uniforms: Uniforms, rows: slice) -> Uniforms:
    """The numbers of some rows."""
    return lambda index: uniforms(index)[rows]


def _sample_batch(
    model: PreTrainedModel,
    contexts: Sequence[Sequence[int]],
    copies: int,
    uniforms: Uniforms,
    stop: int,
    max_tokens: int,
    temperature: float,
) -> tuple[list[list[int]], list[bool]]:
    device = model.device
    lengths = torch.tensor([len(c) for c in contexts], device=device)
    hidden, cache, mask = _prefill(model, contexts, lengths)
    if copies > 1:
        cache.batch_repeat_interleave(copies)
    mask = mask.repeat_interleave(copies, dim=0)
    hidden = hidden.repeat_interleave(copies, dim=0)
    positions = lengths.repeat_interleave(copies)
    alive = torch.ones(len(positions), dtype=torch.bool, device=device)
    columns, valid = [], []
    for index in range(max_tokens):
        token = _draw(logits_of(model, hidden), temperature, uniforms, index)
        columns.append(torch.where(alive, token, stop))
        valid.append(alive)
        alive = alive & (token != stop)
        if index + 1 == max_tokens or not alive.any():
            break
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
        output = model.base_model(
            input_ids=columns[-1][:, None],
            attention_mask=mask,
            position_ids=positions[:, None],
            past_key_values=cache,
            use_cache=True,
        )
        hidden = output.last_hidden_state[:, -1]
        positions = positions + 1
    drawn = torch.stack(columns, dim=1).tolist()
    counts = torch.stack(valid, dim=1).sum(dim=1).tolist()
    return [row[:n] for row, n in zip(drawn, counts, strict=True)], (~alive).tolist()


def _prefill(
    model: PreTrainedModel, contexts: Sequence[Sequence[int]], lengths: Tensor
) -> tuple[Tensor, Any, Tensor]:
    """Read the contexts, padded on the right; return the last states, cache and mask."""
    width = int(lengths.max())
    ids = torch.zeros(len(contexts), width, dtype=torch.long)
    for row, context in enumerate(contexts):
        ids[row, : len(context)] = torch.tensor(context)
    ids = ids.to(model.device)
    mask = (torch.arange(width, device=model.device)[None] < lengths[:, None]).long()
    output = model.base_model(input_ids=ids, attention_mask=mask, use_cache=True)
    last = output.last_hidden_state[torch.arange(len(contexts)), lengths - 1]
    return last, output.past_key_values, mask


def _draw(logits: Tensor, temperature: float, uniforms: Uniforms, index: int) -> Tensor:
    if temperature == 0:
        return logits.argmax(dim=1)
    # float64: in float32 the cumulative sum of a large vocabulary misses its tail
    cumulative = torch.softmax(logits.double() / temperature, dim=1).cumsum(dim=1)
    threshold = torch.from_numpy(uniforms(index)).to(cumulative)[:, None] * cumulative[:, -1:]
    return torch.searchsorted(cumulative, threshold, right=True).squeeze(1)
