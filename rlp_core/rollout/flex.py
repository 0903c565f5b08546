"""The branch mask as one fused kernel: FlexAttention, for GPUs.

`blocks` cuts attention into products of plain matrices, which suits a CPU and runs anywhere. On a
GPU a fused kernel writes no scores to memory: the same rule of who sees whom is given to
`flex_attention` as a function of two token indices, and blocks of the packed row in which nobody
sees anybody are skipped. It has no backward pass on a CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention


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
    def of(trunk: Tensor, branch: Tensor, position: Tensor, limit: Tensor) -> FlexAttention:
        """Build the mask of a packed row.

        Args:
            trunk: [N] the document of each token.
            branch: [N] the branch of each token, -1 in a trunk.
            position: [N] position ids.
            limit: [N] how many tokens of its trunk each token sees.
        """

        def sees(_batch: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
            on_trunk = (branch[key] < 0) & (position[key] < limit[query])
            on_own = (branch[key] == branch[query]) & (position[key] <= position[query])
            own_branch = (branch[query] >= 0) & on_own
            return (trunk[query] == trunk[key]) & (on_trunk | own_branch)

        count = len(trunk)
        mask = create_block_mask(sees, None, None, count, count, device=str(trunk.device))
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
