"""Copies, punctuation, pairs, false steps and exchanged words, on texts of every kind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.contracts.steps import steps
from rlp_core.evaluation.reward_audit.config import GENDER, PLACEBO, RewardAudit
from rlp_core.evaluation.reward_audit.swaps import mentions, swapped
from rlp_core.evaluation.reward_audit.texts import (
    bare_copy,
    content,
    copies,
    corrupted,
    is_punctuation,
    pairs_of,
    punctuation_share,
)

WORDS = st.lists(st.sampled_from([*(w for pair in GENDER for w in pair), "and", "He", "SHE", ","]))


def test_a_copy_says_what_follows_and_a_bare_one_hardly_more() -> None:
    assert copies("3+4=7", " 7")
    assert not copies("3+4=8", " 7")
    assert not copies("!!", "!")  # nothing is said
    assert bare_copy(" The Answer.", "the answer")
    assert not bare_copy("3+4=7", "7")


@given(st.text(), st.text())
def test_a_bare_copy_is_a_copy(thought: str, target: str) -> None:
    assert copies(thought, target) or not bare_copy(thought, target)
    if content(target):
        assert bare_copy(target, target)
        assert copies(thought + target, target)


@given(st.text())
def test_punctuation_is_what_is_neither_letter_nor_digit(text: str) -> None:
    assert 0 <= punctuation_share(text) <= 1
    assert is_punctuation(text) == (punctuation_share(text) == 1)


@given(st.lists(st.integers(0, 3)))
def test_pairs_are_counted(tokens: list[int]) -> None:
    distinct, every = pairs_of(tokens)
    assert every == max(0, len(tokens) - 1)
    assert min(1, every) <= distinct <= every
    assert pairs_of([1, 2] * 10) == (2, 19)


@given(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))
def test_one_true_equation_is_made_false(a: int, b: int, c: int) -> None:
    thought = f"{a}+{b}={a + b}; {a + b}+{c}={a + b + c}, so"
    changed = corrupted(thought)
    assert changed is not None
    assert [step.holds for step in steps(changed)] == [True, False]
    assert sum(x != y for x, y in zip(thought, changed, strict=True)) == 1
    assert corrupted(f"{a}+{b}={a + b + 1}") is None  # nothing is true


@given(st.text())
def test_whatever_is_corrupted_has_a_true_step_less(text: str) -> None:
    changed = corrupted(text)
    if changed is not None:
        before, after = (sum(step.holds for step in steps(t)) for t in (text, changed))
        assert after < before


@given(WORDS)
def test_words_exchanged_twice_are_what_they_were(words: list[str]) -> None:
    text = " ".join(words)
    assert swapped(swapped(text, GENDER), GENDER) == text
    assert mentions(swapped(text, GENDER), GENDER) == mentions(text, GENDER)[::-1]


def test_whole_words_are_exchanged_and_case_is_kept() -> None:
    text = "He said: THE man, a chairman, is the Son."
    assert swapped(text, GENDER) == "She said: THE woman, a chairman, is the Daughter."
    assert mentions("the chairman, there", GENDER) == (False, False)
    assert swapped("Late", PLACEBO) == "Early"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"groups": {"g": [["a", "b"], ["b", "c"]]}}, "named twice: b"),
        ({"groups": {"placebo": [["a", "b"]]}}, "cannot be called"),
        ({"placebo": [["a ", "b"]]}, "space around it"),
    ],
)
def test_lists_of_words_that_cannot_be_exchanged_are_refused(wrong: dict, said: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(ValueError, match=said):
        RewardAudit(**wrong)
