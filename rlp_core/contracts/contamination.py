"""Whether a training text repeats an evaluation record, by shared n-grams.

After GPT-3 (arXiv 2005.14165, appendix C), with words and signs in lower case as tokens. The
share is that of the smaller side: a short question inside a long text, and a short text cut from
a long one, both count as copies.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from rlp_core.contracts.text import tokens


@dataclass(frozen=True)
class Overlap:
    """The evaluation record that a text shares most with.

    Attributes:
        evaluation: index of the record among those that were indexed.
        share: shared n-grams over the n-grams of the side that has fewer, in [0, 1].
    """

    evaluation: int
    share: float


class Contamination:
    """An index of the n-grams of all evaluation texts."""

    def __init__(self, texts: Iterable[str], n: int) -> None:
        """Index evaluation texts; those of fewer than n tokens have no n-gram and are left out."""
        self._n = n
        self._sizes: list[int] = []
        self._holders: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for index, text in enumerate(texts):
            grams = ngrams(text, n)
            self._sizes.append(len(grams))
            for gram in grams:
                self._holders[gram].append(index)

    def of(self, text: str) -> Overlap | None:
        """The greatest overlap of a training text, or None where no n-gram is shared."""
        grams = ngrams(text, self._n)
        shared: Counter[int] = Counter()
        for gram in grams:
            shared.update(self._holders.get(gram, ()))
        if not shared:
            return None
        share, negative = max(
            (count / min(len(grams), self._sizes[index]), -index) for index, count in shared.items()
        )
        return Overlap(-negative, share)


def ngrams(text: str, n: int) -> set[tuple[str, ...]]:
    """The distinct runs of n tokens of a text, blind to case."""
    words = tokens(text.lower())
    return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}
