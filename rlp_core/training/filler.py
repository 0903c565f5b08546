"""What imitation is shown beside thoughts: filler thoughts, and text without any.

A filler is a thought after which the text goes on as if nothing had been thought.

A model that was only ever shown thoughts before answers predicts badly what follows a thought
anywhere else, and RLP at any position of a text then learns from that damage and from nothing
else (docs/explanation/thinking-anywhere.md). So some of the bootstrap's demonstrations can be
ordinary text, cut at a random position by a thought that is empty, or that is somebody else's and
has nothing to do with it; what is learnt is to go on with the text all the same.

A model that is shown a thought before every answer forgets, on the other hand, to answer without
one; and that is what the information gain is measured against. So some can be their plain text.
"""

from __future__ import annotations

from collections.abc import Sequence

from rlp_core.data.records import Demonstration
from rlp_core.data.tokenizer import Codec
from rlp_core.rollout.rng import uniform
from rlp_core.training.batches import Example, demonstration_example, dropped
from rlp_core.training.config import Supervised

STREAM = 5
"""Keeps these draws apart from others of the same seed."""

FILLER, POSITION, MISMATCHED, WHOSE = range(4)
"""What a number is for."""


def demonstrated(
    codec: Codec, demonstrations: Sequence[Demonstration], settings: Supervised, seed: int
) -> list[Example]:
    """What imitation learns from: every demonstration, shares of them replaced.

    `settings.filler_share` of them by fillers, `settings.plain_share` by their plain text.

    One for each demonstration; those that do not fit into `settings.max_tokens` teach nothing.
    """
    shown = [demonstration_example(codec, demo, settings.max_tokens) for demo in demonstrations]
    return mix_in(
        codec,
        demonstrations,
        shown,
        settings.max_tokens,
        settings.filler_share,
        settings.mismatched_filler_share,
        seed,
        settings.plain_share,
    )


def mix_in(
    codec: Codec,
    demonstrations: Sequence[Demonstration],
    shown: Sequence[Example],
    max_tokens: int,
    filler_share: float,
    mismatched_share: float,
    seed: int,
    plain_share: float = 0.0,
) -> list[Example]:
    """Replace a share of the examples by fillers or plain text, made of the demonstrations' text.

    Args:
        codec: the tokenizer.
        demonstrations: their contexts and continuations are the text; a mismatched filler is the
            thought of one of them.
        shown: one per demonstration, as without filler.
        max_tokens: longer texts are cut; where the thought itself does not fit, they are dropped.
        filler_share: of the examples that are replaced.
        mismatched_share: of the fillers that are somebody else's; the others are empty.
        seed: each number depends on (seed, demonstration) alone.
        plain_share: of the examples that are replaced by their text without a thought.
    """
    thoughts = [demo.thought for demo in demonstrations if demo.thought]

    def number(purpose: int, index: int) -> float:
        return float(uniform(seed, STREAM, purpose, index))

    mixed: list[Example] = []
    for index, (demo, example) in enumerate(zip(demonstrations, shown, strict=True)):
        drawn = number(FILLER, index)
        if drawn >= filler_share + plain_share:
            mixed.append(example)
            continue
        if drawn >= filler_share:
            mixed.append(_plain(codec, demo, max_tokens))
            continue
        thought = ""
        if thoughts and number(MISMATCHED, index) < mismatched_share:
            thought = thoughts[int(number(WHOSE, index) * len(thoughts))]
        mixed.append(_filler(codec, demo, thought, number(POSITION, index), max_tokens))
    return mixed


def _filler(
    codec: Codec, demo: Demonstration, thought: str, where: float, max_tokens: int
) -> Example:
    """The demonstration's text with a thought at a share of its length, from the second token on.

    An empty thought is learnt too: closing at once is the right thing to do there. A mismatched one
    is not, only what follows it.
    """
    text, _ = codec.document(demo.context + demo.continuation, [])
    inner = [*codec.encode(thought), codec.close_id]
    whole = len(text) + len(codec.opening) + len(inner)
    room = min(len(text), max_tokens)
    if room <= codec.first:
        return dropped(whole)
    position = codec.first + int(where * (room - codec.first))
    tokens = [*text[:position], *codec.opening, *inner, *text[position:]][:max_tokens]
    opened = position + len(codec.opening)
    first = opened + (len(inner) if thought else 0)
    if opened + len(inner) >= max_tokens:
        return dropped(whole)  # the thought would stand unclosed, or lead to nothing
    return Example(tokens, range(first, len(tokens)), whole)


def _plain(codec: Codec, demo: Demonstration, max_tokens: int) -> Example:
    """The demonstration's text, its end with it, all learnt; dropped where it does not fit."""
    tokens, _ = codec.document(demo.context + demo.continuation, [], ends=True)
    if len(tokens) > max_tokens:
        return dropped(len(tokens))
    return Example(tokens, range(codec.first, len(tokens)), len(tokens))
