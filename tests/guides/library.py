"""Runs the code of docs/guides/library.md, block after block, in a folder.

`python -m tests.guides.library docs/guides` draws the guide's figures anew.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "library.md"


def blocks(page: Path) -> list[str]:
    """The Python of a page, in order."""
    return re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.S | re.M)


def follow(page: Path, folder: Path) -> dict[str, Any]:
    """Run a page's Python in a folder; returns the names that it leaves."""
    names: dict[str, Any] = {"__name__": "guide"}
    text = page.read_text(encoding="utf-8")
    with contextlib.chdir(folder):
        for block in blocks(page):
            line = text[: text.index(block)].count("\n")  # a fault is told by the page's own line
            exec(compile("\n" * line + block, str(page), "exec"), names)
    return names


def main() -> None:
    """Put the figures that the guide draws under a folder."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as folder:
        follow(GUIDE, Path(folder))
        shutil.copytree(Path(folder) / "figures", Path(sys.argv[1]) / "figures", dirs_exist_ok=True)


if __name__ == "__main__":
    main()
