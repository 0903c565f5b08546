"""Rows of any lengths packed one after the other: which element belongs to which row.

Packed tensors hold no padding, so no mean over them can count padding by mistake.
"""

from __future__ import annotations

import torch
from torch import Tensor


def owners(lengths: Tensor) -> Tensor:
    """[R] lengths to [sum of lengths]: the row of each element."""
    return torch.repeat_interleave(torch.arange(lengths.shape[0], device=lengths.device), lengths)


def steps(lengths: Tensor) -> Tensor:
    """[R] lengths to [sum of lengths]: the place of each element in its row, from 0."""
    first = lengths.cumsum(0) - lengths
    total = owners(lengths)
    return torch.arange(total.shape[0], device=lengths.device) - first[total]
