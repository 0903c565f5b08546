"""Sizes of memory as people write them."""

from __future__ import annotations

import re

from rlp_core.errors import UsageError

UNITS = {"B": 1} | {
    f"{prefix}{kind}": base**power
    for power, prefix in enumerate("KMGT", start=1)
    for kind, base in (("B", 1000), ("iB", 1024))
}
"""Bytes of a unit; of GB 10^9, of GiB 2^30."""

_WRITTEN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*")


def bytes_of(text: str, where: str) -> int:
    """The bytes of a size such as 80GB, 64 GiB or 900MiB.

    Args:
        text: the size.
        where: stands in the message.

    Raises:
        UsageError: it is no size, or none at all.
    """
    match = _WRITTEN.fullmatch(text)
    known = {unit.lower(): factor for unit, factor in UNITS.items()}
    size = int(float(match[1]) * known.get(match[2].lower(), 0)) if match else 0
    if not size:
        raise UsageError(
            f"{text!r} is no size of memory",
            where=where,
            fix=f"write a number and a unit, such as 80GB or 64GiB; units: {', '.join(UNITS)}",
        )
    return size


def gigabytes(size: float) -> str:
    """Bytes in GB (10^9), with two places below ten of them and three below one."""
    value = size / 1e9
    return f"{value:.{3 if value < 1 else 2 if value < 10 else 1}f}"
