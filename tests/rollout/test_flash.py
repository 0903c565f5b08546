"""How segments are put into calls of the flash kernel; `test_attention` says what it computes."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.errors import ConfigError
from rlp_core.rollout import flash
from rlp_core.rollout.attention import enable, kernel_of
from rlp_core.rollout.blocks import Segment
from rlp_core.rollout.branches import Branch, pack
from rlp_core.rollout.engine import prepare
from rlp_core.rollout.flash import Flash
from tests import models
from tests.rollout import trees

FIRST = 3
"""Rows before the first query."""


@st.composite
def segments(draw):
    """Ragged segments whose queries follow one another, on themselves or on any keys."""
    found, query, causal = [], FIRST, draw(st.booleans())
    for _ in range(draw(st.integers(1, 8))):
        queries = draw(st.sampled_from([1, 2, 5, 40]))
        if causal:
            found.append(Segment(query, queries, query, queries, True))
        else:
            keys = draw(st.sampled_from([0, 1, 7, 30]))
            found.append(Segment(query, queries, draw(st.integers(0, 50)), keys, False))
        query += queries
    return draw(st.permutations(found))


def laid_out(found, small):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flash, "SMALL", small)
        return Flash.of(found, FIRST, sum(segment.queries for segment in found))


def rows(index):
    return list(range(index.start, index.stop)) if isinstance(index, slice) else index.tolist()


smalls = st.sampled_from([0, 30, 200, 1 << 13])


@given(segments(), smalls)
def test_every_segment_is_in_one_call_with_its_own_queries_and_keys(found, small):
    built = laid_out(found, small)
    assert sorted([*built.blind, *(s for call in built.calls for s in call.segments)], key=str) == (
        sorted(found, key=str)
    )
    for call in built.calls:
        size = len(call.segments)
        queries, keys = (torch.tensor(rows(i)).view(size, -1) for i in (call.query, call.key))
        true = torch.ones(queries.numel(), dtype=torch.bool)
        if call.true is not None:
            true = torch.zeros_like(true).index_fill(0, call.true, True)
        assert (call.padding is None) == bool(true.all())
        if call.padding is not None:
            assert torch.equal(~call.padding.flatten(), true)
        for index, segment in enumerate(call.segments):
            own = queries[index][true.view(size, -1)[index]].tolist()
            assert own == list(range(segment.query, segment.query + segment.queries))
            seen = keys[index]
            if call.bias is not None:
                seen = seen[call.bias[index, 0, 0] == 0]
            elif call.causal:
                seen = seen[: segment.keys]  # those behind are hidden from every true query
            assert seen.tolist() == list(range(segment.key, segment.key + segment.keys))


@given(segments(), smalls)
def test_a_padded_call_is_small(found, small):
    for call in laid_out(found, small).calls:
        if not isinstance(call.query, slice):
            queries = max(s.queries for s in call.segments)
            keys = max(s.keys for s in call.segments)
            assert len(call.segments) * queries * keys <= small


def test_thoughts_of_one_length_are_one_call_that_copies_nothing():
    packed = pack([[1] * 30], [Branch(0, 20, [1] * 300) for _ in range(8)], kernel="flash")
    (call,) = packed.attention.own.calls
    assert (call.query, call.key) == (slice(30, 2430), slice(30, 2430))
    assert call.bias is None
    assert len(packed.attention.across.calls) == 1


def test_causal_segments_on_longer_keys_are_refused():
    with pytest.raises(ValueError, match="counts keys from the first"):
        Flash.of([Segment(0, 2, 0, 3, True)], 0, 2)


def test_by_default_a_cpu_attends_by_flash_but_where_scores_are_capped(capsys):
    plain, capped = (trees.build(trees.FAMILIES[name]) for name in ("qwen3", "gemma2"))
    for model, kernel in ((plain, "flash"), (capped, "blocks")):
        prepare(model)
        assert kernel_of(model) == kernel
        assert ("branches attend by blocks" in capsys.readouterr().out) == (kernel == "blocks")


def test_a_kernel_that_was_asked_for_is_taken():
    model = models.model(0)
    for kernel in ("blocks", "flash"):
        assert enable(model, kernel)
        assert kernel_of(model) == kernel


@pytest.mark.parametrize(
    ("name", "device", "message"),
    [("gemma2", "cpu", "no soft cap of scores.* 5"), ("qwen3", "meta", "not of meta")],
)
def test_flash_is_refused_where_it_cannot_be(name, device, message):
    model = trees.build(trees.FAMILIES[name]).to(device)
    with pytest.raises(ConfigError, match=message) as raised:
        prepare(model, "flash")
    assert "blocks" in raised.value.fix
