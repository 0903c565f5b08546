"""What the page's thought inspector shows: every token of a few held-out texts, thought before.

At each token the thoughts drawn there, what they and their controls make of the token, and which
other tokens the model expects without a thought and after each. The places where held-out text is
measured are among them, with the first of the very thoughts that were measured there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rlp_core.data.records import Document
from rlp_core.data.tokenizer import Codec
from rlp_core.evaluation.controls import UNFINISHED, bare, ordinary, random_thought
from rlp_core.evaluation.drawing import draw_equally
from rlp_core.evaluation.evaluator import Evaluator, Places, Tokens
from rlp_core.policy.logits import logits_of
from rlp_core.rollout.branches import Branch
from rlp_core.rollout.following import states_after
from rlp_core.rollout.sampling import Completions
from rlp_core.training.positions import TokenizedDocument

Row = dict[str, Any]

BEFORE = 8
"""Tokens that a token's own text is read behind: more than any character has bytes."""

_DIGITS = 6


def inspected_rows(
    evaluator: Evaluator, documents: Sequence[Document], places: Places
) -> list[Row]:
    """Rows of `inspected.jsonl`, one per document that is looked at.

    Args:
        evaluator: the model and how it is measured.
        documents: as they were given to `places`.
        places: where thoughts were drawn, and which; other texts' thoughts come from there.
    """
    measured = [documents[i] for i in places.kept]
    drawn = draw_equally(measured, evaluator.settings.inspect.documents, lambda d: d.source)
    chosen = {document.id for document in drawn}
    return [_row(evaluator, documents, places, i) for i in places.kept if documents[i].id in chosen]


def told(rows: Sequence[Row]) -> str:
    """What of the inspected documents is shown, and what is cut."""
    shown = sum(len(row["tokens"]) for row in rows)
    cut = sum(row["before_tokens"] + row["after_tokens"] for row in rows)
    return (
        f"{len(rows)} documents are inspected token by token: {shown} of their {shown + cut} tokens"
    )


