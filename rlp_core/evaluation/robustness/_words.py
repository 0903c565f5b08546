"""Which words and gaps of a question may be touched, and the changing of some of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rlp_core.evaluation.robustness import _lists
from rlp_core.evaluation.robustness._question import WORD, Question

if TYPE_CHECKING:
    import numpy as np

SHARE = 0.1
"""Of the free words or gaps that are changed, one at least."""

Span = tuple[int, int]
Change = Callable[[str, "np.random.Generator"], str | None]

_QUOTED = re.compile(
    r"\$[^$\n]*[\\^_=][^$\n]*\$|\\\(.*?\\\)|\\\[.*?\\\]|`[^`\n]*`|\"[^\"\n]*\"|“[^”\n]*”"
    r"|(?<!\w)'[^'\n]+'(?!\w)"
)
_BARE = re.compile(r"(?<![^\s(])[A-Za-z]+(?=\Z|\s|[.,;?!)])")
_GAP = re.compile(r"(?<=[A-Za-z,.;:?!]) (?=[A-Za-z])")


def free_words(
    question: Question, least: int, *, small: bool = True, all_but_kept: bool = False
) -> list[Span]:
    """Places of the words that the answer does not rest on.

    Neither quoted nor within mathematics, not grown together with anything else, no label.

    Args:
        question: whose body is looked at.
        least: letters of a word at least.
        small: only words of small letters: no name, no beginning of a sentence.
        all_but_kept: also number words and words of logic, which another case leaves what they are.
    """
    taken = _quoted(question.body)
    listed = frozenset[str]() if all_but_kept else None
    return [
        found.span()
        for found in _BARE.finditer(question.body)
        if len(found[0]) >= least
        and (found[0].islower() or not small)
        and not question.is_fixed(found[0], listed)
        and not _within(found.span(), taken)
    ]


def free_gaps(question: Question) -> list[int]:
    """Places of single spaces between words of which none must be kept."""
    taken = _quoted(question.body)
    kept = [
        found.span()
        for found in WORD.finditer(question.body)
        if found[0].casefold() in question.kept
    ]
    near = {place for start, end in kept for place in (start - 1, end, end + 1)}
    return [
        found.start()
        for found in _GAP.finditer(question.body)
        if found.start() not in near and not _within(found.span(), taken)
    ]


def listed_words(question: Question) -> dict[Span, str]:
    """Places of words with a synonym, each with it.

    None whose synonym stands there already, and none that is also written so that it must stay: two
    names of one thing would look like two things.
    """
    synonyms, said = _lists.synonyms(), question.vocabulary()
    found: dict[Span, str] = {}
    for start, end in free_words(question, 3):
        other = synonyms.get(question.body[start:end])
        if other and other not in said and not question.is_fixed(other):
            found[start, end] = other
    mentions = Counter(w.casefold() for w in WORD.findall(question.prompt(question.body)))
    free = Counter(question.body[start:end] for start, end in found)
    return {
        span: other
        for span, other in found.items()
        if free[question.body[slice(*span)]] == mentions[question.body[slice(*span)]]
    }


def spoilt(question: Question, rng: np.random.Generator, change: Change) -> str | None:
    """The body with a share of its free words changed; None where no change is to be had.

    A word must not become another one of the prompt, nor one that an answer rests on.
    """
    spans, said = free_words(question, 4), question.vocabulary()
    wanted = max(1, round(SHARE * len(spans)))
    made: dict[Span, str] = {}
    for i in rng.permutation(len(spans)):
        start, end = spans[i]
        other = change(question.body[start:end], rng)
        if other and other not in said and not question.is_fixed(other):
            made[start, end] = other
        if len(made) == wanted:
            break
    return replaced(question.body, made) if made else None


def replaced(text: str, made: dict[Span, str]) -> str:
    """A text with what stands at some places exchanged."""
    for (start, end), other in sorted(made.items(), reverse=True):
        text = text[:start] + other + text[end:]
    return text


def some(count: int, rng: np.random.Generator) -> list[int]:
    """A share of so many places, one at least; none of none."""
    if not count:
        return []
    return sorted(int(i) for i in rng.permutation(count)[: max(1, round(SHARE * count))])


def _quoted(text: str) -> list[Span]:
    return [found.span() for found in _QUOTED.finditer(text)]


def _within(span: Span, others: Sequence[Span]) -> bool:
    return any(start < span[1] and span[0] < end for start, end in others)
