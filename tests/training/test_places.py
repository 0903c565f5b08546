from hypothesis import given
from hypothesis import strategies as st

from rlp_core.data.records import Document
from rlp_core.training.places import choose, text_of
from tests import models


def text(selection: str, content: str = "Q: 3+4\nA:7\n", spans=((9, 10),), limit: int = 99):
    document = Document(
        id="d", key="k", source="s", licence="l", text=content, spans=[list(s) for s in spans]
    )
    return text_of(models.codec(), document, limit, selection)


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
    chosen = choose(found, count, "uniform", seed, step)
    assert chosen == sorted(set(chosen)) == choose(found, count, "uniform", seed, step)
    assert len(chosen) == min(count, len(found.candidates))
    assert set(chosen) <= set(found.candidates)


def test_every_place_is_chosen_now_and_then():
    found = text("uniform")
    seen = {p for step in range(200) for p in choose(found, 1, "uniform", 0, step)}
    assert seen == set(found.candidates)
