"""A prompt stands before texts or before thoughts, is learnt nowhere, and no thought is in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core import prompts
from rlp_core.data.records import Demonstration, Document
from rlp_core.data.thought import ThoughtConfig
from rlp_core.data.tokenizer import Codec
from rlp_core.errors import ConfigError
from rlp_core.params import load
from rlp_core.params.root import sequence_lengths
from rlp_core.stages.common import check_lengths, codec_of
from rlp_core.training.batches import demonstration_example, document_example
from rlp_core.training.filler import mix_in
from rlp_core.training.groups import trunks_of
from rlp_core.training.positions import tokenize_document
from tests import models
from tests.test_params import ROOT
from tests.training import steps

PROMPT = prompts.words("terse", ("<think>", "</think>")).start
PLAIN = models.codec()
PROMPTED = Codec.of(models.tokenizer(), models.DELIMITERS, PROMPT)
SHIFT = len(PLAIN.encode(PROMPT))
LED = Codec.of(models.tokenizer(), models.DELIMITERS, lead=PROMPT)
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


def test_before_a_thought_it_stands_at_no_other_place() -> None:
    lead = tuple(PLAIN.encode(PROMPT))
    assert (LED.prefix, LED.lead, LED.opening) == (PLAIN.prefix, lead, (*lead, LED.open_id))
    assert PLAIN.opening == (PLAIN.open_id,)
    assert LED.context("Q: 3") == PLAIN.context("Q: 3")
    assert LED.document("Q: 3", [[1, 2]]) == PLAIN.document("Q: 3", [[1, 2]])


@given(TEXT, TEXT, st.integers(1, 60), st.integers(0, 99))
def test_before_a_thought_no_loss_falls_on_it(
    text: str, thought: str, limit: int, seed: int
) -> None:
    demo = demonstration(text, thought)

    def learnt(codec: Codec, limit: int) -> list[tuple[list[int], list[int], int]]:
        shown = demonstration_example(codec, demo, limit)
        made = [shown, *mix_in(codec, [demo], [shown], 60 + SHIFT, 1.0, 0.5, seed)]
        return [(e.tokens, [e.tokens[place] for place in e.places], e.whole) for e in made]

    for (tokens, targets, whole), (bare, expected, short) in zip(
        learnt(LED, limit + SHIFT), learnt(PLAIN, limit), strict=True
    ):
        assert whole == short + SHIFT
        if not expected and not targets:
            continue
        opened = bare.index(PLAIN.open_id)
        led = [*bare[:opened], *LED.lead, *bare[opened:]]
        assert tokens == led[: len(tokens)]
        assert targets == expected[: len(targets)]


def test_a_trunk_with_its_prompt_is_read_once_for_all_thoughts_of_a_place() -> None:
    made = steps.trainer(lead=steps.LEAD, documents=2, positions=2, group_size=5)
    positions = made.positions(made.documents[:2], 0)
    trunks, index = trunks_of([*positions, *positions], steps.LEAD)
    assert index == [0, 1, 2, 3, 0, 1, 2, 3]
    assert trunks == [[*p.context, *steps.LEAD] for p in positions]
    made.draw(positions, 0)
    assert made.ledger.tokens["prefill"] == sum(map(len, trunks))


def test_before_a_thought_it_changes_what_is_thought_and_not_the_baseline() -> None:
    plain, led = (steps.trainer(lead=lead) for lead in ((), steps.LEAD))
    expected, found = plain.groups(0), led.groups(0)
    assert [g.baseline for g in found] == [g.baseline for g in expected]
    assert [g.position.index for g in found] == [g.position.index for g in expected]
    assert [g.logprobs for g in found] != [g.logprobs for g in expected]


def test_thoughts_of_a_prompt_are_those_of_the_dense_path() -> None:
    made = steps.stopping(lead=steps.LEAD)
    model, marks = steps.plain(made.policy), made.worker.marks
    for group in made.groups(0):
        before = [*group.position.context, *steps.LEAD, marks.open]
        for tokens, stopped, logprobs, predicted in zip(
            group.tokens, group.stopped, group.logprobs, group.predicted, strict=True
        ):
            drawn = steps.logprobs_after(model, before, tokens, made.settings.temperature)
            assert logprobs == pytest.approx(drawn.tolist(), abs=2e-5)
            closed = [*before, *tokens, *([] if stopped else [marks.close])]
            after = steps.logprobs_after(model, closed, group.position.following)
            assert predicted == pytest.approx(float(after.sum()), abs=2e-5)


def test_a_prompt_before_thoughts_counts_in_the_length_of_what_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tree, model = load(ROOT / "profiles" / "tiny.yaml"), models.model(6)
    read = sequence_lengths(tree, 7)
    for (name, longest), plain in zip(read.items(), sequence_lengths(tree).values(), strict=True):
        assert longest == plain + (7 if "thought.max_tokens" in name else 0)
        assert ("7 of thought.prompt" in name) == (longest != plain)
    monkeypatch.setattr(model.config, "max_position_embeddings", max(read.values()) - 1)
    with pytest.raises(
        ConfigError, match=r"7 of thought.prompt .*= \d+ tokens, and the model reads"
    ):
        check_lengths(tree, model, "a model", 7)
    check_lengths(tree, model, "a model", 6)


@pytest.mark.parametrize("place", ["start", "thought"])
@pytest.mark.parametrize("mark", models.DELIMITERS)
def test_a_prompt_that_contains_a_delimiter_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, mark: str
) -> None:
    monkeypatch.setattr(prompts, "FOLDER", tmp_path)
    (tmp_path / "odd.yaml").write_text(
        f"title: t\nsource: s\nplace: {place}\ntext: |\n  Write {mark} first.\n"
    )
    with pytest.raises(ConfigError, match=f"the prompt `odd` contains the delimiter '{mark}'"):
        ThoughtConfig(prompt="odd")
