"""Which GPUs a stage may see: each is given to one stage at a time, by `CUDA_VISIBLE_DEVICES`.

Looks for devices and variables only, as importing torch is slow.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

ROOT = Path("/")


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


def visible_gpus(root: Path = ROOT) -> tuple[str, ...]:
    """The GPUs of this process, as `CUDA_VISIBLE_DEVICES` names them: numbers or identifiers."""
    said = os.environ.get("CUDA_VISIBLE_DEVICES")
    if said is None:
        nvidia = [path for path in root.glob("dev/nvidia*") if path.name[6:].isdigit()]
        amd = root.glob("sys/class/kfd/kfd/topology/nodes/*/gpu_id")  # 0: a CPU
        count = len(nvidia) or sum(path.read_text().strip() not in ("", "0") for path in amd)
        return tuple(str(number) for number in range(count))
    gpus: list[str] = []
    for name in (part.strip() for part in said.split(",")):
        if not name or name.startswith("-") or name in gpus:  # CUDA stops reading here too
            break
        gpus.append(name)
    return tuple(gpus)
