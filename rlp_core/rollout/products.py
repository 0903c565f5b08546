"""Attention of blocks as products of plain matrices: runs on any device, in any dtype.

The backward pass makes the scores again, block by block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rlp_core.rollout.blocks import Block, Blocks
from rlp_core.rollout.kernels import Saved


@dataclass(frozen=True)
class Products:
    """One kind of segment as products of matrices; see `kernels.AttentionPart`."""

    blocks: Blocks

    @property
    def count(self) -> int:
        """Queries."""
        return len(self.blocks.inverse)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, scale: float, softcap: float
    ) -> tuple[Tensor, Tensor]:
        """See `kernels.AttentionPart`."""
        return _forward(self.blocks, query, key, value, scale, softcap)

    def backward(self, saved: Saved) -> Tensor:
        """See `kernels.AttentionPart`."""
        return _backward(self.blocks, saved)


def _forward(
    blocks: Blocks, query: Tensor, key: Tensor, value: Tensor, scale: float, softcap: float
) -> tuple[Tensor, Tensor]:
    heads = query.shape[1]
    outs, sums = [], []
    for block in blocks.blocks:
        count, queries, keys = block.size
        if not keys:  # nothing to see: position 0
            outs.append(query.new_zeros(count * queries, *query.shape[1:]))
            sums.append(query.new_full((count * queries, heads), -torch.inf, dtype=torch.float32))
            continue
        _, score = _scores(block, query, key, scale, softcap)
        top = score.amax(dim=-1, keepdim=True).clamp_min_(-1e30)
        weight = score.sub_(top).exp_()
        total = weight.sum(dim=-1, keepdim=True)
        out = torch.bmm(weight.to(value.dtype), _keys(block, value)) / total.clamp_min(1e-38)
        outs.append(_as_rows(out.to(query.dtype), block, heads))
        sums.append(_as_rows(top + total.log(), block, heads).squeeze(-1))
    return _pick(outs, blocks.inverse), _pick(sums, blocks.inverse)


def _backward(blocks: Blocks, saved: Saved) -> Tensor:
    heads = saved.query.shape[1]
    dqueries: list[Tensor] = []
    dkeys: list[Tensor] = []
    dvalues: list[Tensor] = []
    for block in blocks.blocks:
        count, queries, keys = block.size
        if not keys:
            dqueries.append(saved.query.new_zeros(count * queries, *saved.query.shape[1:]))
            continue
        raw, score = _scores(block, saved.query, saved.key, saved.scale, saved.softcap)
        weight = score.sub_(_queries(block, saved.lse[..., None], saved.key.shape[1])).exp_()
        grad = _queries(block, saved.grad, saved.key.shape[1])
        dvalue = torch.bmm(weight.to(grad.dtype).mT, grad)
        inner = torch.bmm(grad, _keys(block, saved.value).mT).float()
        inner.sub_(_queries(block, saved.delta[..., None], saved.key.shape[1])).mul_(weight)
        if raw is not None:
            inner.mul_(1 - (raw / saved.softcap) ** 2)
        inner = inner.mul_(saved.scale).to(grad.dtype)
        dqueries.append(_as_rows(torch.bmm(inner, _keys(block, saved.key)), block, heads))
        dkey = torch.bmm(inner.mT, _queries(block, saved.query, saved.key.shape[1]))
        for found, result in ((dkeys, dkey), (dvalues, dvalue)):
            found.append(result.view(count, -1, keys, result.shape[-1]).transpose(1, 2))
    _spread(blocks, dkeys, saved.dkey)
    _spread(blocks, dvalues, saved.dvalue)
    return _pick(dqueries, blocks.inverse)


def _spread(blocks: Blocks, parts: Sequence[Tensor], into: Tensor) -> None:
    """Add the keys' gradients, [P, S, kv_heads, size] per block, to the rows they came from."""
    if blocks.key_inverse is not None:
        first = min(segment.key for block in blocks.blocks for segment in block.segments)
        flat = [part.reshape(-1, *part.shape[2:]) for part in parts]
        into[first : first + len(blocks.key_inverse)].add_(_pick(flat, blocks.key_inverse))
        return
    seen = [block for block in blocks.blocks if block.size[2]]
    for block, part in zip(seen, parts, strict=True):
        for index, segment in enumerate(block.segments):
            into[segment.key : segment.key + segment.keys].add_(part[index, : segment.keys])


def _scores(
    block: Block, query: Tensor, key: Tensor, scale: float, softcap: float
) -> tuple[Tensor | None, Tensor]:
    """Scores [P * kv_heads, repeat * Q, S] in fp32, hidden ones -inf; before them the capped."""
    count, queries, keys = block.size
    groups = key.shape[1]
    score = torch.bmm(_queries(block, query, groups), _keys(block, key).mT).float().mul_(scale)
    raw = None
    if softcap:
        raw = torch.tanh(score / softcap).mul_(softcap)
        score = raw.clone()
    if block.mask is not None:
        score.view(count, -1, queries, keys).masked_fill_(block.mask[:, None], -torch.inf)
    return raw, score


def _queries(block: Block, rows: Tensor, groups: int) -> Tensor:
    """[N, heads, x] to [P * kv_heads, repeat * Q, x]: heads that share keys stand together."""
    count, queries, _ = block.size
    picked = rows.index_select(0, block.query_index).view(count, queries, rows.shape[1], -1)
    return picked.transpose(1, 2).reshape(count * groups, -1, rows.shape[-1])


def _keys(block: Block, rows: Tensor) -> Tensor:
    """[N, kv_heads, size] to [P * kv_heads, S, size]."""
    count, _, keys = block.size
    picked = rows.index_select(0, block.key_index).view(count, keys, *rows.shape[1:])
    return picked.transpose(1, 2).reshape(-1, keys, rows.shape[-1])


def _as_rows(result: Tensor, block: Block, heads: int) -> Tensor:
    """[P * kv_heads, repeat * Q, x] to [P * Q, heads, x]."""
    count, queries, _ = block.size
    rows = result.view(count, heads, queries, -1).transpose(1, 2)
    return rows.reshape(count * queries, heads, -1)


def _pick(parts: Sequence[Tensor], inverse: Tensor) -> Tensor:
    """Unpadded rows in the order of the packed row."""
    return (parts[0] if len(parts) == 1 else torch.cat(list(parts))).index_select(0, inverse)
