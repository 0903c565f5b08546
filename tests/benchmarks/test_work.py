"""The work that all sides of a benchmark share."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.work import DELIMITERS, FORBIDDEN, PRESETS, REFERENCE, TEST, Work
from rlp_core.errors import ConfigError


@given(st.lists(st.integers(0, REFERENCE.vocabulary - 1), min_size=1))
def test_text_and_tokens_determine_each_other(tokens: list[int]) -> None:
    tokenizer, codec = REFERENCE.tokenizer(), REFERENCE.codec()
    assert tokenizer.encode(codec.decode(tokens), add_special_tokens=False) == tokens


@pytest.mark.parametrize("name", PRESETS)
def test_the_tokenizer_fills_the_vocabulary_and_knows_the_special_tokens(name: str) -> None:
    work = PRESETS[name]
    codec = work.codec()
    special = {codec.open_id, codec.close_id, codec.end_id, codec.pad_id}
    assert len(work.tokenizer()) == work.vocabulary
    assert special == set(FORBIDDEN)
    assert codec.decode([codec.open_id, codec.close_id]) == " ".join(DELIMITERS)


def test_the_model_has_the_shape_of_the_reference() -> None:
    model = REFERENCE.model(0)
    config = model.config
    assert (config.num_hidden_layers, config.hidden_size, config.head_dim) == (4, 256, 64)
    assert (config.num_attention_heads, config.num_key_value_heads) == (4, 4)
    assert (config.intermediate_size, config.vocab_size) == (1024, 512)
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_a_seed_determines_model_and_documents() -> None:
    first, again, other = TEST.model(1), TEST.model(1), TEST.model(2)
    pairs = list(zip(first.parameters(), again.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not torch.equal(first.lm_head.weight, other.lm_head.weight)
    assert TEST.passages(1) == TEST.passages(1)
    assert TEST.passages(1) != TEST.passages(2)


@given(st.integers(0, 2**32), st.integers(2, 30), st.integers(1, 3), st.data())
def test_passages_are_as_asked(seed: int, tokens: int, horizon: int, data: st.DataObject) -> None:
    horizon = min(horizon, tokens - 1)
    count = data.draw(st.integers(1, tokens - horizon))
    work = Work(1, 8, 1, 1, 8, 20, 3, tokens, count, 4, 5, horizon=horizon)
    passages = work.passages(seed)
    assert len(passages) == 3
    for passage in passages:
        assert len(passage.tokens) == tokens
        assert passage.tokens[0] == work.codec().end_id
        assert all(len(FORBIDDEN) <= token < 20 for token in passage.tokens[1:])
        assert len(set(passage.positions)) == count
        assert passage.positions == sorted(passage.positions)
        assert passage.positions[0] >= 1
        assert passage.positions[-1] + horizon <= tokens


def test_the_reference_is_128_thoughts() -> None:
    assert REFERENCE.thoughts == 128


@pytest.mark.parametrize("change", [{"positions": 12}, {"vocabulary": 4}])
def test_impossible_work_is_refused(change: dict[str, int]) -> None:
    from dataclasses import replace

    with pytest.raises(ConfigError):
        replace(TEST, **change)
