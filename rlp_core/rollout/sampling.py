"""What is to be drawn, and one token of it.

Sampling is by inverse transform from counted uniforms, at pure temperature: no top-k, no top-p, so
the probability that a token was drawn with is the one that the update sees.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rlp_core.policy.logits import logits_of
from rlp_core.policy.model import embedding_rows

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Uniforms = Callable[[int, npt.NDArray[np.int64]], npt.NDArray[np.float64]]
"""Token index and rows, each in [0, prompts * n), to the uniform number of each of these rows.

It is asked for the rows that still draw, and for no other: a step's numbers cost what is drawn,
however many batches it is drawn in.
"""

CELLS = 1 << 25
"""Logits at once: rows times vocabulary."""


@dataclass(frozen=True)
class Prompt:
    """Where thoughts begin.

    Attributes:
        trunk: index of the document.
        position: t; the thought sees the document's tokens 0 .. t-1.
        opening: the token that begins the thought.
        targets: the tokens that really follow; scored after the thought.
    """

    trunk: int
    position: int
    opening: int
    targets: tuple[int, ...] = ()


@dataclass(frozen=True)
class SamplingParams:
    """How thoughts are drawn.

    Attributes:
        n: G, thoughts per prompt.
        stop_token_id: the closing delimiter.
        max_tokens: L; drawn tokens at most, `stop_token_id` counted.
        temperature: 0 takes the likeliest token.
        min_tokens: `stop_token_id` is not drawn before so many other tokens.
    """

    n: int
    stop_token_id: int
    max_tokens: int
    temperature: float
    min_tokens: int = 0

    def __post_init__(self) -> None:
        """Check.

        Raises:
            ValueError: a limit, number of thoughts or temperature that is not sensible.
        """
        if self.max_tokens < 1 or self.n < 1 or self.temperature < 0:
            raise ValueError("max_tokens and n must be positive, temperature not negative")
        if not 0 <= self.min_tokens < self.max_tokens:
            raise ValueError("min_tokens must lie in [0, max_tokens)")


@dataclass
class Completions:
    """What was drawn, one entry per row; rows of one prompt stand together.

    Attributes:
        tokens: up to and including the drawn `stop_token_id`.
        stopped: whether `stop_token_id` was drawn before the limit was reached.
        logprobs: of each drawn token at the sampling temperature (0 for greedy), in nats.
        predicted: log-probability of each target at temperature 1, in nats.
        bytes_read: weights, keys and values that decoding read, for the share of the bandwidth.
        spent: for `decode` and `score` the tokens fed, the tokens that they saw, and the rows of
            logits. Thoughts that begin alike share what they have in common.
    """

    tokens: list[list[int]] = field(default_factory=list)
    stopped: list[bool] = field(default_factory=list)
    logprobs: list[list[float]] = field(default_factory=list)
    predicted: list[list[float]] = field(default_factory=list)
    bytes_read: int = 0
    spent: dict[str, tuple[int, ...]] = field(default_factory=dict)


def check_prompts(trunks: Sequence[Sequence[int]], prompts: Sequence[Prompt]) -> None:
    """Raise ValueError unless every position lies within its document or at its end."""
    for prompt in prompts:
        if not 0 <= prompt.position <= len(trunks[prompt.trunk]):
            raise ValueError(
                f"position {prompt.position} lies beyond a document of "
                f"{len(trunks[prompt.trunk])} tokens"
            )


def sample_tokens(
    model: PreTrainedModel,
    hidden: Tensor,
    params: SamplingParams,
    uniform: npt.NDArray[np.float64] | None,
    index: int,
    of: npt.NDArray[np.int64] | None = None,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Tokens and their log-probabilities at the sampling temperature, in chunks of rows.

    Args:
        model: gives the head.
        hidden: [rows, width], the states that predict.
        params: temperature, closing delimiter and least length.
        uniform: [draws] numbers in [0, 1); None takes the likeliest token.
        index: how many tokens the thoughts have already.
        of: [draws] the row that each draw is from; None: one draw per row.
    """
    of = np.arange(len(hidden)) if of is None else of
    size = max(1, CELLS // embedding_rows(model))
    tokens, logprobs = np.empty(len(of), np.int64), np.zeros(len(of), np.float32)
    for start in range(0, len(hidden), size):
        logits = logits_of(model, hidden[start : start + size])
        mine = np.flatnonzero((of >= start) & (of < start + len(logits)))
        row = torch.from_numpy(of[mine] - start).to(hidden.device)
        if index < params.min_tokens:
            logits[:, params.stop_token_id] = -torch.inf
        if uniform is None:
            token = logits.argmax(dim=1)[row]
        else:
            once = np.array_equal(of[mine] - start, np.arange(len(logits)))
            token, chosen = _inverse_transform(
                logits / params.temperature, uniform[mine], None if once else row
            )
            logprobs[mine] = chosen.cpu().numpy()
        tokens[mine] = token.cpu().numpy()
    return tokens, logprobs


def _inverse_transform(
    logits: Tensor, uniform: npt.NDArray[np.float64], row: Tensor | None
) -> tuple[Tensor, Tensor]:
    """The token of each draw, and its log-probability in fp32; `row` None: one of each row."""
    # float64: in float32 the cumulative sum of a large vocabulary misses its tail
    probability = torch.softmax(logits, dim=1, dtype=torch.float64)
    cumulative = probability.cumsum(dim=1)
    if row is not None:
        cumulative = cumulative[row]
    threshold = torch.from_numpy(uniform).to(cumulative)[:, None] * cumulative[:, -1:]
    found = torch.searchsorted(cumulative, threshold, right=True)
    token = found.clamp_max(logits.shape[1] - 1)
    token = token.squeeze(1)
    drawn = probability.gather(1, token[:, None])[:, 0] if row is None else probability[row, token]
    return token, drawn.log().float()
