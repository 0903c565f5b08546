"""Where to think: the positions of a document at which thoughts are sampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rlp_core.data.records import Document
from rlp_core.data.tokenizer import Codec
from rlp_core.rollout.rng import number_of, uniform


@dataclass(frozen=True)
class TokenizedDocument:
    """A document as tokens.

    Attributes:
        number: its id as a coordinate of the random numbers.
        tokens: x_0 .. x_{T-1}.
        candidates: positions at which a thought may stand, in order.
        record: as it was read, for reward terms; None: given as tokens alone.
        whole: tokens before it was cut.
    """

    number: int
    tokens: list[int]
    candidates: list[int]
    record: Document | None = None
    whole: int = 0


def tokenize_document(
    codec: Codec, document: Document, max_tokens: int, selection: str
) -> TokenizedDocument:
    """Tokenize a document and name its candidate positions.

    Args:
        codec: the tokenizer.
        document: the record.
        max_tokens: T, the rest is cut.
        selection: `answer`: the first tokens of marked spans; else every position that has a
            token before it and lies behind the codec's prefix.
    """
    uncut, marked = codec.document(document.text, document.spans, ends=document.ends)
    tokens = uncut[:max_tokens]
    inside = {p for p in marked if codec.first <= p < len(tokens)}
    return TokenizedDocument(
        number_of(document.id),
        tokens,
        sorted(inside) if selection == "answer" else list(range(codec.first, len(tokens))),
        document,
        len(uncut),
    )


def select_positions(
    text: TokenizedDocument,
    count: int,
    selection: str,
    seed: int,
    step: int,
    surprise: Sequence[float] | None = None,
) -> list[int]:
    """Up to `count` of a text's candidates, in order of position.

    A text with fewer candidates gives all of them. Each candidate's number depends on
    (seed, step, document, position) alone.

    Args:
        text: the document.
        count: K.
        selection: `answer` and `uniform` draw without replacement; `stride` takes candidates
            evenly spaced from a drawn offset; `surprising` takes those of the highest surprise.
        seed: the run's.
        step: counted from 0.
        surprise: of each candidate, -S_ema in nats; for `surprising`.
    """
    candidates = text.candidates
    if len(candidates) <= count:
        return list(candidates)
    if selection == "stride":
        offset = float(uniform(seed, step, text.number))
        return [candidates[int((i + offset) * len(candidates) / count)] for i in range(count)]
    if selection == "surprising":
        assert surprise is not None
        order = np.argsort(-np.array(surprise), kind="stable")
    else:
        ticket = uniform(seed, step, text.number, np.array(candidates))
        order = np.argsort(ticket, kind="stable")
    return sorted(candidates[i] for i in order[:count])
