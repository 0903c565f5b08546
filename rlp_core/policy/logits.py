"""Hidden states to log-probabilities, only where they are needed and in chunks.

The vocabulary of a real model is large: logits of every token of a batch would dominate memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import linear
from torch.utils.checkpoint import checkpoint

from rlp_core.errors import ConfigError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CHUNK = 2048
"""Rows of logits at once, at most."""

CELLS = 1 << 25
"""Logits at once: rows times vocabulary, 128 MiB in fp32."""

GPU_CELLS = 1 << 27
"""The same on a GPU: a part's share of the head's gradient goes through memory for so many."""

BLOCK = 512
"""Rows of a bf16 head that a CPU makes fp32 at a time: 1.2 MB where a state has 576 numbers."""

KEPT = 1 << 20
"""Logits that are kept for the backward pass at most; more are made again there."""


def logits_of(model: PreTrainedModel, hidden: Tensor) -> Tensor:
    """Logits in fp32, from the product itself.

    The product of a bf16 head is not rounded to bf16 on its way: there logits between 16 and 32 lie
    an eighth of a nat apart, and a reward is a difference of two that is often smaller.

    Args:
        model: its output embedding is applied, and its soft cap where it has one.
        hidden: [N, width], the last hidden states.

    Returns:
        [N, vocabulary].
    """
    head = model.get_output_embeddings()
    bias = None if head.bias is None else head.bias.float()
    if widens(hidden, head.weight):
        logits: Tensor = _Widened.apply(hidden, head.weight)  # type: ignore[no-untyped-call]
        logits = logits if bias is None else logits + bias
    elif hidden.dtype == head.weight.dtype == torch.bfloat16 and not torch.is_grad_enabled():
        logits = _by_blocks(hidden, head.weight)
        logits = logits if bias is None else logits + bias
    else:
        logits = linear(hidden.float(), head.weight.float(), bias)
    cap = _cap(model)
    return logits if not cap else cap * torch.tanh(logits / cap)


def cells(device: torch.device) -> int:
    """Logits at once on a device."""
    return GPU_CELLS if device.type == "cuda" else CELLS


def widens(hidden: Tensor, weight: Tensor) -> bool:
    """Whether the product of both can be made in fp32 without a copy of them in fp32.

    A GPU multiplies numbers of half precision and adds up in fp32 anyway; torch gives that sum as
    it is there. A copy of a head of 150,000 rows would be read for every token that is drawn.
    """
    return hidden.is_cuda and hidden.dtype == weight.dtype == torch.bfloat16


class _Widened(torch.autograd.Function):
    """[N, width] by [vocabulary, width] to [N, vocabulary] in fp32, where `widens` holds."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(hidden, weight)
        return torch.mm(hidden, weight.T, out_dtype=torch.float32)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        hidden, weight = ctx.saved_tensors
        dweight = _times(grad.T, hidden, weight) if ctx.needs_input_grad[1] else None
        return _times(grad, weight, hidden), dweight


def _by_blocks(hidden: Tensor, weight: Tensor) -> Tensor:
    """The product in fp32 of two bf16 matrices, a block of the head at a time.

    A copy of the whole head in fp32 goes through memory three times for every token that is drawn;
    a block of it stays in the processor's cache. Twice as fast for 64 rows, four times for 16.
    """
    states = hidden.float()
    logits = states.new_empty(len(hidden), len(weight))
    for begin in range(0, len(weight), BLOCK):
        logits[:, begin : begin + BLOCK] = states @ weight[begin : begin + BLOCK].float().mT
    return logits


def _times(table: Tensor, other: Tensor, like: Tensor) -> Tensor:
    """A gradient of logits, [N, vocabulary] or turned, by states or weights; in the type of `like`.

    A GPU multiplies it rounded to the type of the other factor, as every gradient of a model that
    computes in that type; a CPU is no faster so.
    """
    if table.is_cuda and other.dtype == torch.bfloat16:
        return (table.to(other.dtype) @ other).to(like.dtype)
    return (table @ other.float()).to(like.dtype)


def _cap(model: PreTrainedModel) -> float:
    """The soft cap of the model's logits, 0 without."""
    return float(getattr(model.config, "final_logit_softcapping", None) or 0.0)


@torch.no_grad()
def check_head(model: PreTrainedModel) -> None:
    """Compare `logits_of` with the model's own logits after one token.

    Raises:
        ConfigError: they differ, as where a model multiplies its logits by a number of its own.
    """
    training = model.training
    model.eval()
    token = torch.zeros(1, 1, dtype=torch.long, device=model.device)
    hidden = model.base_model(input_ids=token, use_cache=False).last_hidden_state[0]
    own = model(input_ids=token, use_cache=False).logits[0].float()
    model.train(training)
    found = logits_of(model, hidden)
    if not torch.allclose(found, own, atol=1e-3 * float(own.abs().max()), rtol=0):
        raise ConfigError(
            "the model's head does more than its output embedding and a soft cap",
            where=f"{type(model).__name__}: logits differ by up to {(found - own).abs().max():.2g}",
            fix="take a model whose head is plain, such as Qwen2, Qwen3 or Llama",
        )


