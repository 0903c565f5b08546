"""Which files a piece of work reads: a test helper, by Python's audit hook.

What a C library opens by itself (a parquet file, SQLite) raises no event; such a reader must be
covered otherwise.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class Trace:
    """Files below a root that were opened for reading, relative to it."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self.active = True
        self.read: set[str] = set()

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" or not self.active:
            return
        path, mode, flags = arguments
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if writes or (isinstance(mode, str) and set(mode) & set("wax+")):
            return
        if isinstance(path, str | bytes | os.PathLike):
            place = Path(os.path.abspath(os.fsdecode(path)))  # noqa: PTH100  # resolves no link
            if place.is_relative_to(self._root):
                self.read.add(place.relative_to(self._root).as_posix())


@contextmanager
def files_read(root: Path) -> Iterator[set[str]]:
    """The files below `root` that the block opens for reading, relative to it.

    A hook cannot be taken out again; it falls silent when the block ends.
    """
    trace = Trace(root)
    sys.addaudithook(trace)
    try:
        yield trace.read
    finally:
        trace.active = False


def outside(read: set[str], *covered: str) -> list[str]:
    """Files that no path covers: neither named itself nor below a folder that is named."""
    return sorted(
        name
        for name in read
        if not any(name == path or name.startswith(f"{path.rstrip('/')}/") for path in covered)
    )
