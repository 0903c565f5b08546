"""Chains of digits: the rules of this world, beside what every world is asked in `test_worlds`."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.environments.arithmetic import Arithmetic, Chain, ChainSettings

WORLD = Arithmetic("arithmetic")

chains = st.builds(
    lambda seed, low, more: WORLD.sample(
        random.Random(seed), ChainSettings(min_terms=low, max_terms=low + more)
    ),
    st.integers(0, 10**6),
    st.integers(2, 5),
    st.integers(0, 3),
)


@given(chains)
def test_the_answer_is_the_value_modulo_ten(chain: Chain) -> None:
    value = chain.numbers[0]
    for sign, number in zip(chain.signs, chain.numbers[1:], strict=True):
        value = value + number if sign == "+" else value - number
    assert WORLD.expert(chain).answer == str(value % 10)


@given(chains)
def test_there_is_a_step_per_sign_and_the_last_gives_the_answer(chain: Chain) -> None:
    solution = WORLD.expert(chain)
    assert len(solution.steps) == len(chain.signs)
    assert solution.steps[-1].endswith(f"={solution.answer}")


@given(chains, st.integers(0, 9))
def test_a_step_with_another_value_does_not_hold(chain: Chain, value: int) -> None:
    step = WORLD.expert(chain).steps[0]
    wrong = step[:-1] + str(value)
    assert WORLD.check_step(chain, wrong) == (wrong == step)


@given(chains, st.text("0123456789+-=; \n.a\u0663²", max_size=6))
def test_only_the_one_digit_is_right(chain: Chain, answer: str) -> None:
    right = WORLD.expert(chain).answer
    assert WORLD.verify(chain, answer) == (answer.strip() == right)


@pytest.mark.parametrize("step", ["", "3+4", "3*4=2", "13+4=7", "hello", "3+4=\u0667"])
def test_what_is_no_step_is_not_judged(step: str) -> None:
    assert WORLD.check_step(Chain((3, 4), ("+",)), step) is None


@pytest.mark.parametrize("question", ["", "3", "3+", "3+44", "\u0663+4", "3+4\n", "The nurse said"])
def test_what_is_no_chain_is_not_read(question: str) -> None:
    assert WORLD.read(question) is None


def test_a_text_about_something_else_asks_nothing() -> None:
    assert WORLD.parse("The nurse said that he was late.") is None
