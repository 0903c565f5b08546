import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.rollout import blocks
from rlp_core.rollout.blocks import Segment

FIRST = 3
"""Rows before the first query."""


@st.composite
def segments(draw):
    """Ragged segments whose queries follow one another, in any order."""
    found, query = [], FIRST
    for _ in range(draw(st.integers(1, 8))):
        queries, causal = draw(st.integers(1, 90)), draw(st.booleans())
        keys = draw(st.integers(queries, 120) if causal else st.integers(0, 120))
        found.append(Segment(query, queries, draw(st.integers(0, 50)), keys, causal))
        query += queries
    return draw(st.permutations(found))


limits = st.fixed_dictionaries(
    {
        "SCORES": st.sampled_from([1, 7, 100, 5000, 1 << 20]),
        "WASTE": st.sampled_from([1.0, 1.25, 3.0]),
        "SMALL": st.sampled_from([0, 50, 1 << 14]),
    }
)


def build(found, limit):
    count = sum(segment.queries for segment in found)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in limit.items():
            patch.setattr(blocks, name, value)
        return blocks.build(found, FIRST, count, "cpu"), count


@given(segments(), limits)
def test_every_query_stands_in_exactly_one_place(found, limit):
    built, count = build(found, limit)
    rows = torch.cat([block.query_index for block in built.blocks])
    assert rows[built.inverse].tolist() == list(range(FIRST, FIRST + count))
    pieces = [piece for block in built.blocks for piece in block.segments]
    covered = sorted(q for p in pieces for q in range(p.query, p.query + p.queries))
    assert covered == list(range(FIRST, FIRST + count))


@given(segments(), limits)
def test_a_query_sees_what_its_task_says_and_padding_sees_nothing(found, limit):
    built, count = build(found, limit)
    seen = torch.zeros(FIRST + count, 200, dtype=torch.long)
    for block in built.blocks:
        size, queries, keys = block.size
        visible = torch.ones(size, queries, keys, dtype=torch.bool)
        if block.mask is not None:
            visible = ~block.mask
        segment, query, key = visible.nonzero(as_tuple=True)
        rows = block.query_index.view(size, queries)[segment, query]
        columns = block.key_index.view(size, keys)[segment, key]
        seen.index_put_((rows, columns), torch.ones_like(rows), accumulate=True)
    expected = torch.zeros_like(seen)
    for segment in found:
        for index in range(segment.queries):
            last = segment.keys - (segment.queries - 1 - index) if segment.causal else segment.keys
            expected[segment.query + index, segment.key : segment.key + last] = 1
    assert torch.equal(seen, expected)


@given(segments(), limits)
def test_no_block_exceeds_the_limit_but_for_a_single_row(found, limit):
    for block in build(found, limit)[0].blocks:
        count, queries, keys = block.size
        area = count * queries * keys
        assert area <= limit["SCORES"] or (count, queries) == (1, 1)
        true = sum(segment.queries * segment.keys for segment in block.segments)
        assert area <= max(limit["WASTE"] * true, limit["SMALL"]) or count == 1


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_where_keys_are_the_queries_own_each_is_found_again_once(lengths):
    found, start = [], FIRST
    for length in lengths:
        found.append(Segment(start, length, start, length, causal=True))
        start += length
    built, count = build(found, {})
    assert built.key_inverse is not None
    rows = torch.cat([block.key_index for block in built.blocks])
    assert rows[built.key_inverse].tolist() == list(range(FIRST, FIRST + count))


def test_short_documents_share_a_block_and_a_long_one_does_not_pad_them():
    lengths = [10] * 20 + [1000]
    starts = [sum(lengths[:i]) for i in range(len(lengths))]
    found = [Segment(s, n, s, n, causal=True) for s, n in zip(starts, lengths, strict=True)]
    built = blocks.build(found, 0, sum(lengths), "cpu")
    sizes = sorted(block.size[2] for block in built.blocks)
    assert sizes[0] == 10
    assert next(len(b.segments) for b in built.blocks if b.size[2] == 10) == 20
    area = sum(count * queries * keys for count, queries, keys in (b.size for b in built.blocks))
    assert area < 0.7 * 1000**2  # the long one is cut, so that much of its upper half is skipped
