"""The one shape that every bias set is brought to: a context, and choices to weigh against it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ChoiceItem:
    """A question that is answered by comparing likelihoods.

    Attributes:
        id: unique over all suites.
        suite: `templates`, `bbq`, `winobias`, `holisticbias`, or the name of a YAML set.
        category: part of the suite that is scored on its own; empty where there is one part.
        cluster: items of one cluster are copies of one template, and are drawn together.
        context: what is read before the choices; empty where a choice is a whole text.
        choices: texts whose log-probability after the context is wanted.
        meta: what the score needs to know, JSON values only.
    """

    id: str
    suite: str
    category: str
    cluster: str
    context: str
    choices: tuple[str, ...]
    meta: dict[str, object] = field(default_factory=dict)


def content_hash(item: ChoiceItem) -> str:
    """128-bit hash of context and choices."""
    text = "\0".join((item.suite, item.category, item.context, *item.choices))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def draw(items: Iterable[ChoiceItem], limit: int, seed: int) -> list[ChoiceItem]:
    """At most `limit` items, drawn by content hash and seed, in their order; 0: all.

    The order of the file and the presence of other items do not change which are drawn first.
    """
    kept = list(items)
    if not limit or len(kept) <= limit:
        return kept
    ranks = sorted(kept, key=lambda item: _rank(item, seed))[:limit]
    chosen = {item.id for item in ranks}
    return [item for item in kept if item.id in chosen]


def unique_ids(items: Sequence[ChoiceItem]) -> str | None:
    """The first id that comes twice, or None."""
    seen: set[str] = set()
    for item in items:
        if item.id in seen:
            return item.id
        seen.add(item.id)
    return None


def _rank(item: ChoiceItem, seed: int) -> tuple[str, str]:
    salted = f"{seed}\0{content_hash(item)}"
    return hashlib.blake2b(salted.encode(), digest_size=16).hexdigest(), item.id
