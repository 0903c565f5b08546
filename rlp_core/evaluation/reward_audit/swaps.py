"""Exchanges one group's words for another's: `the man said that he` for `the woman said that she`.

Whole words, case kept as far as a first letter or a whole word in capitals goes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

Pairs = Sequence[Sequence[str]]


def mentions(text: str, pairs: Pairs) -> tuple[bool, bool]:
    """Whether a text has a first word of any pair, and whether it has a second one."""
    found = {match.group().casefold() for match in _words(pairs).finditer(text)}
    firsts, seconds = ({pair[side].casefold() for pair in pairs} for side in (0, 1))
    return bool(found & firsts), bool(found & seconds)


def swapped(text: str, pairs: Pairs) -> str:
    """The text with every word of a pair exchanged for the other; twice gives the text back.

    Unless it is in mixed case such as `hE`, whose capitals are not kept.
    """
    other = {pair[side].casefold(): pair[1 - side] for pair in pairs for side in (0, 1)}
    return _words(pairs).sub(lambda match: _like(match.group(), other), text)


def _like(word: str, other: dict[str, str]) -> str:
    made = other[word.casefold()]
    if len(word) > 1 and word.isupper():
        return made.upper()
    return made[:1].upper() + made[1:] if word[:1].isupper() else made


def _words(pairs: Pairs) -> re.Pattern[str]:
    longest_first = sorted((re.escape(w) for pair in pairs for w in pair), key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(longest_first)})(?!\w)", re.IGNORECASE)
