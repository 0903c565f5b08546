"""How often a text speaks of women and of men: reported, never a reason to refuse a row.

A list of words is a blunt measure; it says whether one group is nearly absent, no more.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

_FEMALE = """
she her hers herself woman women girl girls mother mothers mom mum daughter daughters sister
sisters wife wives aunt aunts grandmother grandma niece nieces lady ladies queen mrs ms female
females
"""
_MALE = """
he him his himself man men boy boys father fathers dad papa son sons brother brothers husband
husbands uncle uncles grandfather grandpa nephew nephews gentleman gentlemen king mr sir male males
"""
TERMS = {"female": frozenset(_FEMALE.split()), "male": frozenset(_MALE.split())}
"""Whole words in lower case, chosen to mirror one another."""

ENOUGH = 100
"""Terms of a part below which a share says nothing."""

_WORD = re.compile(r"[a-z]+")


def count(texts: Iterable[str]) -> dict[str, int]:
    """Occurrences of each group's terms in all texts, whole words, blind to case."""
    totals: Counter[str] = Counter()
    for text in texts:
        words = Counter(_WORD.findall(text.lower()))
        for group, terms in TERMS.items():
            totals[group] += sum(words[term] for term in terms)
    return {group: totals[group] for group in TERMS}


def least_share(counts: dict[str, int]) -> float:
    """Share of the rarest group among all terms; an even share where there are too few to tell."""
    total = sum(counts.values())
    return min(counts.values()) / total if total >= ENOUGH else 1 / len(counts)
