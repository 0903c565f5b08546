"""Nim: the rules of this world, beside what every world is asked in `test_worlds`."""

from __future__ import annotations

import functools
import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.environments.nim import Heaps, Nim, NimSettings

WORLD = Nim("nim")


def drawn(seed: int, **settings: int) -> Heaps:
    return WORLD.sample(random.Random(seed), NimSettings(**settings))


small = st.builds(
    lambda seed, heaps: drawn(seed, min_heaps=heaps, max_heaps=heaps, largest=6),
    st.integers(0, 10**6),
    st.integers(2, 4),
)
positions = st.builds(
    lambda seed, heaps, largest: drawn(seed, min_heaps=heaps, max_heaps=6, largest=largest),
    st.integers(0, 10**6),
    st.integers(2, 6),
    st.integers(2, 63),
)


@functools.cache
def can_win(heaps: tuple[int, ...]) -> bool:
    """By playing on to the end, with no nim-sum: some move leaves what the other cannot win."""
    return any(not can_win(after) for _, after in moves(heaps))


def moves(heaps: tuple[int, ...]) -> list[tuple[str, tuple[int, ...]]]:
    return [
        (f"take {taken} from {heap}", tuple(sorted((*heaps[:i], heap - taken, *heaps[i + 1 :]))))
        for i, heap in enumerate(heaps)
        for taken in range(1, heap + 1)
    ]


@given(small)
def test_the_moves_that_win_when_played_on_are_right_and_no_others(task: Heaps) -> None:
    right = {move for move, after in moves(task.stones) if not can_win(after)}
    assert WORLD.expert(task).answer in right
    every = {f"take {taken} from {heap}" for taken in range(9) for heap in range(9)}
    assert {move for move in every if WORLD.verify(task, move)} == right


@given(positions)
def test_every_position_can_be_won(task: Heaps) -> None:
    assert task.nim_sum != 0
    assert WORLD.verify(task, WORLD.expert(task).answer)


@given(positions)
def test_the_last_step_says_the_move(task: Heaps) -> None:
    solution = WORLD.expert(task)
    heap, left, taken = map(int, re.findall("[0-9]+", solution.steps[-1]))
    assert solution.answer == f"take {taken} from {heap}"
    assert len(solution.steps) > len(task.stones)
    assert f"{heap}^{task.nim_sum}={left}<{heap}" == solution.steps[-2]


@given(positions, st.data())
def test_a_step_with_another_number_does_not_hold(task: Heaps, data: st.DataObject) -> None:
    step = data.draw(st.sampled_from(WORLD.expert(task).steps))
    numbers = list(re.finditer("[0-9]+", step))
    chosen = data.draw(st.sampled_from(numbers))
    other = data.draw(st.integers(0, 99).filter(lambda n: n != int(chosen.group())))
    changed = step[: chosen.start()] + str(other) + step[chosen.end() :]
    assert WORLD.check_step(task, changed) is False


@pytest.mark.parametrize(
    ("step", "holds"),
    [
        ("3^5=6", True),
        ("5^3=6", True),
        ("6^7=1", True),
        ("5^7=2", True),
        ("3^3=0", False),
        ("4^5=1", True),
        ("2^2=0", False),
        ("1^3=2", False),
        ("3^1=2<3", True),
        ("3^1=2>3", False),
        ("3^1=2<5", False),
        ("7^1=6<7", True),
        ("6^1=7>6", False),
        ("3-2=1", True),
        ("5-4=1", True),
        ("5-3=2", False),
        ("2-1=1", False),
    ],
)
def test_a_step_is_of_this_position(step: str, holds: bool) -> None:
    assert WORLD.check_step(Heaps((3, 5, 7)), step) is holds


@pytest.mark.parametrize("step", ["", "3^5", "03^5=6", "3^5=6<", "3+5=8", "3^5=\u0666", "3^5=6 "])
def test_what_is_no_step_is_not_judged(step: str) -> None:
    assert WORLD.check_step(Heaps((3, 5, 7)), step) is None


@pytest.mark.parametrize(
    "answer",
    [
        "take 3 from 1",
        "take 2 from 3",
        "take 0 from 3",
        "take 1 from 4",
        "take 01 from 3",
        "1 3",
        "take 1 from 3.",
        "take one from 3",
        "take 1 from 3 take 1 from 5",
        "take 1 from 3" * 10**5,
    ],
)
def test_a_near_miss_is_wrong(answer: str) -> None:
    task = Heaps((3, 5, 7))
    assert [WORLD.verify(task, f"take 1 from {heap}") for heap in (3, 5, 7)] == [True] * 3
    assert not WORLD.verify(task, answer)


@pytest.mark.parametrize(
    "question",
    [
        "",
        "nim 3, last stone wins",
        "nim 3 3, last stone wins",
        "nim 3 0, last stone wins",
        "nim 3 05, last stone wins",
        "nim 3 64, last stone wins",
        "nim 3 5 7, last stone wins\n",
        "nim 3 5 7, last stone loses",
        "nim 1 2 3, last stone wins",
        "nim 1 1 1 1 1 1 2, last stone wins",
        "nim \u0663 5, last stone wins",
        "nim" + " 7" * 500_000,
    ],
)
def test_what_is_no_position_to_win_is_not_read(question: str) -> None:
    assert WORLD.read(question) is None


def test_an_order_of_heaps_is_a_question_of_its_own_but_no_position_of_its_own() -> None:
    one, other = Heaps((3, 5, 7)), Heaps((7, 3, 5))
    assert WORLD.question(one) != WORLD.question(other)
    assert WORLD.key(one) == WORLD.key(other) != WORLD.key(Heaps((3, 5, 6, 7)))


def test_more_heaps_make_more_steps() -> None:
    def mean(heaps: int) -> float:
        tasks = [drawn(seed, min_heaps=heaps, max_heaps=heaps) for seed in range(100)]
        return sum(len(WORLD.expert(task).steps) for task in tasks) / len(tasks)

    assert mean(2) < mean(4) < mean(6)


def test_the_example_of_the_module_is_true() -> None:
    solution = WORLD.expert(Heaps((2, 5, 6)))
    assert solution.steps == ("2^5=7", "7^6=1", "2^1=3>2", "5^1=4<5", "5-4=1")
    assert solution.answer == "take 1 from 5"


def test_a_record_is_short() -> None:
    for seed in range(300):
        task = drawn(seed)
        assert len(WORLD.question(task)) < 60
        assert len(WORLD.document(task, WORLD.expert(task), worked=True).text) < 150


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="`min_heaps` must not exceed `max_heaps`"):
        NimSettings(min_heaps=5, max_heaps=3)


@pytest.mark.parametrize(
    ("wrong", "limit"),
    [
        ({"largest": 1}, "greater than or equal to 2"),
        ({"min_heaps": 1}, "greater than or equal to 2"),
        ({"max_heaps": 7}, "less than or equal to 6"),
        ({"largest": 64}, "less than or equal to 63"),
    ],
)
def test_a_setting_out_of_its_range_is_refused(wrong: dict[str, int], limit: str) -> None:
    with pytest.raises(ValueError, match=limit):
        NimSettings(**wrong)
