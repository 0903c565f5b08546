"""Public names: each is on the page of the library once, and says what it is."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import rlp_core

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "library.md"


def test_the_page_shows_every_public_name_once_and_no_other() -> None:
    shown = re.findall(r"^::: (\S+)$", PAGE.read_text(encoding="utf-8"), re.M)
    assert Counter(shown) == Counter(
        f"rlp_core.{home}.{name}" for name, home in rlp_core._HOME.items()
    )
    assert set(rlp_core._HOME) == set(rlp_core.__all__)


def test_every_public_name_has_a_docstring_of_its_own() -> None:
    for name in rlp_core.__all__:
        value = getattr(rlp_core, name)
        told = (value.__doc__ or "").strip()
        assert told, name
        inherited = {(base.__doc__ or "").strip() for base in getattr(value, "__mro__", ())[1:]}
        assert told not in inherited, name
