"""The replay buffer: bounded, drawn by |advantage|, restored to the bit, and read as it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.training.config import ReplayConfig
from rlp_core.training.groups import RolloutGroup, ThinkPosition
from rlp_core.training.positions import TokenizedDocument
from rlp_core.training.replay_buffer import ReplayBuffer
from tests.training import steps
from tests.training.steps import distance, gradients, stopping, textbook

TEXTS = [TokenizedDocument(10 + i, list(range(9)), list(range(1, 9))) for i in range(4)]


def group(text: int, step: int, size: float = 1.0, position: int = 1) -> RolloutGroup:
    position = ThinkPosition(TEXTS[text], position, range(position, position + 1))
    return RolloutGroup(
        position, step, [[5], [6, 7]], [True, False], [[-1.0], [-2.0, -0.1]], [0.5, 1.5], 0.25,
        advantages=[size, -size],
    )  # fmt: skip


def buffer(capacity: int = 99, max_age: int = 10**6, seed: int = 0) -> ReplayBuffer:
    return ReplayBuffer(capacity, max_age, seed)


@given(st.integers(1, 9), st.integers(1, 5), st.lists(st.integers(0, 3), max_size=9))
def test_number_and_age_are_bounded(capacity: int, max_age: int, sizes: list[int]) -> None:
    kept = buffer(capacity, max_age)
    for step, size in enumerate(sizes):
        found = kept.draw(99, step)
        assert found == kept.groups  # more than there are: all of them
        assert all(1 <= step - each.step <= max_age for each in found)
        kept.add([group(i, step) for i in range(size)])
        assert len(kept.groups) <= capacity
    added = [step for step, size in enumerate(sizes) for _ in range(size)]
    young = [step for step in added[-capacity:] if len(sizes) - step <= max_age]
    kept.draw(1, len(sizes))
    assert [each.step for each in kept.groups] == young


def test_the_oldest_go_first() -> None:
    kept = buffer(capacity=2)
    kept.add([group(0, 0)])
    kept.add([group(1, 1), group(2, 1)])
    assert [each.position.document.number for each in kept.groups] == [11, 12]


def test_draws_are_in_proportion_to_the_size_of_the_advantage() -> None:
    kept = buffer()
    kept.add([group(0, 0, 3.0), group(1, 0, 1.0), group(2, 0, 0.0)])
    drawn = [kept.draw(1, step)[0].position.document.number for step in range(1, 2001)]
    assert drawn.count(10) / 2000 == pytest.approx(0.75, abs=0.04)  # four standard errors
    assert drawn.count(12) == 0


def test_a_draw_is_distinct_and_depends_on_coordinates_alone() -> None:
    groups = [group(text, 0, position=p) for text in range(4) for p in (1, 4)]
    one, other = buffer(), buffer()
    one.add(groups)
    other.add(groups[::-1])

    def positions(kept, step):
        found = [(g.position.document.number, g.position.index) for g in kept.draw(3, step)]
        assert len(set(found)) == 3
        return set(found)

    assert all(positions(one, step) == positions(other, step) for step in range(1, 30))
    assert len({frozenset(positions(one, step)) for step in range(1, 30)}) > 5
    elsewhere = buffer(seed=1)
    elsewhere.add(groups)
    assert any(positions(one, step) != positions(elsewhere, step) for step in range(1, 30))


def test_without_advantages_the_spread_of_the_rewards_is_the_priority() -> None:
    kept = buffer()
    kept.add([group(0, 0), group(1, 0)])
    for each in kept.groups:
        each.advantages = []
    kept.groups[1].predicted = [0.5, 0.5]
    assert {kept.draw(1, step)[0].position.document.number for step in range(1, 50)} == {10}


def test_nothing_is_drawn_of_nothing() -> None:
    assert buffer().draw(3, 1) == []
    kept = buffer()
    kept.add([group(0, 0)])
    assert kept.draw(0, 1) == []


def test_it_is_restored_exactly(tmp_path) -> None:
    made = stopping(replay=ReplayConfig(groups=2, capacity=3), horizon=2)
    for number in range(2):
        made.step(number)
    assert len(made.buffer.groups) == 3
    state = steps.saved(made.buffer.state(), tmp_path)
    other = buffer(3, 4, 5)
    other.restore(state, {text.number: text for text in made.documents})
    assert other.groups == made.buffer.groups
    assert {id(each.position.document) for each in other.groups} <= {
        id(text) for text in made.documents
    }


def test_a_step_tells_of_what_it_replays() -> None:
    made = stopping(replay=ReplayConfig(groups=3, capacity=8, max_age=2), importance_limit=1.2)
    first = made.step(0).metrics
    assert (first["replayed"], first["staleness"], first["importance"]) == (0, 0, 1)
    second = made.step(1).metrics
    assert (second["replayed"], second["staleness"]) == (3, 1)
    assert 0 < second["importance"] != 1
    made.step(2)
    assert 1 < made.step(3).metrics["staleness"] <= 2
    assert {each.step for each in made.buffer.groups} == {2, 3}


def test_a_replayed_step_has_the_textbook_s_gradient() -> None:
    made = stopping(replay=ReplayConfig(groups=2), importance_limit=1.1)
    made.step(0)
    groups = made.groups(1)
    replayed = made.buffer.draw(2, 1)
    assert len(replayed) == 2
    everything = sorted([*replayed, *groups], key=lambda each: each.position.document.number)
    for each in replayed:  # judged anew, so that the textbook can be asked
        predicted = textbook(made, [each], 1)[0].rewards[0]
        each.predicted = [value + (each.baseline or 0.0) for value in predicted]
    made.reward(everything, 1)
    expected = textbook(made, everything, 1)[1]
    made.accumulate(everything, 1)
    assert distance(gradients(made), expected) < 1e-4


def test_a_replayed_thought_keeps_the_advantage_it_was_given() -> None:
    made = stopping(replay=ReplayConfig(groups=4))
    made.step(0)
    given_then = [list(each.advantages) for each in made.buffer.groups]
    made.step(1)
    old = [each.advantages for each in made.buffer.groups if each.step == 0]
    assert old == given_then


def test_a_skipped_step_is_not_replayed() -> None:
    made = stopping(replay=ReplayConfig(groups=2))
    parameter = next(made.ema.model.parameters())
    parameter.fill_(float("nan"))
    assert made.step(0).metrics["skipped"] == 1
    assert made.buffer.groups == []
