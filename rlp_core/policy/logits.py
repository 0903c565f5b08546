"""Hidden states to log-probabilities, only where they are needed and in chunks.

The vocabulary of a real model is large: logits of every token of a batch would dominate memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CHUNK = 2048
"""Rows of logits at once."""


def logits_of(model: PreTrainedModel, hidden: Tensor) -> Tensor:
    """Logits in fp32.

    Args:
        model: its output embedding is applied, and its soft cap where it has one.
        hidden: [N, width], the last hidden states.

    Returns:
        [N, vocabulary].
    """
    logits: Tensor = model.get_output_embeddings()(hidden).float()
    cap = getattr(model.config, "final_logit_softcapping", None)
    return logits if not cap else cap * torch.tanh(logits / cap)


def token_logprobs(
    model: PreTrainedModel, hidden: Tensor, tokens: Tensor, temperature: float = 1.0
) -> Tensor:
    """Log-probability of one token per row, differentiable.

    Args:
        model: gives the head.
        hidden: [N, width], the states that predict.
        tokens: [N], the tokens predicted.
        temperature: the logits are divided by it.

    Returns:
        [N] in nats, fp32.
    """
    parts = [
        _chunk(model, h, t, temperature)
        for h, t in zip(torch.split(hidden, CHUNK), torch.split(tokens, CHUNK), strict=True)
    ]
    return torch.cat(parts) if parts else hidden.new_zeros(0)


def _chunk(model: PreTrainedModel, hidden: Tensor, tokens: Tensor, temperature: float) -> Tensor:
    if hidden.requires_grad and hidden.shape[0] == CHUNK:
        # keep no chunk of logits for the backward pass: they are made again
        result: Tensor = checkpoint(
            _logprobs, model, hidden, tokens, temperature, use_reentrant=False
        )
        return result
    return _logprobs(model, hidden, tokens, temperature)


def _logprobs(model: PreTrainedModel, hidden: Tensor, tokens: Tensor, temperature: float) -> Tensor:
    logits = logits_of(model, hidden) / temperature
    return logits.gather(1, tokens[:, None]).squeeze(1) - logits.logsumexp(dim=1)
