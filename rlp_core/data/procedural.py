"""Records that are made here, by a world and from a seed.

What is made depends on (seed, part, place of the source in its part) and nothing else. Splits are
disjoint by content, not by seed: a training part takes only what the content hash does not hold
out, an evaluation part only what it does.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from typing import Any

from rlp_core import environments
from rlp_core.data.procedural_config import Procedural
from rlp_core.data.records import (
    Demonstration,
    Document,
    Record,
    content_key,
    heldout,
    kind_of,
)
from rlp_core.environments import Environment, ExpertSettings, Text, TextWorld, World
from rlp_core.errors import ConfigError
from rlp_core.workspace import DOCUMENT_PARTS, EVALUATION_PARTS

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
        source: which world, how many, and the world's own settings.
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
        PluginError: the world does not keep its protocol.
    """
    world = environments.get(source.world)
    place = place or f"prepare.{part}[{index}]"
    rng = random.Random(_seed(seed, part, index))
    tasks = _on_side(world, rng, part, share, source, place)
    if isinstance(world, Environment):
        made = _solved(world, tasks, rng, part, source)
    else:
        made = _texts(world, tasks, rng, part, source, place)
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


def _solved(
    world: Environment[Any, Any],
    tasks: Iterator[tuple[str, Any]],
    rng: random.Random,
    part: str,
    source: Procedural,
) -> Iterator[dict[str, Any]]:
    """A record's fields per task, as the part's kind writes it."""
    assert isinstance(source.settings, ExpertSettings)
    kind, share = kind_of(part), source.settings.worked
    for key, task in tasks:
        worked = rng.random() < share
        solution = world.expert(task)
        if kind is Document:
            text = world.document(task, solution, worked=worked)
            yield {"key": key, **_fields(text), "difficulty": len(solution.steps)}
        elif kind is Demonstration:
            yield {
                "key": key,
                "context": world.prompt(task),
                "thought": world.thought(solution) if worked else "",
                "continuation": world.continuation(solution),
            }
        else:
            yield {
                "key": key,
                "prompt": world.prompt(task),
                "answer": solution.answer,
                "difficulty": len(solution.steps),
            }


def _texts(
    world: World[Any, Any],
    tasks: Iterator[tuple[str, Any]],
    rng: random.Random,
    part: str,
    source: Procedural,
    place: str,
) -> Iterator[dict[str, Any]]:
    """A document's fields per way to write a task, until there are `source.count`."""
    assert isinstance(world, TextWorld)
    if part not in DOCUMENT_PARTS:
        raise ConfigError(
            f"the world `{source.world}` makes documents only",
            where=place,
            fix=f"use one of {', '.join(environments.with_experts())} here; "
            f"`{source.world}` fits the parts {', '.join(DOCUMENT_PARTS)}",
        )
    left = source.count
    for number, (key, task) in enumerate(tasks):
        ways = list(world.texts(task))
        in_turn = ways[number % len(ways)]
        rng.shuffle(ways)
        chosen = [in_turn] if part in EVALUATION_PARTS else ways[:left]
        for text in chosen:
            yield {"key": key, **_fields(text)}
        left -= len(chosen)
        if left <= 0:
            return


def _fields(text: Text) -> dict[str, Any]:
    return {"text": text.text, "spans": [list(span) for span in text.spans]}


def _on_side(
    world: World[Any, Any],
    rng: random.Random,
    part: str,
    share: float,
    source: Procedural,
    place: str,
) -> Iterator[tuple[str, Any]]:
    """Yield `source.count` tasks, with their keys, that lie on the part's side of the split.

    Those of an evaluation part all have different keys; in a training part a task may repeat.
    """
    evaluation = part in EVALUATION_PARTS
    seen: set[str] = set()
    found = misses = 0
    while found < source.count:
        task = world.sample(rng, source.settings)
        key = content_key(world.key(task))
        if heldout(key, share) is not evaluation or key in seen:
            misses += 1
            if misses >= PATIENCE:
                raise _used_up(source, found, evaluation, place)
            continue
        if evaluation:
            seen.add(key)
        found, misses = found + 1, 0
        yield key, task


def _used_up(source: Procedural, found: int, evaluation: bool, place: str) -> ConfigError:
    side = "held-out" if evaluation else "training"
    own = ", ".join(f"`{key}`" for key in type(source.settings).model_fields)
    return ConfigError(
        f"the world `{source.world}` is too small: {source.count} different records asked for, "
        f"and {PATIENCE} draws in a row brought nothing new after {found}",
        where=f"{place}.count, {side} side of the split",
        fix="ask for fewer, make the world larger"
        + (f" by its settings ({own})" if own else "")
        + ", or change `prepare.heldout_share`",
    )