def token_logprobs(
    model: PreTrainedModel,
    hidden: Tensor,
    tokens: Tensor,
    temperature: float = 1.0,
    banned: tuple[Tensor, int] | None = None,
) -> Tensor:
    """Log-probability of one token per row, differentiable.

    Args:
        model: gives the head.
        hidden: [N, width], the states that predict.
        tokens: [N], the tokens predicted.
        temperature: the logits are divided by it.
        banned: [N] of rows in which a token could not be drawn, and that token.

    Returns:
        [N] in nats, fp32.
    """
    return token_statistics(model, hidden, tokens, temperature, banned)[0]


def token_statistics(
    model: PreTrainedModel,
    hidden: Tensor,
    tokens: Tensor,
    temperature: float = 1.0,
    banned: tuple[Tensor, int] | None = None,
    entropy: bool = False,
) -> tuple[Tensor, Tensor]:
    """`token_logprobs`, and the entropy of each row's distribution over the vocabulary.

    Returns:
        Log-probabilities [N] and entropies [N] (empty unless asked for), in nats, fp32.
    """
    parts = []
    rows = max(1, min(CHUNK, cells(hidden.device) // _vocabulary(model)))
    for start in range(0, len(hidden), rows):
        part = slice(start, start + rows)
        ban = None if banned is None else (banned[0][part], banned[1])
        parts.append(_chunk(model, hidden[part], tokens[part], temperature, ban, entropy))
    if not len(hidden):
        return hidden.new_zeros(0), hidden.new_zeros(0)
    first, second = zip(*parts, strict=True)
    return torch.cat(first), torch.cat(second)


def _vocabulary(model: PreTrainedModel) -> int:
    """Rows of the output embedding."""
    return int(model.get_output_embeddings().weight.shape[0])


def _chunk(
    model: PreTrainedModel,
    hidden: Tensor,
    tokens: Tensor,
    temperature: float,
    banned: tuple[Tensor, int] | None,
    entropy: bool,
) -> tuple[Tensor, Tensor]:
    if not hidden.requires_grad or hidden.shape[0] * _vocabulary(model) <= KEPT:
        return _statistics(model, hidden, tokens, temperature, banned, entropy)
    # no large table of logits waits for the backward pass: it is made again
    head = model.get_output_embeddings()
    if not (entropy or _cap(model) or head.bias is not None):
        chosen: Tensor = _LogProbs.apply(hidden, head.weight, tokens, temperature, banned)  # type: ignore[no-untyped-call]
        return chosen, chosen.new_zeros(0)
    result: tuple[Tensor, Tensor] = checkpoint(
        _statistics, model, hidden, tokens, temperature, banned, entropy, use_reentrant=False
    )
    return result


class _LogProbs(torch.autograd.Function):
    """Log-probability of one token per row under a plain head, all of it in one table of logits.

    What autograd would do in a dozen tables of rows times vocabulary is done in place: their
    traffic takes as long as one of the four products.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        tokens: Tensor,
        temperature: float,
        banned: tuple[Tensor, int] | None,
    ) -> Tensor:
        logits = _plain(hidden, weight, temperature, banned)
        chosen = logits.gather(1, tokens[:, None])
        top = logits.amax(dim=1, keepdim=True)
        total = top + logits.sub_(top).exp_().sum(dim=1, keepdim=True).log()
        ctx.save_for_backward(hidden, weight, tokens, total)
        ctx.rest = (temperature, banned)
        return (chosen - total).squeeze(1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, tokens, total = ctx.saved_tensors
        temperature, banned = ctx.rest
        grad = grad[:, None] / temperature
        table = _plain(hidden, weight, temperature, banned).sub_(total).exp_().mul_(-grad)
        table.scatter_add_(1, tokens[:, None], grad)
        if banned is not None:
            table[:, banned[1]].masked_fill_(banned[0], 0.0)
        dweight = _times(table.T, hidden, weight) if ctx.needs_input_grad[1] else None
        return _times(table, weight, hidden), dweight, None, None, None


def _plain(
    hidden: Tensor, weight: Tensor, temperature: float, banned: tuple[Tensor, int] | None
) -> Tensor:
    """Logits over the temperature, a banned token's -inf."""
    if widens(hidden, weight):
        logits = torch.mm(hidden, weight.T, out_dtype=torch.float32)
    else:
        logits = linear(hidden.float(), weight.float())
    if temperature != 1:
        logits.div_(temperature)
    if banned is not None:
        logits[:, banned[1]].masked_fill_(banned[0], -torch.inf)
    return logits


def _statistics(
    model: PreTrainedModel,
    hidden: Tensor,
    tokens: Tensor,
    temperature: float,
    banned: tuple[Tensor, int] | None,
    entropy: bool,
) -> tuple[Tensor, Tensor]:
    logits = logits_of(model, hidden) / temperature
    if banned is not None:
        where, token = banned
        logits[:, token] = logits[:, token].masked_fill(where, -torch.inf)
    total = logits.logsumexp(dim=1)
    chosen = logits.gather(1, tokens[:, None]).squeeze(1) - total
    if not entropy:
        return chosen, chosen.new_zeros(0)
    logprobs = logits - total[:, None]
    # a banned token has probability 0 and no share in the entropy: 0 * -inf would be NaN
    shares = logprobs.exp() * logprobs.masked_fill(logprobs == -torch.inf, 0)
    return chosen, -shares.sum(dim=1)
