"""Texts parted within: nothing lies on both sides, the gap is kept, and nothing is lost unseen."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from rlp_core.data.blocks import TextBlock, blocks_of

TEXT = st.text("ab \n", min_size=41, max_size=900)
GAP = st.integers(0, 10)
SHARE = st.floats(0.01, 0.99)


@given(TEXT, GAP, SHARE)
def test_blocks_and_gaps_make_up_the_text(text: str, gap: int, share: float) -> None:
    blocks = blocks_of(text, 40, gap, share)
    end = 0
    for block in blocks:
        assert block.start >= end  # no overlap
        assert text[block.start : block.start + len(block.text)] == block.text
        end = block.start + len(block.text)
    covered = [n for b in blocks for n in range(b.start, b.start + len(b.text))]
    gaps = sorted(set(range(len(text))) - set(covered))
    assert sorted(covered + gaps) == list(range(len(text)))
    edges = sum(one.heldout != other.heldout for one, other in pairwise(blocks))
    assert len(gaps) <= gap * (edges + 1)


@given(TEXT, GAP, SHARE)
def test_the_gap_lies_between_the_sides_and_nowhere_else(text: str, gap: int, share: float) -> None:
    blocks = blocks_of(text, 40, gap, share)
    for one, other in pairwise(blocks):
        between = other.start - (one.start + len(one.text))
        assert between == (gap if one.heldout != other.heldout else 0)


@given(TEXT, GAP, SHARE)
def test_both_sides_have_something_and_the_sides_are_of_the_text_alone(
    text: str, gap: int, share: float
) -> None:
    blocks = blocks_of(text, 40, gap, share)
    assert blocks == blocks_of(text, 40, gap, share)
    assert any(block.heldout for block in blocks)
    assert any(not block.heldout for block in blocks)
    assert all(block.text for block in blocks)
    assert [block.number for block in blocks] == list(range(1, len(blocks) + 1))


def test_about_the_share_is_held_out() -> None:
    text = "".join(f"line {n} of a book\n" for n in range(4000))
    blocks = blocks_of(text, 400, 20, 0.1)
    held = sum(len(block.text) for block in blocks if block.heldout)
    assert 0.08 < held / len(text) < 0.12
    assert isinstance(blocks[0], TextBlock)


def test_which_blocks_are_held_out_differs_between_texts() -> None:
    chosen = {
        tuple(b.number for b in blocks_of(f"{n} " * 100, 40, 0, 0.1) if b.heldout)
        for n in range(100, 120)
    }
    assert len(chosen) > 5
