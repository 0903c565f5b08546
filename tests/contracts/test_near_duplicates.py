"""Near-duplicates: the later of two similar texts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rlp_core.contracts.contamination import ngrams
from rlp_core.contracts.near_duplicates import jaccard, near_duplicates

LONG = "the miller carries nine sacks of flour over the narrow bridge before the rain begins again "


def test_the_later_of_two_similar_texts_is_named() -> None:
    other = "an entirely different story about owls, winter, and a lost silver spoon in the snow"
    changed = (LONG * 2).replace("nine", "nine heavy", 1)
    assert near_duplicates([other, LONG * 2, changed], 0.8) == {2: 1}


def test_dissimilar_texts_are_left_alone() -> None:
    assert near_duplicates(["one two three four", "five six seven eight"], 0.8) == {}


def test_short_and_empty_texts() -> None:
    assert near_duplicates(["yes", "yes", "", ""], 0.9) == {1: 0}


@given(
    st.lists(st.lists(st.sampled_from("abc"), min_size=3, max_size=8).map(" ".join), max_size=12)
)
def test_every_accusation_is_true_and_repeatable(texts: list[str]) -> None:
    found = near_duplicates(texts, 0.6)
    assert found == near_duplicates(texts, 0.6)
    for later, earlier in found.items():
        assert earlier < later
        assert earlier not in found
        assert jaccard(ngrams(texts[later], 3), ngrams(texts[earlier], 3)) >= 0.6
