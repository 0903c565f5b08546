"""Which GPUs a stage may see: each is given to one stage at a time, by `CUDA_VISIBLE_DEVICES`."""

from __future__ import annotations

import re
from collections.abc import Callable

from rlp_core.gpus import visible_gpus


def slots(wanted: int, devices: tuple[str, ...], say: Callable[[str], None]) -> tuple[str, ...]:
    """What may be given to stages, one value of `CUDA_VISIBLE_DEVICES` each.

    Args:
        wanted: GPUs to share out.
        devices: `runtime.device` and the like. Where one names a GPU by its number, every stage
            needs to see all of them, so there is one slot with all.
        say: is told where fewer are shared out than `wanted`.
    """
    gpus = visible_gpus()
    if not gpus or devices[:1] == ("cpu",):
        return ()
    named = [device for device in devices if re.fullmatch(r"cuda:\d+", device)]
    if named:
        if wanted > 1:
            say(f"one stage at a time on GPUs: params.yaml names {', '.join(named)}")
        return (",".join(gpus),)
    if wanted > len(gpus):
        say(f"{wanted} GPU slots are asked for, {len(gpus)} can be seen: that many are shared out")
    return gpus[:wanted]
