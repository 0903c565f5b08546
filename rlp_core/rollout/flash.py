"""Attention of segments by the flash kernel that PyTorch has for a CPU.

It makes no scores in memory and returns the log-sum-exp of each query, which the merge of trunk and
branch needs; its public face, `scaled_dot_product_attention`, keeps that to itself, so the operator
behind it is called, with its backward pass. Heads that share keys are not repeated. Segments of one
shape that follow each other are read where they lie; ragged ones are padded, where they are so
small that a call of their own would cost more. It computes in fp32: in bf16 it is not faster, and
the gradients of a trunk, to which many branches add, would be rounded each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from rlp_core.rollout.blocks import Segment
from rlp_core.rollout.kernels import Saved

SMALL = 1 << 13
"""Query-key pairs of a padded call at most; beyond that a call of its own costs less."""

_FORWARD = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default
_BACKWARD = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward.default


@dataclass(frozen=True)
class Call:
    """Segments of one call: P segments, padded to Q queries and S keys.

    Attributes:
        segments: what it consists of.
        causal: each query sees the keys of its segment up to its own.
        query: [P * Q] rows of the queries, or their range; padding points at a true row.
        key: [P * S] rows of the keys, or their range; padding points at a true row.
        true: [n] which of the P * Q queries are no padding; None: all of them.
        padding: [P, 1, Q] True where a query is padding; None: nowhere.
        bias: [P, 1, Q, S], -inf where a key is padding, else 0; None: no key that is seen is.
    """

    segments: tuple[Segment, ...]
    causal: bool
    query: Tensor | slice
    key: Tensor | slice
    true: Tensor | None = None
    padding: Tensor | None = None
    bias: Tensor | None = None

    def grid(self, rows: Tensor, index: Tensor | slice) -> Tensor:
        """[N, heads, x] to [P, heads, Q or S, x]."""
        picked = rows[index] if isinstance(index, slice) else rows.index_select(0, index)
        return picked.view(len(self.segments), -1, *rows.shape[1:]).transpose(1, 2)

    def put(self, grid: Tensor, into: Tensor, first: int) -> None:
        """Write [P, heads, Q, x] to the rows [n, heads, x] of its queries, counted from `first`."""
        rows = grid.transpose(1, 2).flatten(0, 1)
        if isinstance(self.query, slice):
            into[self.query.start - first : self.query.stop - first] = rows
        elif self.true is None:
            into.index_copy_(0, self.query - first, rows)
        else:
            where = self.query.index_select(0, self.true) - first
            into.index_copy_(0, where, rows.index_select(0, self.true))

    def add(self, grid: Tensor, into: Tensor) -> None:
        """Add [P, kv_heads, S, x] to the rows of its keys; segments may share some."""
        rows = grid.transpose(1, 2)
        if isinstance(self.key, slice):
            into[self.key] += rows.flatten(0, 1)
            return
        for index, segment in enumerate(self.segments):
            into[segment.key : segment.key + segment.keys] += rows[index, : segment.keys]


@dataclass(frozen=True)
class Flash:
    """One kind of segment, in as few calls as pay; see `kernels.AttentionPart`.

    Attributes:
        calls: what is called.
        blind: segments without keys.
        first: the first query.
        count: queries.
    """

    calls: tuple[Call, ...]
    blind: tuple[Segment, ...]
    first: int
    count: int

    @staticmethod
    def of(segments: Sequence[Segment], first: int, count: int) -> Flash:
        """Lay segments out whose queries cover `[first, first + count)` once.

        Raises:
            ValueError: a causal segment whose keys are not as many as its queries.
        """
        if any(s.causal and s.keys != s.queries for s in segments):
            raise ValueError("the flash kernel counts keys from the first: a query each, if causal")
        seeing = sorted(
            (s for s in segments if s.keys), key=lambda s: (s.causal, s.keys, s.queries, s.query)
        )
        return Flash(
            tuple(_call(each) for each in _calls(seeing)),
            tuple(s for s in segments if not s.keys),
            first,
            count,
        )

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, scale: float, softcap: float
    ) -> tuple[Tensor, Tensor]:
        """See `kernels.AttentionPart`; inputs in fp32, no soft cap."""
        assert not softcap
        out = torch.empty_like(query[: self.count])
        lse = out.new_empty(out.shape[:2])
        for segment in self.blind:
            rows = slice(segment.query - self.first, segment.query - self.first + segment.queries)
            out[rows], lse[rows] = 0.0, -torch.inf
        for call in self.calls:
            found, sums = _FORWARD(
                call.grid(query, call.query),
                call.grid(key, call.key),
                call.grid(value, call.key),
                is_causal=call.causal,
                attn_mask=call.bias,
                scale=scale,
            )
            call.put(found, out, self.first)
            call.put(sums, lse, self.first)
        return out, lse

    def backward(self, saved: Saved) -> Tensor:
        """See `kernels.AttentionPart`; inputs in fp32."""
        dquery = torch.empty_like(saved.query[: self.count])
        for segment in self.blind:
            start = segment.query - self.first
            dquery[start : start + segment.queries] = 0.0
        for call in self.calls:
            lse = call.grid(saved.lse, call.query)
            if call.padding is not None:  # padding then has the weight 0: no say in any gradient
                lse = lse.masked_fill(call.padding, torch.inf)
            dq, dk, dv = _BACKWARD(
                call.grid(saved.grad, call.query),
                call.grid(saved.query, call.query),
                call.grid(saved.key, call.key),
                call.grid(saved.value, call.key),
                call.grid(saved.out, call.query),
                lse,
                0.0,
                call.causal,
                attn_mask=call.bias,
                scale=saved.scale,
            )
            call.put(dq, dquery, self.first)
            call.add(dk, saved.dkey)
            call.add(dv, saved.dvalue)
        return dquery


def _calls(segments: Sequence[Segment]) -> list[list[Segment]]:
    """Segments by call; those of like size stand together."""
    found: list[list[Segment]] = []
    alike = False  # whether those of the last call lie side by side
    for segment in segments:
        beside = bool(found) and _beside(found[-1][-1], segment)
        if beside and (alike or len(found[-1]) == 1):
            alike = True
        elif found and _small([*found[-1], segment]):
            alike = alike and beside
        else:
            found.append([])
            alike = False
        found[-1].append(segment)
    return found


def _beside(one: Segment, other: Segment) -> bool:
    """Whether two segments of one shape follow each other, queries and keys alike."""
    return (
        (one.queries, one.keys, one.causal) == (other.queries, other.keys, other.causal)
        and one.query + one.queries == other.query
        and one.key + one.keys == other.key
    )


def _small(segments: Sequence[Segment]) -> bool:
    """Whether segments cost less in one padded call."""
    if len({segment.causal for segment in segments}) > 1:
        return False
    queries, keys = max(s.queries for s in segments), max(s.keys for s in segments)
    return len(segments) * queries * keys <= SMALL


def _call(segments: Sequence[Segment]) -> Call:
    """Index the segments of one call."""
    first, last = segments[0], segments[-1]
    causal = first.causal
    if all(_beside(a, b) for a, b in pairwise(segments)):
        rows = slice(first.query, last.query + last.queries)
        return Call(tuple(segments), causal, rows, slice(first.key, last.key + last.keys))
    queries = torch.tensor([s.queries for s in segments])[:, None]
    keys = torch.tensor([s.keys for s in segments])[:, None]
    row, column = torch.arange(int(queries.max())), torch.arange(int(keys.max()))
    padded, beyond = row >= queries, column >= keys
    query = torch.tensor([s.query for s in segments])[:, None] + row.where(~padded, 0)
    key = torch.tensor([s.key for s in segments])[:, None] + column.where(~beyond, 0)
    bias = None
    if beyond.any() and not causal:  # where causal, padded keys stand behind all true queries
        bias = torch.zeros(len(segments), 1, len(row), len(column))
        bias.masked_fill_(beyond[:, None, None], -torch.inf)
    some = bool(padded.any())
    return Call(
        tuple(segments),
        causal,
        query.flatten(),
        key.flatten(),
        (~padded).flatten().nonzero().squeeze(1) if some else None,
        padded[:, None] if some else None,
        bias,
    )
