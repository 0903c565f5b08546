"""Records that are made here, from a seed.

What is made depends on (seed, part, place of the source in its part) and nothing else. Splits are
disjoint by content, not by seed: a training part takes only what the content hash does not hold
out, an evaluation part only what it does.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from rlp_core.data import people
from rlp_core.data.records import (
    Demonstration,
    Document,
    Problem,
    Record,
    content_key,
    heldout,
    kind_of,
)
from rlp_core.environments import arithmetic
from rlp_core.errors import ConfigError
from rlp_core.params import Procedural
from rlp_core.workspace import DOCUMENT_PARTS, EVALUATION_PARTS

T = TypeVar("T")

LICENCE = "CC0-1.0"
"""Of everything that is made here."""

PATIENCE = 20_000
"""Draws in a row that may bring nothing new before a world counts as used up."""


def records(
    source: Procedural,
    *,
    part: str,
    index: int,
    seed: int,
    share: float,
    first: int = 0,
    place: str = "",
    common: dict[str, str] | None = None,
) -> Iterator[Record]:
    """Yield `source.count` records for a part.

    Args:
        source: which world, how many, how long.
        part: one of `rlp_core.workspace.PARTS`; it decides kind and side of the split.
        index: place of the source in its part; two equal sources give different records.
        seed: the seed of the run.
        share: held-out share of the content hashes.
        first: number of the first record's id.
        place: where the source stands, for messages; empty: in section `prepare`.
        common: fields that every record carries besides.

    Raises:
        ConfigError: the world has no such records, or too few different ones for an evaluation
            part.
    """
    rng = random.Random(_seed(seed, part, index))
    place = place or f"prepare.{part}[{index}]"
    if source.world == "people":
        if part not in DOCUMENT_PARTS:
            raise ConfigError(
                "the world `people` makes documents only",
                where=place,
                fix="use `world: arithmetic` here; `people` fits the parts "
                + ", ".join(DOCUMENT_PARTS),
            )
        made = _people(rng, source, part, share, place)
    else:
        made = _arithmetic(rng, source, part, share, place)
    for number, fields in enumerate(made, start=first):
        yield kind_of(part)(
            id=f"{source.world}-{part}-{number:06d}",
            source=source.world,
            licence=LICENCE,
            **(common or {}),
            **fields,
        )


def _seed(seed: int, part: str, index: int) -> int:
    digest = hashlib.blake2b(f"procedural/{seed}/{part}/{index}".encode(), digest_size=16)
    return int.from_bytes(digest.digest())


# ------------------------------------------------------------------------------- arithmetic


def _arithmetic(
    rng: random.Random, source: Procedural, part: str, share: float, place: str
) -> Iterator[dict[str, Any]]:
    def draw() -> arithmetic.Chain:
        return arithmetic.draw(rng, source.min_terms, source.max_terms)

    chains = _on_side(draw, _chain_key, part, share, source, place)
    for chain in chains:
        shown = rng.random() < source.worked
        yield {"key": _chain_key(chain), **_solved(chain, kind_of(part), shown)}


def _chain_key(chain: arithmetic.Chain) -> str:
    return content_key(chain.question)


def _solved(chain: arithmetic.Chain, kind: type[Record], shown: bool) -> dict[str, Any]:
    """A chain as the fields of a record; `shown`: whether the steps stand in it."""
    if kind is Document:
        text, spans = arithmetic.document(chain, work=shown)
        return {"text": text, "spans": spans}
    if kind is Demonstration:
        return {
            "context": arithmetic.prompt(chain),
            "thought": arithmetic.worked(chain) if shown else arithmetic.bare(),
            "continuation": arithmetic.continuation(chain),
        }
    assert kind is Problem
    return {"prompt": arithmetic.prompt(chain), "answer": chain.answer}


# ----------------------------------------------------------------------------------- people


def _people(
    rng: random.Random, source: Procedural, part: str, share: float, place: str
) -> Iterator[dict[str, Any]]:
    """Sentences with as many "he" as "she".

    The content key is that of the context, before the pronoun: both twins of a sentence lie on
    the same side of the split. A training part takes both; an evaluation part, where no key comes
    twice, takes one of them in turn.
    """
    contexts = people.contexts()

    def draw() -> tuple[int, str]:
        return rng.choice(contexts)

    evaluation = part in EVALUATION_PARTS
    left = source.count
    for number, drawn in enumerate(_on_side(draw, _context_key, part, share, source, place)):
        pronouns = list(people.PRONOUNS)
        rng.shuffle(pronouns)
        chosen = [people.PRONOUNS[number % 2]] if evaluation else pronouns[:left]
        for pronoun in chosen:
            yield {"key": _context_key(drawn), "text": people.sentence(*drawn, pronoun) + "\n"}
        left -= len(chosen)
        if left <= 0:
            return


def _context_key(drawn: tuple[int, str]) -> str:
    return content_key(people.context(*drawn))


# ------------------------------------------------------------------------------------ split


def _on_side(
    draw: Callable[[], T],
    key_of: Callable[[T], str],
    part: str,
    share: float,
    source: Procedural,
    place: str,
) -> Iterator[T]:
    """Yield `source.count` draws whose keys lie on the part's side of the split.

    Those of an evaluation part all have different keys; in a training part a problem may repeat.
    """
    evaluation = part in EVALUATION_PARTS
    seen: set[str] = set()
    found = misses = 0
    while found < source.count:
        drawn = draw()
        key = key_of(drawn)
        if heldout(key, share) is not evaluation or key in seen:
            misses += 1
            if misses >= PATIENCE:
                raise _used_up(source, found, evaluation, place)
            continue
        if evaluation:
            seen.add(key)
        found, misses = found + 1, 0
        yield drawn


def _used_up(source: Procedural, found: int, evaluation: bool, place: str) -> ConfigError:
    side = "held-out" if evaluation else "training"
    return ConfigError(
        f"the world `{source.world}` is too small: {source.count} different records asked for, "
        f"and {PATIENCE} draws in a row brought nothing new after {found}",
        where=f"{place}.count, {side} side of the split",
        fix="ask for fewer, allow longer chains (`max_terms`), or change `prepare.heldout_share`",
    )
