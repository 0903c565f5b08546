"""Where to think: candidates of a document, and the choice among them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import torch
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.data.records import Document
from rlp_core.training.learner import HELDOUT
from rlp_core.training.positions import TokenizedDocument, select_positions, tokenize_document
from tests import models
from tests.training.steps import plain, trainer


def text(selection: str, content: str = "Q: 3+4\nA:7\n", spans=((9, 10),), limit: int = 99):
    document = Document(
        id="d", key="k", source="s", licence="l", text=content, spans=[list(s) for s in spans]
    )
    return tokenize_document(models.codec(), document, limit, selection)


def test_answers_are_the_first_tokens_of_marked_spans():
    found = text("answer")
    assert [models.codec().decode([found.tokens[p]]) for p in found.candidates] == ["7"]


def test_a_span_beyond_the_cut_or_an_unmarked_text_gives_no_place():
    assert text("answer", limit=4).candidates == []
    assert text("answer", spans=()).candidates == []


def test_uniform_is_every_position_with_a_token_before_it():
    found = text("uniform")
    assert found.candidates == list(range(1, len(found.tokens)))
    assert text("uniform", content="").candidates == [1]  # the end of the text alone
    assert text("uniform", content="", limit=1).candidates == []


@given(st.integers(1, 30), st.integers(0, 99), st.integers(0, 99))
def test_a_choice_is_distinct_ordered_and_repeats_itself(count, seed, step):
    found = text("uniform")
    chosen = select_positions(found, count, "uniform", seed, step)
    assert chosen == sorted(set(chosen)) == select_positions(found, count, "uniform", seed, step)
    assert len(chosen) == min(count, len(found.candidates))
    assert set(chosen) <= set(found.candidates)


def test_every_place_is_chosen_now_and_then():
    found = text("uniform")
    seen = {p for step in range(200) for p in select_positions(found, 1, "uniform", 0, step)}
    assert seen == set(found.candidates)


def test_a_document_shorter_than_two_tokens_has_no_place() -> None:
    for selection in ("uniform", "answer"):
        assert text(selection, content="", limit=1).candidates == []
        assert select_positions(text(selection, content="", limit=1), 3, selection, 0, 0) == []
    assert text("answer", spans=((0, 1),)).candidates == [1]  # after the beginning of the text


def test_without_a_start_token_the_first_one_is_still_no_place() -> None:
    codec = replace(models.codec(), prefix=())
    document = Document(
        id="d", key="k", source="s", licence="l", text="Q: 3", spans=[[0, 1], [3, 4]]
    )
    answers, anywhere = (tokenize_document(codec, document, 99, s) for s in ("answer", "uniform"))
    assert codec.decode(answers.tokens[:1]) == "Q"
    assert [codec.decode([answers.tokens[p]]) for p in answers.candidates] == ["3"]
    assert anywhere.candidates == list(range(1, len(anywhere.tokens)))


def test_spans_that_begin_in_one_token_are_one_place() -> None:
    found = text("answer", spans=((9, 10), (9, 11)))
    assert len(found.candidates) == 1


def test_each_candidate_is_drawn_equally_often() -> None:
    found = text("uniform")
    steps = 4000
    drawn = Counter(
        p for step in range(steps) for p in select_positions(found, 3, "uniform", 0, step)
    )
    share = 3 / len(found.candidates)
    error = (share * (1 - share) / steps) ** 0.5
    assert drawn.keys() == set(found.candidates)
    assert all(abs(n / steps - share) < 4.5 * error for n in drawn.values())


@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 99))
def test_strides_are_even_and_each_candidate_may_begin_one(length: int, count: int, step: int):
    found = TokenizedDocument(7, list(range(99)), list(range(1, length + 1)))
    chosen = select_positions(found, count, "stride", 0, step)
    assert len(chosen) == len(set(chosen)) == min(count, length)
    assert chosen == sorted(chosen)
    gaps = [b - a for a, b in pairwise(chosen)]
    assert not gaps or max(gaps) - min(gaps) <= 1
    assert not gaps or abs(gaps[0] - length / len(chosen)) <= 1


def test_strides_begin_anywhere() -> None:
    found = TokenizedDocument(7, list(range(99)), list(range(1, 21)))
    begun = {select_positions(found, 4, "stride", 0, step)[0] for step in range(200)}
    assert begun == {1, 2, 3, 4, 5}


@given(st.lists(st.floats(0, 30), min_size=1, max_size=20), st.integers(1, 9))
def test_the_most_surprising_are_taken(surprise: list[float], count: int) -> None:
    found = TokenizedDocument(7, list(range(99)), list(range(1, len(surprise) + 1)))
    chosen = select_positions(found, count, "surprising", 0, 0, surprise)
    left = [s for p, s in zip(found.candidates, surprise, strict=True) if p not in chosen]
    assert len(chosen) == min(count, len(surprise))
    assert not left or max(left) <= min(surprise[p - 1] for p in chosen)


def test_the_trainer_s_surprise_is_the_baseline_model_s() -> None:
    made = trainer(position_selection="surprising", positions=3)
    chosen = made.positions(made.documents, 0)
    for one in made.documents:
        model = plain(made.ema.model)
        logits = model(torch.tensor([one.tokens])).logits[0].detach().log_softmax(1)
        surprise = {p: -float(logits[p - 1, one.tokens[p]]) for p in one.candidates}
        expected = sorted(sorted(surprise, key=surprise.__getitem__)[-3:])
        assert [position.index for position in chosen if position.document is one] == expected
    assert chosen == made.positions(made.documents, 1)
    assert made.ledger.tokens["ema"] == 2 * sum(len(one.tokens) for one in made.documents)


@given(st.integers(0, 99), st.integers(0, 99))
def test_a_candidate_s_number_knows_nothing_of_the_others(seed: int, step: int) -> None:
    """A drawn candidate stays drawn when one that was not drawn is taken away."""
    found = text("uniform")
    chosen = select_positions(found, 3, "uniform", seed, step)
    lost = next(p for p in found.candidates if p not in chosen)
    fewer = TokenizedDocument(
        found.number, found.tokens, [p for p in found.candidates if p != lost]
    )
    assert select_positions(fewer, 3, "uniform", seed, step) == chosen


def test_documents_draw_apart() -> None:
    candidates = list(range(1, 40))
    one, two = (TokenizedDocument(number, candidates, candidates) for number in (1, 2))
    for selection in ("uniform", "stride"):
        pairs = [
            (
                select_positions(one, 4, selection, 0, step),
                select_positions(two, 4, selection, 0, step),
            )
            for step in range(20)
        ]
        assert any(a != b for a, b in pairs)


def test_held_out_positions_do_not_move_with_the_baseline() -> None:
    """Or the best model of a run would be chosen among scores of different positions."""
    made = trainer(position_selection="surprising", positions=3)
    held, trained = made.positions(made.documents, HELDOUT), made.positions(made.documents, 0)
    with torch.no_grad():
        for weight in made.ema.model.parameters():
            weight.copy_(weight.flip(0))
    assert made.positions(made.documents, HELDOUT) == held
    assert made.positions(made.documents, 0) != trained
