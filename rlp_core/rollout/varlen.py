"""Attention of segments by the flash kernel that PyTorch has for a GPU, in half precision.

All segments of a part are one launch: the kernel reads where each begins. It makes no scores in
memory, skips what a causal query does not see, reads keys that several heads share once, and gives
the log-sum-exp of each query, which the merge of trunk and branch needs. The operator behind
`scaled_dot_product_attention` is called, because that keeps the log-sum-exp to itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor

from rlp_core.rollout.blocks import Segment
from rlp_core.rollout.kernels import Saved

DTYPES = (torch.bfloat16, torch.float16)
"""What the kernel computes in."""

LARGEST_HEAD = 256
"""Its size at most; it is a multiple of 8."""

_FORWARD = torch.ops.aten._flash_attention_forward.default
_BACKWARD = torch.ops.aten._flash_attention_backward.default


def takes(dtype: torch.dtype, head_size: int) -> bool:
    """Whether the kernel computes in that type with heads of that size."""
    return dtype in DTYPES and head_size % 8 == 0 and head_size <= LARGEST_HEAD


@dataclass(frozen=True)
class SegmentRows:
    """Rows of a part in the order of its segments.

    Attributes:
        index: [n] which they are, or their range.
        ends: [P + 1] where each segment ends among them, int32, after a 0.
        most: rows of the longest.
    """

    index: Tensor | slice
    ends: Tensor
    most: int

    @staticmethod
    def of(ranges: Sequence[tuple[int, int]], device: torch.device | str) -> SegmentRows:
        """Of ranges given by their first row and how many they have."""
        counts = [count for _, count in ranges]
        index: Tensor | slice
        if all(first + count == then for (first, count), (then, _) in pairwise(ranges)):
            index = slice(ranges[0][0], sum(ranges[-1]))
        else:
            each = [torch.arange(first, first + count) for first, count in ranges]
            index = torch.cat(each).to(device)
        ends = torch.tensor(list(accumulate(counts, initial=0)), dtype=torch.int32)
        return SegmentRows(index, ends.to(device), max(counts))

    def pick(self, rows: Tensor) -> Tensor:
        """Their values among [N, ...]."""
        return (
            rows[self.index] if isinstance(self.index, slice) else rows.index_select(0, self.index)
        )


@dataclass(frozen=True)
class Varlen:
    """One kind of segment in one launch; see `kernels.AttentionPart`.

    Attributes:
        segments: those with keys, by their queries.
        blind: segments without keys.
        causal: each query sees the keys of its segment up to its own.
        query: where the queries stand, counted from `first`.
        key: where the keys stand.
        first: the first query.
        count: queries.
    """

    segments: tuple[Segment, ...]
    blind: tuple[Segment, ...]
    causal: bool
    query: SegmentRows | None
    key: SegmentRows | None
    first: int
    count: int

    @staticmethod
    def of(
        segments: Sequence[Segment], first: int, count: int, device: torch.device | str
    ) -> Varlen:
        """Lay segments out whose queries cover `[first, first + count)` once.

        Raises:
            ValueError: some are causal and some not, or a causal one has not a key for each query.
        """
        seeing = sorted((s for s in segments if s.keys), key=lambda s: s.query)
        if len({s.causal for s in seeing}) > 1:
            raise ValueError("one launch is causal or not")
        if any(s.causal and s.keys != s.queries for s in seeing):
            raise ValueError("a causal segment has a key for each query")
        query = key = None
        if seeing:
            query = SegmentRows.of([(s.query - first, s.queries) for s in seeing], device)
            key = SegmentRows.of([(s.key, s.keys) for s in seeing], device)
        return Varlen(
            tuple(seeing),
            tuple(s for s in segments if not s.keys),
            any(s.causal for s in seeing),
            query,
            key,
            first,
            count,
        )

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, scale: float, softcap: float
    ) -> tuple[Tensor, Tensor]:
        """See `kernels.AttentionPart`; inputs in half precision, no soft cap."""
        assert not softcap
        own = query[self.first : self.first + self.count]
        out, lse = torch.empty_like(own), own.new_empty(own.shape[:2], dtype=torch.float32)
        for rows in self._blind():
            out[rows], lse[rows] = 0.0, -torch.inf
        if self.query is not None and self.key is not None:
            found, sums, *_ = _FORWARD(
                self.query.pick(own),
                self.key.pick(key),
                self.key.pick(value),
                *self._layout(),
                0.0,
                self.causal,
                False,
                scale=scale,
            )
            out[self.query.index], lse[self.query.index] = found, sums.T
        return out, lse

    def backward(self, saved: Saved) -> Tensor:
        """See `kernels.AttentionPart`; inputs in half precision."""
        span = slice(self.first, self.first + self.count)
        dquery = torch.empty_like(saved.query[span])
        for rows in self._blind():
            dquery[rows] = 0.0
        if self.query is None or self.key is None:
            return dquery
        # a state of dropout, which there is none of
        unused = saved.lse.new_zeros((), dtype=torch.long)
        dq, dk, dv = _BACKWARD(
            self.query.pick(saved.grad[span]),
            self.query.pick(saved.query[span]),
            self.key.pick(saved.key),
            self.key.pick(saved.value),
            self.query.pick(saved.out[span]),
            self.query.pick(saved.lse[span]).T.contiguous(),
            *self._layout(),
            0.0,
            self.causal,
            unused,
            unused,
            scale=saved.scale,
        )
        dquery[self.query.index] = dq
        self._add(dk, saved.dkey)
        self._add(dv, saved.dvalue)
        return dquery

    def _layout(self) -> tuple[Any, ...]:
        assert self.query is not None
        assert self.key is not None
        return self.query.ends, self.key.ends, self.query.most, self.key.most

    def _blind(self) -> list[slice]:
        starts = ((s.query - self.first, s.queries) for s in self.blind)
        return [slice(start, start + queries) for start, queries in starts]

    def _add(self, found: Tensor, into: Tensor) -> None:
        """Add the keys' gradients to their rows; segments may share some."""
        assert self.key is not None
        if isinstance(self.key.index, slice):
            into[self.key.index] += found
            return
        for segment, rows in zip(
            self.segments, found.split([s.keys for s in self.segments]), strict=True
        ):
            into[segment.key : segment.key + segment.keys] += rows
