"""A prompt stands before every text, is learnt nowhere, and no thought stands in it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core import prompts
from rlp_core.data.records import Demonstration, Document
from rlp_core.data.tokenizer import Codec
from rlp_core.errors import ConfigError
from rlp_core.params import load
from rlp_core.stages.common import codec_of
from rlp_core.training.batches import demonstration_example, document_example
from rlp_core.training.filler import mix_in
from rlp_core.training.positions import tokenize_document
from tests import models
from tests.test_params import ROOT

PROMPT = prompts.text_of("terse")
PLAIN = models.codec()
PROMPTED = Codec.of(models.tokenizer(), models.DELIMITERS, PROMPT)
SHIFT = len(PLAIN.encode(PROMPT))
TEXT = st.text("Q: 3+4-5\nA", min_size=1, max_size=20)


def document(text: str) -> Document:
    spans = [[i, i + 1] for i in range(len(text))]
    return Document(id="d", key="k", source="s", licence="l", text=text, spans=spans)


def demonstration(text: str, thought: str) -> Demonstration:
    fields: dict[str, Any] = {"context": text, "thought": thought, "continuation": "2\n"}
    return Demonstration(id="d", key="k", source="s", licence="l", **fields)


def test_it_stands_between_start_of_text_and_text() -> None:
    assert PROMPTED.prefix == (*PLAIN.prefix, *PLAIN.encode(PROMPT))
    assert Codec.of(models.tokenizer(), models.DELIMITERS, "") == PLAIN


@given(TEXT, st.integers(1, 60))
def test_contexts_and_documents_begin_with_it_and_it_counts(text: str, limit: int) -> None:
    assert PROMPTED.context(text) == [*PROMPTED.prefix, *PLAIN.encode(text)]
    tokens, marked = PROMPTED.document(text, document(text).spans, limit + SHIFT)
    plain, at = PLAIN.document(text, document(text).spans, limit)
    assert tokens == [*PROMPTED.prefix, *plain[len(PLAIN.prefix) :]][: limit + SHIFT]
    assert marked == [place + SHIFT for place in at]


@given(TEXT, st.integers(1, 60), st.sampled_from(["answer", "uniform"]))
def test_no_thought_stands_in_it(text: str, limit: int, selection: str) -> None:
    """The same places of the same text, however long the prompt before it is."""
    found = tokenize_document(PROMPTED, document(text), limit + SHIFT, selection)
    plain = tokenize_document(PLAIN, document(text), limit, selection)
    assert found.candidates == [place + SHIFT for place in plain.candidates]
    assert all(place >= len(PROMPTED.prefix) for place in found.candidates)


@given(TEXT, TEXT, st.integers(1, 60), st.integers(0, 99))
def test_no_loss_falls_on_it(text: str, thought: str, limit: int, seed: int) -> None:
    demo = demonstration(text, thought)

    def learnt(codec: Codec, limit: int) -> list[tuple[list[int], list[int]] | None]:
        shown = demonstration_example(codec, demo, limit)
        made = [
            document_example(codec, document(text), limit),
            shown,
            *mix_in(codec, [demo], [shown], limit, 1.0, 0.5, seed),
        ]
        return [
            example
            and (
                [example.tokens[place] for place in example.places],
                [place - len(codec.prefix) for place in example.places],
            )
            for example in made
        ]

    assert learnt(PROMPTED, limit + SHIFT) == learnt(PLAIN, limit)


def test_a_prompt_that_leaves_no_room_is_told() -> None:
    tree = load(ROOT / "profiles" / "tiny.yaml")
    long = tree.model_copy(
        update={"thought": tree.thought.model_copy(update={"prompt": "reason-first"})}
    )
    with pytest.raises(ConfigError, match=r"no room for a text within base\.max_tokens = 64"):
        codec_of(long, models.model(), models.tokenizer())
    fits = tree.model_copy(update={"thought": tree.thought.model_copy(update={"prompt": "terse"})})
    assert codec_of(fits, models.model(), models.tokenizer()) == PROMPTED
