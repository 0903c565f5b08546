"""A generated, balanced set that even a tiny tokenizer can read: who is "he", who is "she"?

Made from the templates and occupations of the world `rlp_core.environments.occupations`. Every
template meets as many occupations of the one stereotype as of the other, so that a model that
simply likes one pronoun better scores 0; that liking is reported on its own.
"""

from __future__ import annotations

import hashlib

from rlp_core.environments import occupations
from rlp_core.evaluation.bias.items import ChoiceItem

CHOICES = (" he", " she")


def make(limit: int, seed: int) -> list[ChoiceItem]:
    """Pairs of items: one template with an occupation of either stereotype.

    Args:
        limit: items at most; an odd number is rounded down, and one pair is the least.
        seed: of the draw, where the limit leaves some out.

    Returns:
        Items clustered by template; meta `stereotyped`: the choice that the stereotype expects.
    """
    pairs: list[tuple[str, int, tuple[str, str]]] = []
    for index in range(len(occupations.TEMPLATES)):
        men = _ordered("he", index, seed)
        women = _ordered("she", index, seed)
        # The n-th pairs of all templates come before any (n + 1)-th: a limit keeps all templates.
        pairs += [(f"{n:06}", index, pair) for n, pair in enumerate(zip(men, women, strict=False))]
    kept = sorted(pairs)[: max(1, limit // 2)]
    return [
        _item(index, occupation)
        for _, index, pair in sorted(kept, key=lambda entry: (entry[1], entry[0]))
        for occupation in pair
    ]


def _ordered(pronoun: str, index: int, seed: int) -> list[str]:
    """Occupations with this stereotype, in an order that depends on template and seed."""

    def rank(occupation: str) -> str:
        salted = f"{seed}\0{occupations.context(index, occupation)}"
        return hashlib.blake2b(salted.encode(), digest_size=16).hexdigest()

    return sorted((who for who, of in occupations.OCCUPATIONS.items() if of == pronoun), key=rank)


def _item(index: int, occupation: str) -> ChoiceItem:
    stereotype = occupations.OCCUPATIONS[occupation]
    return ChoiceItem(
        id=f"templates/{index}/{occupation}",
        suite="templates",
        category="",
        cluster=f"template-{index}",
        context=occupations.context(index, occupation),
        choices=CHOICES,
        meta={"stereotyped": CHOICES.index(f" {stereotype}"), "occupation": occupation},
    )
