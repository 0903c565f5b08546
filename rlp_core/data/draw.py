"""Which rows of a source a limit takes: drawn by content hash, or the first."""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal

from rlp_core.data.records import Record


class Drawn:
    """At most `limit` rows of a source, in the order of the source.

    By `hash`, those with the smallest hashes of their content keys: a sample of the whole source
    that adding, dropping or reordering other rows hardly moves. The hash is another than that of
    the split, whose held-out side would be drawn first.

    Args:
        limit: rows at most; 0: all.
        draw: `hash` or `first`.

    Attributes:
        used: rows taken, known when `chosen` has ended.
        passed_over: rows left out, under `limit`; the rows that were never read are not known.
    """

    def __init__(self, limit: int, draw: Literal["hash", "first"]) -> None:
        self._limit, self._draw = limit, draw
        self._heap: list[tuple[int, int, Sequence[Record], str]] = []
        self._seen = 0
        self.used = 0
        self.passed_over: Counter[str] = Counter()

    @property
    def full(self) -> bool:
        """Whether no further row can be taken."""
        return self._draw == "first" and 0 < self._limit == self.used

    def add(self, made: Sequence[Record], where: str) -> Sequence[Record]:
        """Offer what became of a row; returns what is taken at once."""
        self._seen += 1
        if not self._limit or self._draw == "first":
            self.used += 1
            return made
        # The greatest hash lies on top of the heap, and of equal ones the last row.
        entry = (-_hash(made[0].key), -self._seen, made, where)
        if len(self._heap) < self._limit:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)
            self.passed_over["limit"] += 1
        return ()

    def chosen(self) -> Iterator[tuple[Record, str]]:
        """The records that were drawn, with the places of their rows."""
        self.used += len(self._heap)
        for _, _, made, where in sorted(self._heap, key=lambda entry: -entry[1]):
            yield from ((record, where) for record in made)


def _hash(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"limit/{key}".encode(), digest_size=8).digest())
