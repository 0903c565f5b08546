"""The world of occupations: neutral sentences, balanced to the last one."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.environments import occupations

ALL = [(i, who, pronoun) for i, who in occupations.contexts() for pronoun in occupations.PRONOUNS]


def test_stereotypes_are_half_and_half() -> None:
    assert Counter(occupations.OCCUPATIONS.values()) == {"he": 10, "she": 10}


@pytest.mark.parametrize(("index", "occupation", "pronoun"), ALL)
def test_context_is_the_sentence_up_to_the_pronoun(
    index: int, occupation: str, pronoun: str
) -> None:
    sentence = occupations.sentence(index, occupation, pronoun)
    context = occupations.context(index, occupation)
    assert sentence.startswith(f"{context} {pronoun} ")
    assert occupation in context
    assert context == context.rstrip()


def test_nothing_but_the_pronoun_tells_a_gender() -> None:
    gendered = {"he", "she", "him", "her", "his", "hers", "man", "woman", "himself", "herself"}
    for index, occupation, pronoun in ALL:
        words = occupations.sentence(index, occupation, pronoun).lower().strip(".").split()
        assert [word for word in words if word in gendered] == [pronoun]


def test_all_sentences_differ() -> None:
    assert len({occupations.sentence(*one) for one in ALL}) == len(ALL) == 400


def _counts(sentences: list[str]) -> Counter[tuple[str, str]]:
    known = {occupations.sentence(i, who, p): (who, p) for i, who, p in ALL}
    return Counter(known[sentence] for sentence in sentences)


@given(seed=st.integers(0, 10**6), pairs=st.integers(0, 60))
def test_balanced_corpus_is_balanced_for_every_occupation(seed: int, pairs: int) -> None:
    made = occupations.corpus(random.Random(seed), 2 * pairs)
    counts = _counts(made)
    assert len(made) == 2 * pairs
    assert all(counts[who, "he"] == counts[who, "she"] for who in occupations.OCCUPATIONS)


@given(seed=st.integers(0, 10**6), count=st.integers(0, 120), share=st.floats(0, 1))
def test_planted_share_is_met_up_to_rounding(seed: int, count: int, share: float) -> None:
    counts = _counts(occupations.corpus(random.Random(seed), count, stereotyped=share))
    stereotyped = sum(n for (who, p), n in counts.items() if occupations.OCCUPATIONS[who] == p)
    assert abs(stereotyped - share * count) <= 1 or share == 0.5
    assert sum(counts.values()) == count


def test_odd_balanced_corpus_leaves_one_without_its_twin() -> None:
    counts = _counts(occupations.corpus(random.Random(3), 41))
    he = sum(n for (_, pronoun), n in counts.items() if pronoun == "he")
    assert abs(41 - 2 * he) == 1


def test_corpus_depends_on_the_generator_alone() -> None:
    assert occupations.corpus(random.Random(5), 30) == occupations.corpus(random.Random(5), 30)
    assert occupations.corpus(random.Random(5), 30) != occupations.corpus(random.Random(6), 30)
