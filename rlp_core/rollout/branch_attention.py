"""Attention of a packed row `[trunks | branches]`, forward and backward, by one of its kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from rlp_core.rollout.blocks import Segment, build
from rlp_core.rollout.flash import Flash
from rlp_core.rollout.kernels import AttentionPart, Saved, merge
from rlp_core.rollout.products import Products
from rlp_core.rollout.varlen import Varlen

KERNELS = ("blocks", "flash")
"""The kernels that a packed row can be laid out for on a CPU."""

SHARING = (*KERNELS, "varlen")
"""Those whose branches can attend to trunks that were read before."""


@dataclass
class BranchAttention:
    """The packed row `[trunks | branches]`.

    Trunk tokens see their trunk causally; a branch token sees the trunk before its position
    (`across`) and its own branch causally (`own`); the two are merged by their log-sum-exp.

    Attributes:
        trunks: trunk queries on trunk keys.
        across: branch queries on trunk keys.
        own: branch queries on branch keys.
        first: where the branches begin in the row.
        dtype: that the parts compute in; None: that of the model.
        before: keys and values per layer that stand before those of the row: trunks that were read
            already. The row then holds branches alone.
        kept: keys and values per layer, filled where `keep` is set (prefill).
        keep: whether to fill `kept`.
    """

    trunks: AttentionPart
    across: AttentionPart
    own: AttentionPart
    first: int
    dtype: torch.dtype | None = None
    before: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)
    keep: bool = False
    kept: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    @staticmethod
    def of(
        trunks: Sequence[Segment],
        across: Sequence[Segment],
        own: Sequence[Segment],
        device: torch.device | str,
        kernel: str = "blocks",
    ) -> BranchAttention:
        """Lay a packed row out for one of `SHARING`."""
        first = sum(segment.queries for segment in trunks)
        rest = sum(segment.queries for segment in own)
        flash = kernel == "flash"

        def part(segments: Sequence[Segment], begin: int, count: int) -> AttentionPart:
            if flash:
                return Flash.of(segments, begin, count)
            if kernel == "varlen":
                return Varlen.of(segments, begin, count, device)
            return Products(build(segments, begin, count, device))

        return BranchAttention(
            part(trunks, 0, first),
            part(across, first, rest),
            part(own, first, rest),
            first,
            torch.float32 if flash else None,
        )

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float, softcap: float
    ) -> Tensor:
        """One layer; shapes as in `attention.AttentionBackend`."""
        if self.keep:
            self.kept[layer] = (key, value)
        if self.before:
            key, value = (
                torch.cat([past.to(now.dtype), now])
                for past, now in zip(self.before[layer], (key, value), strict=True)
            )
        result: Tensor = _Attend.apply(query, key, value, self, scale, softcap)  # type: ignore[no-untyped-call]
        return result


class _Attend(torch.autograd.Function):
    """Forward and backward over the parts; only the merged result and log-sum-exp are kept."""

    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        backend: BranchAttention,
        scale: float,
        softcap: float,
    ) -> Tensor:
        query, key, value = query.contiguous(), key.contiguous(), value.contiguous()
        q, k, v = (t.to(backend.dtype or t.dtype) for t in (query, key, value))
        out, lse = torch.empty_like(query), query.new_empty(query.shape[:2], dtype=torch.float32)
        first = backend.first
        if backend.trunks.count:
            out[:first], lse[:first] = backend.trunks.forward(q, k, v, scale, softcap)
        if backend.own.count:
            across = backend.across.forward(q, k, v, scale, softcap)
            own = backend.own.forward(q, k, v, scale, softcap)
            out[first:], lse[first:] = merge(across, own)
        ctx.save_for_backward(query, key, value, out, lse)
        ctx.rest = (backend, scale, softcap)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, out, lse = ctx.saved_tensors
        backend, scale, softcap = ctx.rest
        # in fp32: many segments add to one trunk, and in bf16 each sum would round
        dkey, dvalue = (torch.zeros_like(x, dtype=torch.float32) for x in (key, value))
        kept = (query, key, value, grad.contiguous(), out)
        q, k, v, g, o = (t.to(backend.dtype or t.dtype) for t in kept)
        saved = Saved(q, k, v, g, o, lse, dkey, dvalue, scale, softcap)
        parts = []
        if backend.trunks.count:
            parts.append(backend.trunks.backward(saved))
        if backend.own.count:
            parts.append(backend.across.backward(saved).add_(backend.own.backward(saved)))
        dquery = torch.cat(parts).to(query.dtype)
        return dquery, dkey.to(key), dvalue.to(value), None, None, None
