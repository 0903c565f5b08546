import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.environments import arithmetic as world

chains = st.builds(
    lambda seed, low, more: world.draw(random.Random(seed), low, low + more),
    st.integers(0, 10**6),
    st.integers(2, 5),
    st.integers(0, 3),
)


@given(chains)
def test_the_answer_is_the_value_modulo_ten(chain):
    value = chain.numbers[0]
    for sign, number in zip(chain.signs, chain.numbers[1:], strict=True):
        value = value + number if sign == "+" else value - number
    assert chain.answer == str(value % 10)


@given(chains)
def test_every_step_of_the_expert_holds_and_the_last_gives_the_answer(chain):
    steps = chain.steps()
    assert len(steps) == len(chain.signs)
    assert all(world.step_holds(step) for step in steps)
    assert steps[-1].endswith(f"={chain.answer}")
    assert world.thought_holds(chain, world.worked(chain))


@given(chains, st.integers(0, 9))
def test_a_step_with_another_value_does_not_hold(chain, value):
    step = chain.steps()[0]
    wrong = step[:-1] + str(value)
    assert world.step_holds(wrong) == (wrong == step)


@given(chains, st.booleans())
def test_the_span_of_a_document_is_its_answer(chain, work):
    text, spans = world.document(chain, work=work)
    assert [text[start:end] for start, end in spans] == [chain.answer]
    assert text.endswith(world.continuation(chain))
    assert (world.worked(chain) in text) >= work


@given(chains, st.booleans())
def test_a_text_is_read_back(chain, work):
    assert world.parse(world.prompt(chain)) == chain
    assert world.parse(world.document(chain, work=work)[0]) == chain


@pytest.mark.parametrize("step", ["", "3+4", "3*4=2", "13+4=7", "hello"])
def test_what_is_no_step_is_not_judged(step):
    assert world.step_holds(step) is None


def test_a_text_about_something_else_asks_nothing():
    assert world.parse("The nurse said that he was late.") is None
