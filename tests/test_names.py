"""One word names one thing: no two classes of the package share a public name."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "rlp_core"


def names() -> Counter[str]:
    """Public top-level classes, by how often their name is given."""
    found: Counter[str] = Counter()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name] += 1
    return found


def test_no_two_classes_share_a_name() -> None:
    assert [name for name, count in names().items() if count > 1] == []
    assert len(names()) > 100  # the search finds classes at all
