"""How a step grows: time per thought in G and K, memory of the update in T + K G L.

A document is read once for all of its thoughts, so the time per thought should fall with G and K
until the thoughts themselves dominate, and be nearly flat from there. The usual recipe reads the
document once per thought: flat from the start, and higher.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch

from benchmarks.rlp_step import run, trainer
from benchmarks.work import Work

GROUPS = (2, 4, 8, 16, 32)
POSITIONS = (1, 2, 4, 8)
LENGTHS = (8, 16, 32, 64, 128)


def time_per_thought(work: Work, steps: int) -> dict[str, list[dict[str, float]]]:
    """Milliseconds per thought over G at the work's K, and over K at the work's G.

    Of several steps the fastest: what else the machine does only ever adds time.
    """
    return {
        "group_size": [_timed(work, steps, group_size=size) for size in GROUPS],
        "positions": [_timed(work, steps, positions=count) for count in POSITIONS],
    }


def _timed(work: Work, steps: int, **change: int) -> dict[str, float]:
    changed = dataclasses.replace(work, **change)  # type: ignore[arg-type]  # all of them integers
    best = min(step.seconds for step in run(changed, steps))
    return {**change, "milliseconds_per_thought": 1e3 * best / changed.thoughts}


def update_memory(work: Work, lengths: Sequence[int] = LENGTHS) -> list[dict[str, float]]:
    """Bytes that the update keeps for its backward pass, over L, and per token of T + K G L."""
    return [_kept(dataclasses.replace(work, thought_tokens=length)) for length in lengths]


def _kept(work: Work) -> dict[str, float]:
    torch.set_num_threads(work.threads)
    made = trainer(work)
    groups = made.groups(0)
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        made.accumulate(groups, 0)
    tokens = work.documents * work.tokens + work.thoughts * work.thought_tokens
    return {
        "thought_tokens": work.thought_tokens,
        "tokens": tokens,
        "megabytes": sum(kept.values()) / 1e6,
        "bytes_per_token": sum(kept.values()) / tokens,
    }


def report(work: Work, steps: int) -> dict[str, Any]:
    """Both curves."""
    return {"time": time_per_thought(work, steps), "memory": update_memory(work)}
