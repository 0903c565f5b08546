import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    GraniteConfig,
    MistralConfig,
    Qwen3ForCausalLM,
)

from rlp_core.errors import ConfigError
from rlp_core.rollout import dense, engine
from rlp_core.rollout.branches import Branch
from rlp_core.rollout.sampler import Prompt, SamplingParams
from tests.rollout import trees
from tests.rollout.samples import OPEN, STOP, Case, assert_same, textbook

TREE = ([[3, 4, 5], [6, 7, 8, 9]], [Branch(0, 2, [10, 11]), Branch(1, 4, [3]), Branch(1, 0, [4])])
CASE = Case(*[TREE[0], [Prompt(0, 2, OPEN, (5,)), Prompt(1, 4, OPEN), Prompt(1, 0, OPEN, (6, 7))]])
DRAWS = SamplingParams(2, STOP, 5, 1.0)


class OffRegistry(Qwen3ForCausalLM):
    """A model whose authors did not take attention from the registry."""

    _supports_attention_backend = False


def off_registry():
    return OffRegistry(trees.build(trees.FAMILIES["qwen3"]).config).eval()


def bloom():
    torch.manual_seed(0)
    config = BloomConfig(vocab_size=trees.VOCABULARY, hidden_size=16, n_layer=2, n_head=2)
    return AutoModelForCausalLM.from_config(config).eval()


def test_a_model_that_can_goes_through_branches_without_a_word(capsys):
    model = trees.build(trees.FAMILIES["qwen3"])
    engine.prepare(model)
    assert capsys.readouterr().out == ""
    assert engine.branching(model)
    expected = dense.states(trees.plain("qwen3"), *TREE)
    torch.testing.assert_close(engine.states(model, *TREE), expected, atol=1e-5, rtol=1e-5)
    found = engine.generate(model, CASE.trunks, CASE.prompts, DRAWS, CASE.uniforms(2), 8)
    assert_same(found, textbook(trees.plain("qwen3"), CASE, DRAWS))


@pytest.mark.parametrize("make", [off_registry, bloom])
def test_a_model_with_attention_of_its_own_is_refused_by_name(make):
    """Bloom biases its scores by distance: branches would be wrong without a word."""
    model = make()
    with pytest.raises(ConfigError, match="computes its attention itself") as raised:
        engine.prepare(model)
    assert type(model).__name__ in str(raised.value)
    assert "Llama" in raised.value.fix


def test_a_model_that_was_not_prepared_is_never_read():
    """It would ignore who sees whom, and say nothing."""
    model = trees.plain("qwen3")
    with pytest.raises(ValueError, match="call `prepare` first"):
        engine.states(model, *TREE)
    with pytest.raises(ValueError, match="call `prepare` first"):
        engine.generate(model, CASE.trunks, CASE.prompts, DRAWS, CASE.uniforms(2), 8)


def test_a_window_stops_the_run_before_it_begins():
    config = MistralConfig(**trees.SIZE, num_key_value_heads=2, sliding_window=8)
    with pytest.raises(ConfigError, match="whole context"):
        engine.prepare(trees.build(config))


def test_logits_scaled_by_the_model_stop_the_run_before_it_begins():
    model = trees.build(GraniteConfig(**trees.SIZE, num_key_value_heads=2, logits_scaling=8.0))
    with pytest.raises(ConfigError, match="more than its output embedding"):
        engine.prepare(model)


def test_rows_are_found_where_starts_of_says():
    starts = engine.starts_of([3, 0, 4], first=2)
    assert starts == [2, 5, 5]
    assert engine.starts_of([]) == []


def test_whole_contexts_go_on():
    contexts = [[3, 4, OPEN], [5], [6, 7, 8, 9, 10]]
    case = Case(
        [context[:-1] for context in contexts],
        [Prompt(i, len(c) - 1, c[-1]) for i, c in enumerate(contexts)],
    )
    found = engine.complete(trees.branching("qwen3"), contexts, DRAWS, case.uniforms(2), 3)
    expected = textbook(trees.plain("qwen3"), case, DRAWS)
    assert_same(found, expected)
    assert found.predicted == [[]] * 6


def test_an_empty_context_cannot_be_continued():
    with pytest.raises(ValueError, match="at least one token"):
        engine.complete(
            trees.branching("qwen3"), [[3], []], DRAWS, lambda _, rows: np.zeros(len(rows)), 4
        )
