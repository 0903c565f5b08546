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
from rlp_core.rollout.sampling import (
    Completions,
    Prompt,
    SamplingParams,
    Uniforms,
    check_prompts,
    sample_tokens,
)

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
    prompts: Sequence[Prompt],
    params: SamplingParams,
    uniforms: Uniforms,
    rows: int,
) -> Completions:
    """`sampler.sample` without cache: the whole text is read anew for each token.

    Slow on purpose: this is what the fast sampler is tested against.
    """
    check_prompts(trunks, prompts)
    per_batch = max(1, rows // params.n)
    result = Completions()
    for first in range(0, len(prompts), per_batch):
        part = prompts[first : first + per_batch]
        repeated = [prompt for prompt in part for _ in range(params.n)]
        contexts = [[*trunks[s.trunk][: s.position], s.opening] for s in repeated]
        drawn = _draw(model, contexts, params, uniforms, first * params.n)
        closed = [
            [*context, *tokens] if stopped else [*context, *tokens, params.stop_token_id]
            for context, tokens, stopped in zip(contexts, drawn.tokens, drawn.stopped, strict=True)
        ]
        drawn.predicted = _predict(model, closed, [prompt.targets for prompt in repeated])
        for name in ("tokens", "stopped", "logprobs", "predicted"):
            getattr(result, name).extend(getattr(drawn, name))
    result.spent = _spent(result, [prompt for prompt in prompts for _ in range(params.n)])
    return result


def _draw(
    model: PreTrainedModel,
    contexts: Sequence[Sequence[int]],
    params: SamplingParams,
    uniforms: Uniforms,
    first: int,
) -> Completions:
    count = len(contexts)
    found = Completions([[] for _ in contexts], [False] * count, [[] for _ in contexts], [])
    for index in range(params.max_tokens):
        alive = [row for row in range(count) if not found.stopped[row]]
        if not alive:
            break
        read = [[*contexts[row], *found.tokens[row]] for row in alive]
        last = torch.tensor([len(row) - 1 for row in read], device=model.device)
        hidden = hidden_states(model, read)[torch.arange(len(read)), last]
        asked = first + np.array(alive)
        uniform = uniforms(index, asked) if params.temperature else None
        tokens, logprobs = sample_tokens(model, hidden, params, uniform, index)
        for row, token, logprob in zip(alive, tokens.tolist(), logprobs.tolist(), strict=True):
            found.tokens[row].append(token)
            found.logprobs[row].append(logprob)
            found.stopped[row] = token == params.stop_token_id
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


def _spent(drawn: Completions, prompts: Sequence[Prompt]) -> dict[str, tuple[int, ...]]:
    """What the mathematics of these thoughts needs, each for itself, as `Completions.spent`."""
    decode, score = np.zeros(3, dtype=np.int64), np.zeros(3, dtype=np.int64)
    for prompt, tokens, stopped in zip(prompts, drawn.tokens, drawn.stopped, strict=True):
        fed = len(tokens)
        decode += (fed, fed * prompt.position + fed * (fed + 1) // 2, fed)
        after = len(prompt.targets) + (not stopped) if prompt.targets else 0
        before = prompt.position + fed
        score += (after, after * before + after * (after + 1) // 2, len(prompt.targets))
    return {"decode": tuple(decode.tolist()), "score": tuple(score.tolist())}
