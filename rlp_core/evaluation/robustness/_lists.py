"""The lists of words that come with the package: `_lists.yaml`, read once."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_name("_lists.yaml")


def synonyms() -> Mapping[str, str]:
    """A word to the one that it may be exchanged for, both in small letters."""
    found: Mapping[str, str] = _read()["synonyms"]
    return found


def names() -> tuple[tuple[str, ...], ...]:
    """First names by the list that each may be exchanged within."""
    return tuple(tuple(text.split()) for text in _read()["names"].values())


def sentences(kind: str) -> tuple[str, ...]:
    """Sentences of a list, `sentences` or `number_sentences`."""
    return tuple(_read()[kind])


@functools.cache
def words(kind: str) -> frozenset[str]:
    """The words of a list, such as `number_words`, in small letters."""
    return frozenset(_read()[kind].split())


@functools.cache
def _read() -> dict[str, Any]:
    import yaml

    found: dict[str, Any] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return found
