"""Held-out text after control thoughts: is it the thought that helps, or that there is one?

At every place where thoughts are tried the next `evaluate.horizon` tokens are scored without a
thought, after each sampled one, and after its controls: nothing between the delimiters, the thought
of the same number in another text, and as many random tokens (`training/audit.py` does the same
while a run trains, with one thought a place).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np

from rlp_core.data.records import Document
from rlp_core.data.tokenizer import Codec
from rlp_core.errors import DataError
from rlp_core.evaluation.evaluator import RANDOM, Evaluator, Places, Tokens
from rlp_core.evaluation.item_files import TRIED
from rlp_core.rollout.rng import uniform

UNFINISHED = "\ufffd"
"""What bytes are decoded to that begin a character and do not end it."""


def controls(
    evaluator: Evaluator, documents: Sequence[Document], places: Places
) -> list[dict[str, Any]]:
    """Rows of `controls.jsonl`, one per measured document.

    Log-probabilities are sums over the scored tokens of a place, in nats.

    Args:
        evaluator: the model and how it is measured.
        documents: as they were given to `places`.
        places: where thoughts were drawn, and which.

    Raises:
        DataError: the documents are all of one text, so that no thought is another text's.
    """
    codec, many = evaluator.codec, evaluator.settings.samples
    spots = places.spots
    targets = [places.texts[i].tokens[p : p + evaluator.settings.horizon] for i, p in spots]
    contexts = [places.texts[i].tokens[:p] for i, p in spots]
    drawn = [bare(codec, tokens) for tokens in places.drawn.tokens]
    other_spots = partners([documents[i].key for i, _ in spots])
    allowed = ordinary(codec)
    bodies: dict[str, list[Tokens]] = {"thinking": drawn, "empty": [[] for _ in spots]}
    bodies["other"] = [drawn[partner * many + k] for partner in other_spots for k in range(many)]
    bodies["random"] = [
        random_thought(evaluator, allowed, places, row // many, row % many, len(tokens))
        for row, tokens in enumerate(drawn)
    ]
    direct = _score(evaluator, contexts, targets)
    after = {
        name: _after(evaluator, contexts, targets, bodies[name], len(bodies[name]) // len(spots))
        for name in TRIED
    }
    after["empty"] = [values * many for values in after["empty"]]  # the same beside each thought
    each = iter(range(len(spots)))
    rows = []
    for i, positions in zip(places.kept, places.positions, strict=True):
        mine = list(islice(each, len(positions)))
        row: dict[str, Any] = {"id": documents[i].id, "key": documents[i].key}
        row |= {"positions": list(positions), "tokens": [len(targets[s]) for s in mine]}
        row["bytes"] = [_bytes(evaluator, *spots[s], len(targets[s]), places) for s in mine]
        row["direct"] = [direct[s] for s in mine]
        row |= {name: [after[name][s] for s in mine] for name in TRIED}
        rows.append(row)
    return rows


def require_two_texts(keys: Sequence[str]) -> None:
    """Raise DataError where there is no other text to take a thought from."""
    if len(set(keys)) < 2:
        raise DataError(
            "control thoughts need two different held-out documents, one for the other's thoughts",
            where="part `heldout`, key evaluate.controls",
            fix="raise evaluate.heldout_documents or evaluate.max_tokens, give part `heldout` more "
            "texts, or switch controls off",
        )


def partners(keys: Sequence[str]) -> list[int]:
    """For each place the nearest behind it that lies in another text, from the end on to the start.

    A thought at another place of the same text may have read what is to be predicted here.
    """
    require_two_texts(keys)
    count = len(keys)
    return [
        next(j % count for j in range(i + 1, i + count) if keys[j % count] != keys[i])
        for i in range(count)
    ]


def ordinary(codec: Codec) -> Any:
    """Tokens of ordinary text, in order: what random thoughts are made of."""
    return np.array(sorted(set(range(len(codec.tokenizer))) - codec.control), dtype=np.int64)


def bare(codec: Codec, tokens: Sequence[int]) -> Tokens:
    """A drawn thought without its closing delimiter."""
    return [token for token in tokens if token != codec.close_id]


def random_thought(
    evaluator: Evaluator, allowed: Any, places: Places, spot: int, rollout: int, length: int
) -> Tokens:
    """So many tokens of ordinary text, by (seed, document, position, rollout, place in it)."""
    document, position = places.spots[spot]
    where = (evaluator.seed, RANDOM, places.texts[document].number, position, rollout)
    found = allowed[(uniform(*where, np.arange(length)) * len(allowed)).astype(np.int64)]
    return [int(token) for token in found]


def _after(
    evaluator: Evaluator,
    contexts: Sequence[Tokens],
    targets: Sequence[Tokens],
    bodies: Sequence[Tokens],
    copies: int,
) -> list[list[float]]:
    """Per place the log-probability of its targets after each of `copies` thoughts."""
    codec = evaluator.codec
    closed = [
        [*contexts[i // copies], *codec.opening, *body, codec.close_id]
        for i, body in enumerate(bodies)
    ]
    flat = _score(evaluator, closed, [targets[i // copies] for i in range(len(closed))])
    return [flat[k : k + copies] for k in range(0, len(flat), copies)]


def _score(
    evaluator: Evaluator, contexts: Sequence[Tokens], targets: Sequence[Tokens]
) -> list[float]:
    return [found[0] for found in evaluator.weigh(contexts, [[target] for target in targets])]


def _bytes(evaluator: Evaluator, text: int, position: int, count: int, places: Places) -> int:
    """Bytes of the text that so many tokens stand for; a character counts where it is complete."""
    tokens = places.texts[text].tokens
    return _complete(evaluator, tokens[: position + count]) - _complete(
        evaluator, tokens[:position]
    )


def _complete(evaluator: Evaluator, tokens: Tokens) -> int:
    return len(evaluator.plain(tokens).rstrip(UNFINISHED).encode())
