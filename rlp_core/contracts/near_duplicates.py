"""Texts of one part that are almost the same.

MinHash with locality-sensitive hashing finds the candidates among all pairs; the Jaccard
similarity of the word shingles then decides exactly, so that chance accuses no text.
"""

from __future__ import annotations

from collections.abc import Sequence

from rlp_core.contracts.contamination import ngrams

PERMUTATIONS = 128
SEED = 1
SHINGLE = 3
"""Tokens of a shingle."""


def near_duplicates(texts: Sequence[str], similarity: float) -> dict[int, int]:
    """Which texts resemble an earlier one, and which that is.

    Args:
        texts: in the order in which the first of a group is kept.
        similarity: least Jaccard similarity of the sets of 3-token shingles, in (0, 1].

    Returns:
        Index of each near-duplicate to the index of the first kept text that it resembles. A
        near-duplicate is no model for others, so a chain of small changes does not spread.
    """
    from datasketch import MinHash, MinHashLSH  # type: ignore[import-untyped]

    # Below the limit and for recall: a candidate too many is refused below, a missed one is lost.
    kept = MinHashLSH(threshold=0.9 * similarity, num_perm=PERMUTATIONS, weights=(0.1, 0.9))
    found: dict[int, int] = {}
    for index, text in enumerate(texts):
        shingles = _shingles(text)
        if not shingles:
            continue
        sketch = MinHash(num_perm=PERMUTATIONS, seed=SEED)
        sketch.update_batch([" ".join(shingle).encode() for shingle in sorted(shingles)])
        for other in sorted(kept.query(sketch)):
            if jaccard(shingles, _shingles(texts[other])) >= similarity:
                found[index] = other
                break
        else:
            kept.insert(index, sketch)
    return found


def jaccard(one: set[tuple[str, ...]], other: set[tuple[str, ...]]) -> float:
    """Size of the intersection over size of the union; 1 for two empty sets."""
    union = len(one | other)
    return len(one & other) / union if union else 1.0


def _shingles(text: str) -> set[tuple[str, ...]]:
    return ngrams(text, SHINGLE) or ngrams(text, 1)