def excerpt(text: TokenizedDocument, first: int, tokens: int) -> range:
    """So many positions in a row at most: the text's beginning, or those around its first mark.

    Args:
        text: has a place to think.
        first: the first position that can be thought at.
        tokens: how many at most.
    """
    start = max(first, min(text.candidates[0] - tokens // 2, len(text.tokens) - tokens))
    return range(start, min(start + tokens, len(text.tokens)))


def _row(evaluator: Evaluator, documents: Sequence[Document], places: Places, document: int) -> Row:
    codec, text = evaluator.codec, places.texts[document]
    shown = excerpt(text, codec.first, evaluator.settings.inspect.tokens)
    row: Row = {name: getattr(documents[document], name) for name in ("id", "key", "source")}
    row |= {
        "start": shown.start,
        "before": codec.decode(text.tokens[codec.first : shown.start]),
        "before_tokens": shown.start - codec.first,
        "after_tokens": max(text.whole, len(text.tokens)) - shown.stop,
        "tokens": [_piece(codec, text.tokens[:p], text.tokens[p]) for p in shown],
    }
    found = _at_places(evaluator, documents, places, document, shown)
    return row | {name: [one[name] for one in found] for name in found[0]}


def _at_places(
    evaluator: Evaluator,
    documents: Sequence[Document],
    places: Places,
    document: int,
    shown: range,
) -> list[Row]:
    """What was measured at each of these positions of one text."""
    codec, many = evaluator.codec, evaluator.settings.inspect.thoughts
    spots = [(document, position) for position in shown]
    drawn = _drawn(evaluator, places, spots)
    own = Places(places.texts, [document], [list(shown)], spots, drawn)
    others = _of_other_texts(evaluator, documents, places, document)
    bodies = _bodies(evaluator, own, others)
    tokens = places.texts[document].tokens
    branches = [
        Branch(0, position, [*codec.opening, *body, codec.close_id])
        for position, of in zip(shown, bodies, strict=True)
        for kind in of.values()
        for body in kind
    ]
    before, after = states_after(
        evaluator.model, tokens[: shown.stop - 1], branches, evaluator.micro_batch
    )
    rows, at = [], 0
    for s, (position, of) in enumerate(zip(shown, bodies, strict=True)):
        sizes = {kind: len(each) for kind, each in of.items()}
        states = torch.cat([before[position - 1 : position], after[at : at + sum(sizes.values())]])
        at += sum(sizes.values())
        row = _expected(evaluator, states, tokens[:position], tokens[position], sizes)
        row["texts"] = [codec.decode(body) for body in of["thinking"]]
        row["lengths"] = [len(body) for body in of["thinking"]]
        row["closed"] = [int(closed) for closed in drawn.stopped[s * many : (s + 1) * many]]
        rows.append(row)
    return rows


def _drawn(evaluator: Evaluator, places: Places, spots: Sequence[tuple[int, int]]) -> Completions:
    """The thoughts of these places of one text, as many at once as may be in flight."""
    many, drawn = evaluator.settings.inspect.thoughts, Completions()
    some = max(1, evaluator.decode_batch_size // many)
    for begin in range(0, len(spots), some):
        part = evaluator.think_at(places.texts, spots[begin : begin + some], many, horizon=1)
        drawn.tokens += part.tokens
        drawn.stopped += part.stopped
    return drawn


def _bodies(
    evaluator: Evaluator, own: Places, others: Sequence[Sequence[Tokens]]
) -> list[dict[str, list[Tokens]]]:
    """Per place its thoughts and their controls, without delimiters.

    Another text's thoughts are one each of several places; of the next ones, at the next place.
    """
    codec, many = evaluator.codec, evaluator.settings.inspect.thoughts
    thoughts, allowed = [bare(codec, tokens) for tokens in own.drawn.tokens], ordinary(codec)
    found: list[dict[str, list[Tokens]]] = []
    for s in range(len(own.spots)):
        mine = thoughts[s * many : (s + 1) * many]
        random = [
            random_thought(evaluator, allowed, own, s, k, len(one)) for k, one in enumerate(mine)
        ]
        other = [
            others[(s * many + k) % len(others)][k % evaluator.settings.samples]
            for k in range(many if others else 0)
        ]
        found.append({"empty": [[]], "thinking": mine, "other": other, "random": random})
    return found


@torch.no_grad()
def _expected(
    evaluator: Evaluator, states: Tensor, context: Tokens, follows: int, sizes: dict[str, int]
) -> Row:
    """What one place's states say: first without a thought, then kind after kind of them."""
    table = logits_of(evaluator.model, states).log_softmax(dim=-1).double().cpu().numpy()
    kinds, at = {}, 1
    for kind, count in sizes.items():
        kinds[kind] = table[at : at + count]
        at += count
    row: Row = {"direct": _rounded(table[0, follows])}
    row |= {kind: [_rounded(x) for x in values[:, follows]] for kind, values in kinds.items()}
    row["empty"] = row["empty"][0]
    mean = np.exp(kinds["thinking"]).mean(axis=0)
    wanted = evaluator.settings.inspect.candidates
    likely = {
        int(token) for of in (table[0], mean) for token in np.argsort(-of, kind="stable")[:wanted]
    }
    order = [follows, *sorted(likely - {follows}, key=lambda token: (-mean[token], token))]
    shown = np.exp(np.concatenate([table[:1], kinds["empty"], kinds["thinking"]])[:, order])
    row["candidates"] = [_piece(evaluator.codec, context, token) for token in order]
    row["chances"] = [[_rounded(chance) for chance in one] for one in shown]
    return row


def _of_other_texts(
    evaluator: Evaluator, documents: Sequence[Document], places: Places, document: int
) -> list[list[Tokens]]:
    """The thoughts of each place that lies in another text; none where there is no other."""
    codec, many = evaluator.codec, evaluator.settings.samples
    return [
        [bare(codec, tokens) for tokens in places.drawn.tokens[s * many : (s + 1) * many]]
        for s, (i, _) in enumerate(places.spots)
        if documents[i].key != documents[document].key
    ]


def _piece(codec: Codec, before: Sequence[int], token: int) -> str:
    """What a token adds to a text; of one character's bytes the last has it, the others none."""
    known = list(before[codec.first :][-BEFORE:])
    head, whole = (codec.decode(tokens).rstrip(UNFINISHED) for tokens in (known, [*known, token]))
    return whole[len(head) :] or UNFINISHED


def _rounded(value: float) -> float:
    """Rounded, so that the order of a sum in another library does not change the file."""
    return round(float(value), _DIGITS) + 0.0
