"""Long texts in pieces: chunks to train on, and blocks that lie on different sides of the split."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from rlp_core.data.records import content_key


@dataclass(frozen=True)
class TextBlock:
    """A contiguous piece of a text, on one side of the split.

    Attributes:
        number: its place among the blocks of the text, from 1.
        start: where it begins, in characters of the text.
        text: what is left of it, beside its gaps.
        heldout: the side it lies on.
    """

    number: int
    start: int
    text: str
    heldout: bool


def blocks_of(text: str, limit: int, gap: int, share: float) -> list[TextBlock]:
    """Part a text between training and held-out: a function of the text alone.

    The text is cut into blocks as `chunks` cuts it, the last two about even. The `share` of them
    with the smallest hashes of (content key of the text, number) is held out: at least one, and
    never all. A training block loses `gap` characters at each end that touches a held-out block, so
    that no sentence lies on both sides.

    Args:
        text: longer than `limit`.
        limit: characters of a block at most.
        gap: characters between the sides, at most a quarter of `limit`.
        share: held-out share of the blocks, in (0, 1).
    """
    pieces = _blocks(text, limit)
    key = content_key(text)
    order = sorted(range(len(pieces)), key=lambda index: (_hash(key, index), index))
    held = set(order[: min(max(1, round(share * len(pieces))), len(pieces) - 1)])
    found, start = [], 0
    for index, piece in enumerate(pieces):
        before = gap if index not in held and index - 1 in held else 0
        after = gap if index not in held and index + 1 in held else 0
        kept = piece[before : len(piece) - after]
        found.append(TextBlock(index + 1, start + before, kept, index in held))
        start += len(piece)
    return found


def _blocks(text: str, limit: int) -> list[str]:
    """Pieces that joined give the text: none a scrap that a gap could take whole."""
    *before, one, other = chunks(text, limit)
    rest = one + other  # longer than `limit`
    middle, late = len(rest) // 2, len(rest) * 5 // 8
    end = max(rest.rfind("\n", middle, late), middle - 1) + 1
    return [*before, rest[:end], rest[end:]]


def _hash(key: str, index: int) -> bytes:
    return hashlib.blake2b(f"block/{key}/{index}".encode(), digest_size=16).digest()


def chunks(text: str, limit: int) -> Iterator[str]:
    """Cut a text into pieces of at most `limit` characters; joined they give it back.

    A piece ends behind the last line end in the second half of what fits (a cut in the first half
    would leave scraps), else behind the last space there, else anywhere.
    """
    start = 0
    while len(text) - start > limit:
        middle = start + limit // 2
        end = start + limit
        for mark in ("\n", " "):
            if (found := text.rfind(mark, middle, start + limit)) >= 0:
                end = found + 1
                break
        yield text[start:end]
        start = end
    yield text[start:]
