"""Thoughts and what they are worth, as functions: against the textbook, and told what is wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlp_core import ThoughtConfig, generate_thoughts, information_gain, prompts
from rlp_core.errors import ConfigError, UsageError
from rlp_core.objective.reference import log_probabilities, logprob, reward
from tests import models
from tests.training.steps import plain

THOUGHT = ThoughtConfig(max_tokens=6)
TEXT = "Q: 3+4-5\nA:2\n"


@pytest.fixture(scope="module")
def model():
    return models.model(5)


@settings(max_examples=15, deadline=None)
@given(st.integers(2, len(TEXT) - 1), st.sampled_from(["", "7-5=2", "no"]), st.integers(1, 4))
def test_the_gain_is_equation_4_of_the_textbook(position: int, thought: str, horizon: int) -> None:
    policy, ema, codec = models.model(5), models.model(6), models.codec()
    tokens, at = codec.document(TEXT, [[position, position + 1]])
    reasoned = [*tokens[: at[0]], codec.open_id, *codec.encode(thought), codec.close_id]
    expected = reward(plain(policy), plain(ema), tokens, at[0], reasoned, horizon, 0.5)
    found = information_gain(
        policy, codec.tokenizer, TEXT, position, thought,
        baseline=ema, horizon=horizon, discount=0.5,
    )  # fmt: skip
    assert found == pytest.approx(expected, abs=2e-5)


def test_a_prompt_before_thoughts_is_read_before_them_alone(model) -> None:
    codec, how = models.codec(), ThoughtConfig(max_tokens=6, prompt="look-ahead")
    lead = codec.encode(prompts.words("look-ahead", (how.open, how.close)).lead)
    tokens, at = codec.document(TEXT, [[11, 12]])
    before, following = tokens[: at[0]], tokens[at[0]]
    reasoned = [*before, *lead, codec.open_id, *codec.encode("7-5=2"), codec.close_id]
    expected = [
        float(logprob(plain(model), row, following, 1.0).detach()) for row in (reasoned, before)
    ]
    found = information_gain(model, codec.tokenizer, TEXT, 11, "7-5=2", how=how)
    assert found == pytest.approx(expected[0] - expected[1], abs=2e-5)
    [drawn] = generate_thoughts(
        model, codec.tokenizer, [TEXT[:11]], temperature=0.0, thought=how
    )[0]  # fmt: skip
    context = [*codec.context(TEXT[:11]), *lead, codec.open_id]
    for token in drawn.tokens:
        assert token == int(log_probabilities(plain(model), context, 1.0).argmax())
        context.append(token)


def test_without_a_baseline_it_is_over_the_model_itself(model) -> None:
    tokenizer = models.codec().tokenizer
    own = information_gain(model, tokenizer, TEXT, 11, "7-5=2")
    assert own == information_gain(model, tokenizer, TEXT, 11, "7-5=2", baseline=model)
    assert own != information_gain(model, tokenizer, TEXT, 11, "")


def test_a_drawn_thought_is_weighed_by_its_very_tokens() -> None:
    policy, ema, codec = models.model(5), models.model(6), models.codec()
    tokens, at = codec.document(TEXT, [[11, 12]])
    cut = generate_thoughts(policy, codec.tokenizer, [TEXT[:11]], n=8, thought=THOUGHT)[0]
    inside = [one.tokens for one in cut]
    assert not any(one.closed for one in cut)
    assert any(codec.encode(one.text) != one.tokens for one in cut)  # else its text would do
    whole = [replace(one, tokens=[*one.tokens, codec.close_id], closed=True) for one in cut]
    for one, ids in zip([*cut, *whole], [*inside, *inside], strict=True):
        reasoned = [*tokens[: at[0]], codec.open_id, *ids, codec.close_id]
        expected = reward(plain(policy), plain(ema), tokens, at[0], reasoned, 1, 1.0)
        found = information_gain(policy, codec.tokenizer, TEXT, 11, one, baseline=ema)
        assert found == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize("position", [0, -1, len(TEXT), 99])
def test_a_position_without_text_on_both_sides_is_told(model, position: int) -> None:
    with pytest.raises(UsageError, match="no text before it or none after it"):
        information_gain(model, models.codec().tokenizer, TEXT, position, "")


def test_thoughts_do_not_depend_on_the_batch(model) -> None:
    texts, tokenizer = ["Q: 3+4\n", "The nurse", "Q: 9-8\n"], models.codec().tokenizer
    whole = generate_thoughts(model, tokenizer, texts, n=3, thought=THOUGHT)
    parts = generate_thoughts(model, tokenizer, texts, n=3, thought=THOUGHT, batch_size=1)
    assert [[t.tokens for t in one] for one in whole] == [[t.tokens for t in one] for one in parts]
    assert [len(one) for one in whole] == [3, 3, 3]
    for thought in (t for one in whole for t in one):
        assert 1 <= len(thought.tokens) == len(thought.logprobs) <= 6
        assert thought.closed == (thought.tokens[-1] == models.codec().close_id)
        assert all(value <= 0 for value in thought.logprobs)
    other = generate_thoughts(model, tokenizer, texts, n=3, thought=THOUGHT, seed=2)
    assert [[t.tokens for t in one] for one in whole] != [[t.tokens for t in one] for one in other]


def test_at_temperature_0_all_thoughts_are_the_likeliest(model) -> None:
    found = generate_thoughts(
        model, models.codec().tokenizer, ["Q: 3+4\n"], n=3, temperature=0.0, thought=THOUGHT
    )[0]
    assert len({tuple(thought.tokens) for thought in found}) == 1


def test_what_cannot_be_thought_is_told(model) -> None:
    with pytest.raises(UsageError, match="a text is empty"):
        generate_thoughts(model, models.codec().tokenizer, ["a", ""], thought=THOUGHT)
    strange = ThoughtConfig(open="<<", close=">>")
    with pytest.raises(ConfigError, match="the thought delimiter '<<' is"):
        generate_thoughts(model, models.fresh_tokenizer(), ["a"], thought=strange)
