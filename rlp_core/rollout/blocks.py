"""Attention over ragged ranges: tasks of queries and keys, batched into padded blocks.

The textbook is softmax(q k^T) v for each task. Tasks of like size share a block, so that short
documents do not cost a call each, and long ones are cut along the queries, so that no block of
scores exceeds a fixed size. Memory is linear in the number of tokens: the backward pass makes the
scores again from the log-sum-exp that the forward pass kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

SCORES = 1 << 20
"""Query-key pairs of a block at most (per head), a single short task aside."""

WASTE = 1.25
"""Padded area of a block over the area of its tasks, at most; small blocks may waste more."""

SMALL = 1 << 14
"""Query-key pairs below which a call costs more than the padding it would save."""


@dataclass(frozen=True)
class Task:
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
    """Tasks padded to one size: P tasks, Q queries, S keys.

    Attributes:
        tasks: what it consists of.
        query_index: [P * Q] rows of the queries; padding points at row 0.
        key_index: [P * S] rows of the keys; padding points at row 0.
        hidden: [P, Q, S] True where a query must not look, or None where it sees everything.
    """

    tasks: tuple[Task, ...]
    query_index: Tensor
    key_index: Tensor
    hidden: Tensor | None

    @property
    def size(self) -> tuple[int, int, int]:
        count = len(self.tasks)
        return count, len(self.query_index) // count, len(self.key_index) // count


@dataclass(frozen=True)
class Blocks:
    """All tasks of one kind. Every query of `[first, first + count)` stands in exactly one.

    Attributes:
        blocks: the padded blocks.
        inverse: [count] where each query's result stands among the blocks' padded results.
        key_inverse: the same for keys, where every key of that range stands in exactly one task.
    """

    blocks: tuple[Block, ...]
    inverse: Tensor
    key_inverse: Tensor | None


def build(tasks: Sequence[Task], first: int, count: int, device: torch.device | str) -> Blocks:
    """Cut and batch tasks whose queries cover `[first, first + count)` once.

    Args:
        tasks: in any order.
        first: the first query row.
        count: query rows.
        device: where the indices are wanted.
    """
    pieces = [piece for task in tasks for piece in _cut(task)]
    pieces.sort(key=lambda task: (task.keys, task.queries, task.query))
    blocks, inverse = [], torch.empty(count, dtype=torch.long)
    disjoint = len(pieces) == len(tasks) and all(
        t.causal and t.key == t.query and t.keys == t.queries for t in tasks
    )
    key_inverse = torch.empty(count, dtype=torch.long) if disjoint else None
    offset = key_offset = 0
    for group in _groups(pieces):
        block = _block(group, device)
        _, queries, keys = block.size
        for index, task in enumerate(group):
            start = task.query - first
            inverse[start : start + task.queries] = (
                offset + index * queries + torch.arange(task.queries)
            )
            if key_inverse is not None:
                key_inverse[start : start + task.keys] = (
                    key_offset + index * keys + torch.arange(task.keys)
                )
        offset += len(group) * queries
        key_offset += len(group) * keys
        blocks.append(block)
    return Blocks(
        tuple(blocks),
        inverse.to(device),
        None if key_inverse is None else key_inverse.to(device),
    )


def _cut(task: Task) -> list[Task]:
    """Pieces of at most `SCORES` pairs, cut along the queries."""
    rows = max(1, SCORES // max(1, task.keys))
    if task.causal:
        rows = min(rows, max(64, task.queries // 4))  # skips most of what the mask would hide
    pieces = []
    for start in range(0, task.queries, rows):
        count = min(rows, task.queries - start)
        seen = task.keys - (task.queries - start - count) if task.causal else task.keys
        pieces.append(Task(task.query + start, count, task.key, seen, task.causal))
    return pieces


def _groups(tasks: Sequence[Task]) -> list[list[Task]]:
    """Neighbours in size together, as long as the padding stays small."""
    groups: list[list[Task]] = []
    area = queries = keys = 0
    for task in tasks:
        grown = (max(queries, task.queries), max(keys, task.keys))
        if groups:
            padded = (len(groups[-1]) + 1) * grown[0] * grown[1]
            true = area + task.queries * task.keys
            if padded <= SCORES and (padded <= SMALL or padded <= WASTE * true):
                groups[-1].append(task)
                area, (queries, keys) = true, grown
                continue
        groups.append([task])
        area, queries, keys = task.queries * task.keys, task.queries, task.keys
    return groups


def _block(tasks: Sequence[Task], device: torch.device | str) -> Block:
    queries = torch.tensor([t.queries for t in tasks])[:, None]
    keys = torch.tensor([t.keys for t in tasks])[:, None]
    row, column = torch.arange(int(queries.max())), torch.arange(int(keys.max()))
    query = torch.tensor([t.query for t in tasks])[:, None] + row
    key = torch.tensor([t.key for t in tasks])[:, None] + column
    # padded queries see nothing, or they would add to the gradients of the keys
    hidden = (row >= queries)[:, :, None] | (column >= keys)[:, None, :]
    causal = torch.tensor([t.causal for t in tasks])
    if causal.any():
        last = row[None, :, None] + (keys - queries)[:, :, None]
        hidden = hidden | (causal[:, None, None] & (column > last))
    return Block(
        tuple(tasks),
        query.masked_fill(row >= queries, 0).flatten().to(device),
        key.masked_fill(column >= keys, 0).flatten().to(device),
        hidden.contiguous().to(device) if bool(hidden.any()) else None,
    )
