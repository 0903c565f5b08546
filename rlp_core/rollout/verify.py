"""Branches against the dense path on a run's own model and texts, before it is trusted.

In bf16 two right ways to compute the same thing differ by tenths of a nat where the vocabulary is
large and the model deep, so no fixed tolerance tells rounding from a fault. Both ways are therefore
held against a third: the dense path with the same weights in full fp32. How far the dense path
itself strays from it is what rounding does on this model and these texts, and the branches may
stray a little further, not much.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rlp_core.policy.logits import token_logprobs
from rlp_core.rollout import dense, engine

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from rlp_core.rollout.branches import Branch

FACTOR = 2.0
"""How much further than the dense path the branches may stray from fp32, by RMS."""
TAIL_FACTOR = 3.0
"""The same at the quantile `TAIL`, where few tokens decide."""
TAIL = 0.999
FLOOR, TAIL_FLOOR = 1e-4, 1e-3
"""In nats: what is allowed in any case, since in fp32 the dense path is its own measure."""


@dataclass(frozen=True)
class Agreement:
    """How far log-probabilities of the tokens that follow stray from those in fp32, in nats.

    Attributes:
        rms: of the branches, root mean square over the tokens.
        tail: of the branches, the quantile `TAIL` of the absolute error.
        dense_rms: of the dense path in the model's own arithmetic.
        dense_tail: the same at the quantile.
    """

    rms: float
    tail: float
    dense_rms: float
    dense_tail: float

    @property
    def good(self) -> bool:
        """Whether rounding explains it; NaN is nothing that rounding explains."""
        return (
            self.rms <= FACTOR * self.dense_rms + FLOOR
            and self.tail <= TAIL_FACTOR * self.dense_tail + TAIL_FLOOR
        )

    def __str__(self) -> str:
        return (
            f"branch attention errs by {self.rms:.1e} nats (root mean square; 99.9 % of tokens: "
            f"{self.tail:.1e}), the dense path by {self.dense_rms:.1e} ({self.dense_tail:.1e})"
        )


@torch.no_grad()
def compare(
    model: PreTrainedModel, trunks: Sequence[Sequence[int]], branches: Sequence[Branch]
) -> Agreement:
    """Compare both paths on the log-probability of every token that follows another one.

    For the time of the call there is a copy of the model in fp32, where it computes in another
    type.
    """
    following = [row[1:] for row in (*trunks, *(branch.tokens for branch in branches))]
    lengths = [len(row) for row in trunks] + [len(branch.tokens) for branch in branches]
    starts = engine.starts_of(lengths)
    at = [start + i for start, row in zip(starts, following, strict=True) for i in range(len(row))]
    index = torch.tensor(at, dtype=torch.long, device=model.device)
    tokens = torch.tensor([t for row in following for t in row], device=model.device)

    def read(reader: PreTrainedModel, states: Tensor) -> Tensor:
        return token_logprobs(reader, states[index], tokens.long())

    fast = read(model, engine.states(model, trunks, branches))
    own = read(model, _densely(model, trunks, branches))
    with _exact(model) as exact:
        oracle = read(exact, _densely(exact, trunks, branches))
    return Agreement(*_strays(fast - oracle), *_strays(own - oracle))


def _strays(error: Tensor) -> tuple[float, float]:
    """Root mean square, and the quantile `TAIL` of the absolute values, rounded up to a value."""
    size = error.double().abs()
    if not len(size):
        return 0.0, 0.0
    rank = -int(-TAIL * len(size) // 1)
    # NaN sorts last, where a quantile would not see it; the mean does
    return float(size.square().mean().sqrt()), float(size.sort().values[rank - 1])


def _densely(
    model: PreTrainedModel, trunks: Sequence[Sequence[int]], branches: Sequence[Branch]
) -> Tensor:
    """`dense.states`, one row at a time, so that the memory is that of one context."""
    rows = [(list(trunk), 0) for trunk in trunks]
    rows += [([*trunks[b.trunk][: b.position], *b.tokens], b.position) for b in branches]
    return torch.cat(
        [dense.hidden_states(model, [row])[0, begin : len(row)] for row, begin in rows]
    )


@contextmanager
def _exact(model: PreTrainedModel) -> Iterator[PreTrainedModel]:
    """The model in fp32, and products that round to nothing less."""
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield model if model.dtype == torch.float32 else copy.deepcopy(model).float()
    finally:
        torch.set_float32_matmul_precision(precision)
