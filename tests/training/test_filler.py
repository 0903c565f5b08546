"""Filler thoughts and plain text in the bootstrap's demonstrations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.data.records import Demonstration
from rlp_core.training.batches import demonstration_example
from rlp_core.training.filler import mix_in
from tests import models

CODEC = models.codec()
MAX = 60


def demonstrations(count=40):
    return [
        Demonstration(
            id=f"d{i}", key=f"k{i}", source="s", licence="l", continuation="2\n",
            context=f"Q: {i % 10}+4-5\nA:", thought="" if i % 2 else f" W: {i % 10}",
        )
        for i in range(count)
    ]  # fmt: skip


def mixed(idle, stray, seed=1, count=40):
    demos = demonstrations(count)
    shown = [demonstration_example(CODEC, demo, MAX) for demo in demos]
    return demos, shown, mix_in(CODEC, demos, shown, MAX, idle, stray, seed)


def test_nothing_changes_without_a_share():
    _, shown, found = mixed(0.0, 0.5)
    assert found == shown


@given(st.floats(0, 1), st.integers(0, 5))
def test_an_idle_example_is_the_text_cut_by_one_thought(stray, seed):
    demos, _, found = mixed(1.0, stray, seed, count=12)
    thoughts = [CODEC.encode(demo.thought) for demo in demos if demo.thought]
    for demo, example in zip(demos, found, strict=True):
        opened = example.tokens.index(CODEC.open_id)
        closed = example.tokens.index(CODEC.close_id)
        inner = example.tokens[opened + 1 : closed]
        text, _ = CODEC.document(demo.context + demo.continuation, [], MAX)
        assert opened >= 1
        assert [*example.tokens[:opened], *example.tokens[closed + 1 :]] == text
        assert inner == [] or inner in thoughts
        # an empty thought is learnt with its close; of a stray one only what follows it
        assert list(example.places) == list(
            range(closed + 1 if inner else closed, len(example.tokens))
        )


@given(st.floats(0, 1), st.integers(1, 30), st.integers(0, 5))
def test_a_cut_idle_example_is_the_beginning_of_the_whole_one_or_nothing(stray, limit, seed):
    demos = demonstrations(6)
    shown = [demonstration_example(CODEC, demo, limit) for demo in demos]
    for example in mix_in(CODEC, demos, shown, limit, 1.0, stray, seed):
        assert len(example.tokens) <= limit
        if example.places:
            assert CODEC.close_id in example.tokens[:-1]
            assert len(example.tokens) == min(limit, example.whole)


@pytest.mark.parametrize(("idle", "stray"), [(0.3, 0.0), (0.5, 0.5), (0.8, 1.0)])
def test_shares_are_what_they_say(idle, stray):
    _, shown, found = mixed(idle, stray, count=2000)
    changed = [new for old, new in zip(shown, found, strict=True) if old != new]
    strays = [
        e for e in changed if e.tokens.index(CODEC.close_id) > e.tokens.index(CODEC.open_id) + 1
    ]
    assert len(changed) / 2000 == pytest.approx(idle, abs=0.04)
    assert len(strays) / len(changed) == pytest.approx(stray, abs=0.06)


def test_the_same_seed_mixes_the_same():
    assert mixed(0.5, 0.5, seed=3)[2] == mixed(0.5, 0.5, seed=3)[2]
    assert mixed(0.5, 0.5, seed=3)[2] != mixed(0.5, 0.5, seed=4)[2]


@given(st.integers(1, MAX), st.integers(0, 5))
def test_a_plain_example_is_the_text_and_its_end_all_learnt_or_nothing(limit, seed):
    demos = demonstrations(6)
    shown = [demonstration_example(CODEC, demo, limit) for demo in demos]
    found = mix_in(CODEC, demos, shown, limit, 0.0, 0.0, seed, 1.0)
    for demo, example in zip(demos, found, strict=True):
        text, _ = CODEC.document(demo.context + demo.continuation, [])
        assert example.whole == len(text)
        assert example.tokens == (text if len(text) <= limit else [])
        assert list(example.places) == list(range(CODEC.first, len(example.tokens)))


@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 5))
def test_fillers_and_plain_texts_are_drawn_apart_and_the_rest_stays(filler, plain, seed):
    plain = min(plain, 1 - filler)
    demos = demonstrations()
    shown = [demonstration_example(CODEC, demo, MAX) for demo in demos]
    both = mix_in(CODEC, demos, shown, MAX, filler, 0.5, seed, plain)
    without = mix_in(CODEC, demos, shown, MAX, filler, 0.5, seed)
    moved = [i for i, example in enumerate(both) if example != without[i]]
    assert all(without[i] == shown[i] for i in moved)  # no filler became plain
    assert all(CODEC.close_id not in both[i].tokens for i in moved)


def test_a_share_of_plain_texts_is_about_that_share():
    demos = demonstrations(400)
    shown = [demonstration_example(CODEC, demo, MAX) for demo in demos]
    found = mix_in(CODEC, demos, shown, MAX, 0.0, 0.0, 1, 0.25)
    assert 70 < sum(CODEC.close_id not in example.tokens for example in found) < 130
