"""Attention over ragged ranges: segments of queries and keys, batched into padded blocks.

The textbook is softmax(q k^T) v for each segment. Segments of like size share a block, so that
short documents do not cost a call each, and long ones are cut along the queries, so that no block
of scores exceeds a fixed size. Memory is linear in the number of tokens: the backward pass makes
the scores again from the log-sum-exp that the forward pass kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

SCORES = 1 << 20
"""Query-key pairs of a block at most (per head), a single short segment aside."""

WASTE = 1.25
"""Padded area of a block over the area of its segments, at most; small blocks may waste more."""

SMALL = 1 << 14
"""Query-key pairs below which a call costs more than the padding it would save."""


@dataclass(frozen=True)
class Segment:
    """Queries `[query, query + queries)` on keys `[key, key + keys)` of the packed row.

    With `causal` the last query sees all keys, the one before it all but the last, and so on.
    """

    query: int
    queries: int
    key: int
    keys: int
    causal: bool


@dataclass(frozen=True)
class Block:
    """Segments padded to one size: P segments, Q queries, S keys.

    Attributes:
        segments: what it consists of.
        query_index: [P * Q] rows of the queries; padding points at row 0.
        key_index: [P * S] rows of the keys; padding points at row 0.
        mask: [P, Q, S] True where a query must not look, or None where it sees everything.
    """

    segments: tuple[Segment, ...]
    query_index: Tensor
    key_index: Tensor
    mask: Tensor | None

    @property
    def size(self) -> tuple[int, int, int]:
        count = len(self.segments)
        return count, len(self.query_index) // count, len(self.key_index) // count


@dataclass(frozen=True)
class Blocks:
    """All segments of one kind. Every query of `[first, first + count)` stands in exactly one.

    Attributes:
        blocks: the padded blocks.
        inverse: [count] where each query's result stands among the blocks' padded results.
        key_inverse: the same for keys, where every key of that range stands in exactly one segment.
    """

    blocks: tuple[Block, ...]
    inverse: Tensor
    key_inverse: Tensor | None


def build(
    segments: Sequence[Segment], first: int, count: int, device: torch.device | str
) -> Blocks:
    """Cut and batch segments whose queries cover `[first, first + count)` once.

    Args:
        segments: in any order.
        first: the first query row.
        count: query rows.
        device: where the indices are wanted.
    """
    pieces = [piece for segment in segments for piece in _cut(segment)]
    pieces.sort(key=lambda segment: (segment.keys, segment.queries, segment.query))
    blocks, inverse = [], torch.empty(count, dtype=torch.long)
    shifts = {t.key - t.query for t in segments}
    disjoint = (
        len(pieces) == len(segments)
        and len(shifts) == 1
        and all(t.causal and t.keys == t.queries for t in segments)
    )
    key_inverse = torch.empty(count, dtype=torch.long) if disjoint else None
    offset = key_offset = 0
    for group in _groups(pieces):
        block = _block(group, device)
        _, queries, keys = block.size
        for index, segment in enumerate(group):
            start = segment.query - first
            inverse[start : start + segment.queries] = (
                offset + index * queries + torch.arange(segment.queries)
            )
            if key_inverse is not None:
                key_inverse[start : start + segment.keys] = (
                    key_offset + index * keys + torch.arange(segment.keys)
                )
        offset += len(group) * queries
        key_offset += len(group) * keys
        blocks.append(block)
    return Blocks(
        tuple(blocks),
        inverse.to(device),
        None if key_inverse is None else key_inverse.to(device),
    )


def _cut(segment: Segment) -> list[Segment]:
    """Pieces of at most `SCORES` pairs, cut along the queries."""
    rows = max(1, SCORES // max(1, segment.keys))
    if segment.causal:
        rows = min(rows, max(64, segment.queries // 4))  # skips most of what the mask would hide
    pieces = []
    for start in range(0, segment.queries, rows):
        count = min(rows, segment.queries - start)
        seen = segment.keys - (segment.queries - start - count) if segment.causal else segment.keys
        pieces.append(Segment(segment.query + start, count, segment.key, seen, segment.causal))
    return pieces


def _groups(segments: Sequence[Segment]) -> list[list[Segment]]:
    """Neighbours in size together, as long as the padding stays small."""
    groups: list[list[Segment]] = []
    area = queries = keys = 0
    for segment in segments:
        grown = (max(queries, segment.queries), max(keys, segment.keys))
        if groups:
            padded = (len(groups[-1]) + 1) * grown[0] * grown[1]
            true = area + segment.queries * segment.keys
            if padded <= SCORES and (padded <= SMALL or padded <= WASTE * true):
                groups[-1].append(segment)
                area, (queries, keys) = true, grown
                continue
        groups.append([segment])
        area, queries, keys = segment.queries * segment.keys, segment.queries, segment.keys
    return groups


def _block(segments: Sequence[Segment], device: torch.device | str) -> Block:
    queries = torch.tensor([t.queries for t in segments])[:, None]
    keys = torch.tensor([t.keys for t in segments])[:, None]
    row, column = torch.arange(int(queries.max())), torch.arange(int(keys.max()))
    query = torch.tensor([t.query for t in segments])[:, None] + row
    key = torch.tensor([t.key for t in segments])[:, None] + column
    # padded queries see nothing, or they would add to the gradients of the keys
    mask = (row >= queries)[:, :, None] | (column >= keys)[:, None, :]
    causal = torch.tensor([t.causal for t in segments])
    if causal.any():
        last = row[None, :, None] + (keys - queries)[:, :, None]
        mask = mask | (causal[:, None, None] & (column > last))
    return Block(
        tuple(segments),
        query.masked_fill(row >= queries, 0).flatten().to(device),
        key.masked_fill(column >= keys, 0).flatten().to(device),
        mask.contiguous().to(device) if bool(mask.any()) else None,
    )
