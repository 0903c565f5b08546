"""The branch mask as one fused kernel: FlexAttention, for GPUs.

`blocks` cuts attention into products of plain matrices, which suits a CPU and runs anywhere. On a
GPU a fused kernel writes no scores to memory: the same rule of who sees whom is given to
`flex_attention` as a function of two token indices, and blocks of the packed row in which nobody
sees anybody are skipped. It has no backward pass on a CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, flex_attention

from rlp_core.rollout.blocks import Segment

BLOCK = 128
"""Edge of a block of the mask, which is skipped, taken whole, or looked at pair by pair."""

SMALLEST_HEAD = 16
"""Numbers of a head, at least: the compiled kernel multiplies by tiles of that edge."""


@dataclass
class FlexAttention:
    """The packed row `[trunks | branches]`; see `attention.AttentionBackend`.

    Attributes:
        mask: who sees whom.
        compiled: fuse the kernel; False runs the unfused reference, for tests.
        keep: whether to fill `kept`.
        kept: keys and values per layer (prefill).
    """

    mask: BlockMask
    compiled: bool = True
    keep: bool = False
    kept: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    @staticmethod
    def of(
        trunk: Tensor,
        branch: Tensor,
        position: Tensor,
        limit: Tensor,
        segments: Sequence[Segment],
    ) -> FlexAttention:
        """Build the mask of a packed row.

        Args:
            trunk: [N] the document of each token.
            branch: [N] the branch of each token, -1 in a trunk.
            position: [N] position ids.
            limit: [N] how many tokens of its trunk each token sees.
            segments: the same as ranges; they say which blocks of the mask are empty or full.
        """

        def sees(_batch: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
            on_trunk = (branch[key] < 0) & (position[key] < limit[query])
            on_own = (branch[key] == branch[query]) & (position[key] <= position[query])
            own_branch = (branch[query] >= 0) & on_own
            return (trunk[query] == trunk[key]) & (on_trunk | own_branch)

        pairs = block_pairs(segments, len(trunk), BLOCK).to(trunk.device)
        full = pairs == BLOCK * BLOCK
        mask = BlockMask.from_kv_blocks(
            *_ordered((pairs > 0) & ~full),
            *_ordered(full),
            BLOCK_SIZE=BLOCK,
            mask_mod=sees,
            seq_lengths=(len(trunk), len(trunk)),
        )
        return FlexAttention(mask, compiled=trunk.is_cuda)

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float, softcap: float
    ) -> Tensor:
        """One layer; shapes as in `attention.AttentionBackend`."""
        if self.keep:
            self.kept[layer] = (key, value)
        found = _kernel(self.compiled)(
            *(t.transpose(0, 1)[None] for t in (query, key, value)),
            score_mod=_capped(softcap) if softcap else None,
            block_mask=self.mask,
            scale=scale,
            enable_gqa=query.shape[1] != key.shape[1],
        )
        result: Tensor = found[0].transpose(0, 1)
        return result


def block_pairs(segments: Sequence[Segment], count: int, block: int) -> Tensor:
    """Pairs of query and key that see each other, by block of the mask.

    Args:
        segments: ranges of queries and keys; no pair stands in two.
        count: N, tokens of the row.
        block: edge of a block.

    Returns:
        [B, B] for B = N / block, rounded up. There is never a tensor of N x N.
    """
    blocks = -(-count // block)
    begins = torch.arange(blocks) * block
    pairs = torch.zeros(blocks, blocks, dtype=torch.long)
    for segment in segments:
        rows = torch.arange(segment.query, segment.query + segment.queries)
        ends = torch.full_like(rows, segment.key + segment.keys)
        if segment.causal:
            ends += rows - rows[-1]
        columns = slice(segment.key // block, -(-(segment.key + segment.keys) // block))
        first = begins[columns].clamp_min(segment.key)
        last = torch.minimum(begins[columns] + block, ends[:, None])
        pairs[:, columns].index_add_(0, rows // block, (last - first).clamp_min_(0))
    return pairs


def _ordered(blocks: Tensor) -> tuple[Tensor, Tensor]:
    """[B, B] of bool to what `BlockMask` takes: how many of each row are set, and these first."""
    some = blocks[None, None].int()
    order = torch.argsort(some, dim=-1, descending=True, stable=True)
    return some.sum(dim=-1, dtype=torch.int32), order.int()


@cache
def _kernel(compiled: bool) -> Callable[..., Any]:
    kernel: Callable[..., Any] = flex_attention
    return torch.compile(kernel, dynamic=True) if compiled else kernel


@cache
def _capped(softcap: float) -> Callable[..., Tensor]:
    """One function per cap, so that the kernel is compiled once."""

    def cap(score: Tensor, *_: Tensor) -> Tensor:
        return softcap * torch.tanh(score / softcap)

    return cap
