"""Where to think: the positions of a document at which thoughts are sampled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rlp_core.data.records import Document
from rlp_core.data.tokenizer import Codec
from rlp_core.rollout.rng import number_of, uniform


@dataclass(frozen=True)
class Text:
    """A document as tokens.

    Attributes:
        number: its id as a coordinate of the random numbers.
        tokens: x_0 .. x_{T-1}.
        candidates: positions at which a thought may stand, in order.
    """

    number: int
    tokens: list[int]
    candidates: list[int]


def text_of(codec: Codec, document: Document, max_tokens: int, selection: str) -> Text:
    """Tokenize a document and name its candidate positions.

    Args:
        codec: the tokenizer.
        document: the record.
        max_tokens: T, the rest is cut.
        selection: `answer`: the first tokens of marked spans; `uniform`: every position that
            has a token before it.
    """
    tokens, marked = codec.document(document.text, document.spans, max_tokens)
    everywhere = list(range(max(1, len(codec.prefix)), len(tokens)))
    return Text(
        number_of(document.id),
        tokens,
        [p for p in marked if p >= 1] if selection == "answer" else everywhere,
    )


def choose(text: Text, count: int, seed: int, step: int) -> list[int]:
    """Draw up to `count` candidates without replacement, in order of position.

    A document with fewer candidates gives all of them. Each candidate's number depends on
    (seed, step, document, position) alone.
    """
    if len(text.candidates) <= count:
        return list(text.candidates)
    ticket = uniform(seed, step, text.number, np.array(text.candidates))
    return sorted(text.candidates[i] for i in np.argsort(ticket, kind="stable")[:count])
