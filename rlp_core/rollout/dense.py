"""The dense path: one padded row per thought, each with its whole context.

It costs K * G times the document where branches cost it once. It needs nothing of the model but
the usual interface, and stays as the oracle for the branches and as the way for models that do
not take their attention from the registry.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from rlp_core.policy.logits import token_logprobs
from rlp_core.rollout.draws import Draws, Start, Thoughts, Uniforms, check_starts, choose_tokens

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
    model: PreTrainedModel, trunks: Sequence[Sequence[int]], branches: Sequence[Branch]
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


@torch.no_grad()
def sample(
    model: PreTrainedModel,
    trunks: Sequence[Sequence[int]],
    starts: Sequence[Start],
    draws: Draws,
    uniforms: Uniforms,
    rows: int,
) -> Thoughts:
    """`sampler.sample` without cache: the whole text is read anew for each token.

    Slow on purpose: this is what the fast sampler is tested against.
    """
    check_starts(trunks, starts)
    per_batch = max(1, rows // draws.copies)
    result = Thoughts()
    for first in range(0, len(starts), per_batch):
        part = starts[first : first + per_batch]
        repeated = [start for start in part for _ in range(draws.copies)]
        contexts = [[*trunks[s.trunk][: s.position], s.opening] for s in repeated]
        drawn = _draw(model, contexts, draws, uniforms, first * draws.copies)
        closed = [
            [*context, *tokens] if stopped else [*context, *tokens, draws.stop]
            for context, tokens, stopped in zip(contexts, drawn.tokens, drawn.stopped, strict=True)
        ]
        drawn.predicted = _predict(model, closed, [start.targets for start in repeated])
        for name in ("tokens", "stopped", "logprobs", "predicted"):
            getattr(result, name).extend(getattr(drawn, name))
    result.spent = _spent(result, [start for start in starts for _ in range(draws.copies)])
    return result


def _draw(
    model: PreTrainedModel,
    contexts: Sequence[Sequence[int]],
    draws: Draws,
    uniforms: Uniforms,
    first: int,
) -> Thoughts:
    count = len(contexts)
    found = Thoughts([[] for _ in contexts], [False] * count, [[] for _ in contexts], [])
    for index in range(draws.max_tokens):
        alive = [row for row in range(count) if not found.stopped[row]]
        if not alive:
            break
        read = [[*contexts[row], *found.tokens[row]] for row in alive]
        last = torch.tensor([len(row) - 1 for row in read], device=model.device)
        hidden = hidden_states(model, read)[torch.arange(len(read)), last]
        uniform = uniforms(index)[[first + row for row in alive]] if draws.temperature else None
        tokens, logprobs = choose_tokens(model, hidden, draws, uniform, index)
        for row, token, logprob in zip(alive, tokens.tolist(), logprobs.tolist(), strict=True):
            found.tokens[row].append(token)
            found.logprobs[row].append(logprob)
            found.stopped[row] = token == draws.stop
    return found


def _predict(
    model: PreTrainedModel, closed: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]
) -> list[list[float]]:
    if not any(targets):
        return [[] for _ in closed]
    rows = [[*row, *after] for row, after in zip(closed, targets, strict=True)]
    hidden = hidden_states(model, rows)
    return [
        token_logprobs(
            model,
            hidden[i, len(closed[i]) - 1 : len(row) - 1],
            torch.tensor(row[len(closed[i]) :], device=hidden.device),
        ).tolist()
        for i, row in enumerate(rows)
    ]


def _spent(drawn: Thoughts, starts: Sequence[Start]) -> dict[str, tuple[int, ...]]:
    """What the mathematics of these thoughts needs, each for itself, as `Thoughts.spent`."""
    decode, score = np.zeros(3, dtype=np.int64), np.zeros(3, dtype=np.int64)
    for start, tokens, stopped in zip(starts, drawn.tokens, drawn.stopped, strict=True):
        fed = len(tokens)
        decode += (fed, fed * start.position + fed * (fed + 1) // 2, fed)
        after = len(start.targets) + (not stopped) if start.targets else 0
        before = start.position + fed
        score += (after, after * before + after * (after + 1) // 2, len(start.targets))
    return {"decode": tuple(decode.tolist()), "score": tuple(score.tolist())}
