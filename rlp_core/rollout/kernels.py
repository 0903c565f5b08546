"""What a kernel of branch attention does: one kind of segment forward, and backward once merged.

Trunks on themselves, branches on their trunks and branches on themselves are three parts. Each
gives its result with the log-sum-exp of its scores; where two parts have the same queries they are
merged by it. The backward pass of a part needs nothing of the other: with the *merged* result and
the *merged* log-sum-exp its weights are the ones of the whole softmax, so its gradients are exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor


@dataclass
class Saved:
    """What the backward pass of every part needs. N rows of queries, S of keys.

    Attributes:
        query: [N, heads, size].
        key: [S, kv_heads, size].
        value: [S, kv_heads, size].
        grad: [N, heads, size] of the merged result.
        out: [N, heads, size], the merged result.
        lse: [N, heads], the merged log-sum-exp, in fp32.
        dkey: [S, kv_heads, size] in fp32; added to.
        dvalue: [S, kv_heads, size] in fp32; added to.
        scale: of the scores.
        softcap: 0, or the scores were capped.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    grad: Tensor
    out: Tensor
    lse: Tensor
    dkey: Tensor
    dvalue: Tensor
    scale: float
    softcap: float

    @cached_property
    def delta(self) -> Tensor:
        """[N, heads] in fp32: what the softmax takes from the gradient of every score."""
        return (self.grad.float() * self.out).sum(dim=-1)


class AttentionPart(Protocol):
    """All segments of one kind; every query of `[first, first + count)` stands in exactly one."""

    @property
    def count(self) -> int:
        """Queries."""
        ...

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, scale: float, softcap: float
    ) -> tuple[Tensor, Tensor]:
        """Result [count, heads, size], and log-sum-exp [count, heads] in fp32.

        A query without keys has the result 0 and the log-sum-exp -inf.
        """
        ...

    def backward(self, saved: Saved) -> Tensor:
        """Gradient of the queries, [count, heads, size]; those of keys and values are added."""
        ...


def merge(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Attention over the union of two disjoint sets of keys, the second of which is not empty."""
    weight = torch.sigmoid(one[1] - other[1]).unsqueeze(-1)
    out = torch.lerp(other[0].float(), one[0].float(), weight)
    return out, torch.logaddexp(one[1], other[1])
