"""How much memory there is: on a GPU all of it, else what the machine can still give."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from rlp_core.planning.units import bytes_of, gigabytes

if TYPE_CHECKING:
    from rlp_core.params.root import Runtime

SPARE = 0.05
"""Share that a plan leaves free: allocators round up, and a GPU holds its libraries."""

MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")
LIMITS = (
    ("memory.max", "memory.current"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
)
"""Limit and use of a control group, of version 2 and of version 1."""


@dataclass(frozen=True)
class Memory:
    """What a plan must fit into.

    Attributes:
        size: bytes.
        told: where the figure is from.
    """

    size: int
    told: str

    @property
    def usable(self) -> int:
        """Bytes that a plan may take."""
        return int((1 - SPARE) * self.size)

    def __str__(self) -> str:
        return f"{gigabytes(self.size)} GB, {self.told}"


def of_device(runtime: Runtime, device: torch.device) -> Memory | None:
    """What a stage may take; None where neither the device nor the parameters say.

    Args:
        runtime: `memory_limit`, where it is set, counts instead of what the device has.
        device: where the model will lie.

    Raises:
        UsageError: the limit is no size of memory.
    """
    if runtime.memory_limit:
        where = "params.yaml: runtime.memory_limit"
        return Memory(bytes_of(runtime.memory_limit, where), "runtime.memory_limit")
    if device.type == "cuda":
        return Memory(torch.cuda.mem_get_info(device)[1], f"all of {device}")
    free = available()
    return None if free is None else Memory(free, "what this machine can still give")


def available(meminfo: Path = MEMINFO, cgroup: Path = CGROUP) -> int | None:
    """Bytes that can be had without swapping, and within the control group; None if not told."""
    found = [size for size in (_machine(meminfo), *_groups(cgroup)) if size is not None]
    return max(0, min(found)) if found else None


def _machine(meminfo: Path) -> int | None:
    try:
        lines = meminfo.read_text(encoding="ascii").splitlines()
    except OSError:
        return None  # no Linux
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    told = fields.get("MemAvailable", "").split()
    return 1024 * int(told[0]) if told else None


def _groups(cgroup: Path) -> list[int | None]:
    return [_left(cgroup / limit, cgroup / used) for limit, used in LIMITS]


def _left(limit: Path, used: Path) -> int | None:
    """What a control group has left; None where it has no limit, or none is told."""
    try:
        most, taken = (path.read_text(encoding="ascii").strip() for path in (limit, used))
    except OSError:
        return None
    return int(most) - int(taken) if most.isdigit() else None
