"""Rows of any lengths packed one after the other: which element belongs to which row.

Packed tensors hold no padding, so no mean over them can count padding by mistake.
"""

from __future__ import annotations

import torch
from torch import Tensor


def owners(lengths: Tensor, total: int | None = None) -> Tensor:
    """[R] lengths to [sum of lengths]: the row of each element.

    Whoever knows the sum and gives it as `total` spares the wait for the device that knows it.
    """
    rows = torch.arange(lengths.shape[0], device=lengths.device)
    return torch.repeat_interleave(rows, lengths, output_size=total)


def steps(lengths: Tensor, total: int | None = None) -> Tensor:
    """[R] lengths to [sum of lengths]: the place of each element in its row, from 0."""
    first = lengths.cumsum(0) - lengths
    owner = owners(lengths, total)
    return torch.arange(owner.shape[0], device=lengths.device) - first[owner]
