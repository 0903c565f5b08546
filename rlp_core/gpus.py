"""Which GPUs this process may see.

Looks for devices and variables only, as importing torch is slow.
"""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path("/")


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
