"""N-grams shared between training and evaluation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.contracts.contamination import Contamination, ngrams

QUESTION = "how many red apples does the old miller sell on a rainy market day"
WORDS = st.lists(st.sampled_from("abcdefgh"), min_size=5, max_size=30).map(" ".join)


def test_a_question_inside_a_long_text_is_found_whole() -> None:
    index = Contamination(["nothing of the sort is written here at all", QUESTION], 5)
    found = index.of("a preface of many words. " * 40 + QUESTION.upper() + "? thirteen.")
    assert found is not None
    assert (found.evaluation, found.share) == (1, 1.0)


def test_a_shared_turn_of_phrase_is_a_small_share() -> None:
    found = Contamination([QUESTION], 5).of("how many red apples does anyone need in a long winter")
    assert found is not None
    assert 0 < found.share < 0.2


def test_texts_below_n_tokens_have_nothing_to_share() -> None:
    assert Contamination(["one two three"], 5).of("one two three") is None
    assert ngrams("one two three", 5) == set()


@given(WORDS, WORDS)
def test_the_share_is_symmetric_and_bounded(one: str, other: str) -> None:
    there, back = Contamination([one], 3).of(other), Contamination([other], 3).of(one)
    assert (there and there.share) == (back and back.share)
    assert there is None or 0 < there.share <= 1


@given(WORDS)
def test_a_copy_shares_everything(text: str) -> None:
    found = Contamination([text], 4).of(text)
    assert found is not None
    assert found.share == pytest.approx(1)
