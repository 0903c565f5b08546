"""How much is kept for a backward pass, counted and not timed."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch


@dataclass
class Kept:
    """A tensor that a backward pass needs; its bytes are counted while it lives."""

    tensor: torch.Tensor

    __hash__ = object.__hash__


@contextmanager
def counting() -> Iterator[dict[str, int]]:
    """The most bytes that were kept for backward passes at once, as `peak`; now, as `now`."""
    found = {"now": 0, "peak": 0}

    def free(size: int) -> None:
        found["now"] -= size

    def pack(tensor: torch.Tensor) -> Kept:
        kept, size = Kept(tensor), tensor.numel() * tensor.element_size()
        found["now"] += size
        found["peak"] = max(found["peak"], found["now"])
        weakref.finalize(kept, free, size)
        return kept

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda kept: kept.tensor):
        yield found
