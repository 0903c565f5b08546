"""Capture in Go: the rules of this world, beside what every world is asked in `test_worlds`."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlp_core.environments import go_capture
from rlp_core.environments.go_capture import Board, GoCapture, GoCaptureSettings

WORLD = GoCapture("go_capture")
EXAMPLE = Board(".X...XOX....XXX..XOO..X.X")


def drawn(seed: int, **own: float) -> Board:
    return WORLD.sample(random.Random(seed), GoCaptureSettings(**own))  # type: ignore[arg-type]


boards = st.builds(
    lambda seed, size, stones, chains: drawn(
        seed, size=size, stones=stones, chains=min(chains, size - 2)
    ),
    st.integers(0, 10**6),
    st.integers(3, 7),
    st.floats(0, 0.9),
    st.integers(1, 4),
)

Grid = dict[tuple[int, int], str]


def grid(task: Board) -> Grid:
    return {
        (row, column): task.points[row * task.size + column]
        for row in range(task.size)
        for column in range(task.size)
    }


def dead(stones: Grid) -> set[tuple[int, int]]:
    """Stones that no breath reaches: it spreads from free points, then along a colour."""

    def near(point: tuple[int, int]) -> list[tuple[int, int]]:
        row, column = point
        return [(row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)]

    alive = {p for p in stones if stones[p] != "." and any(stones.get(n) == "." for n in near(p))}
    while True:
        reached = {
            p
            for p in stones
            if stones[p] != "."
            and any(n in alive and stones[n] == stones[p] for n in near(p))
            and p not in alive
        }
        if not reached:
            return {p for p in stones if stones[p] != "."} - alive
        alive |= reached


def taken(task: Board) -> dict[str, int]:
    """Point to the white stones that go when black plays there; every free point is tried."""
    before, found = grid(task), {}
    for row, column in before:
        if before[row, column] == ".":
            after = {**before, (row, column): "X"}
            gone = [point for point in dead(after) if after[point] == "O"]
            if gone:
                found[f"{'abcdefghi'[column]}{row + 1}"] = len(gone)
    return found


POINTS = [f"{column}{row}" for column in "abcdefghij" for row in range(11)]


@settings(max_examples=60)
@given(boards)
def test_the_points_that_take_most_when_played_are_right_and_no_others(task: Board) -> None:
    takes = taken(task)
    right = {point for point, number in takes.items() if number == max(takes.values())}
    assert {point for point in POINTS if WORLD.verify(task, point)} == right
    assert WORLD.expert(task).answer in right


@settings(max_examples=60)
@given(boards)
def test_the_steps_give_every_point_that_takes_and_lead_to_the_answer(task: Board) -> None:
    takes = taken(task)
    solution = WORLD.expert(task)
    shown = dict(step.split("=") for step in solution.steps if "=" in step)
    assert {point: int(number) for point, number in shown.items()} == takes
    assert solution.answer == max(shown, key=lambda point: int(shown[point]))
    for point in POINTS:
        for number in range(1, 7):
            step = f"{point}={number}"
            if WORLD.check_step(task, step) is not None:
                assert WORLD.check_step(task, step) is (takes.get(point) == number)


@settings(max_examples=60)
@given(boards)
def test_the_chains_of_the_steps_are_what_dies_when_the_last_liberty_is_filled(task: Board) -> None:
    before = grid(task)
    chains: dict[str, set[str]] = {}
    for step in WORLD.expert(task).steps:
        if " at " in step:
            stones, _, last = step.partition(" at ")
            chains.setdefault(last, set()).update(stones.split())
    for last, shown in chains.items():
        place = (int(last[1]) - 1, "abcdefghi".index(last[0]))
        after = {**before, place: "X"}
        died = {f"{'abcdefghi'[c]}{r + 1}" for r, c in dead(after) if after[r, c] == "O"}
        assert died == shown
    assert set(chains) == set(taken(task))


@given(boards, st.data())
def test_a_step_with_another_point_or_number_does_not_hold(
    task: Board, data: st.DataObject
) -> None:
    step = data.draw(st.sampled_from(WORLD.expert(task).steps))
    words = list(re.finditer("[a-i][1-9]|(?<==)[0-9]+", step))
    chosen = data.draw(st.sampled_from(words))
    others = [word for word in (*POINTS, *"123456789") if word != chosen.group()]
    other = data.draw(st.sampled_from(others))
    changed = step[: chosen.start()] + other + step[chosen.end() :]
    solution = WORLD.expert(task)
    assert WORLD.check_step(task, changed) is not True or changed in solution.steps


@given(boards)
def test_nothing_is_left_without_liberties(task: Board) -> None:
    assert not dead(grid(task))
    assert taken(task)


@pytest.mark.parametrize("size", range(3, 10))
@pytest.mark.parametrize("seed", range(20))
def test_without_a_lucky_draw_there_is_still_a_stone_to_take(
    monkeypatch: pytest.MonkeyPatch, size: int, seed: int
) -> None:
    monkeypatch.setattr(go_capture, "TRIES", 0)
    task = drawn(seed, size=size, chains=1)
    assert task.points.count("O") == 1
    assert not dead(grid(task))
    assert list(taken(task).values()) == [1]
    assert WORLD.read(WORLD.question(task)) == task


@pytest.mark.parametrize(
    ("step", "holds"),
    [
        ("b2 at b3", True),
        ("d4 e4 at d5", True),
        ("e4 d4 at d5", True),
        ("d5=2", True),
        ("b3=1", True),
        ("d4 at d5", False),
        ("d4 e4 e4 at d5", False),
        ("d4 e4 at b3", False),
        ("b2 at c4", False),
        ("b1 at a1", False),
        ("i9 at h9", False),
        ("d5=1", False),
        ("d5=3", False),
        ("a1=1", False),
        ("i9=1", False),
    ],
)
def test_a_step_is_of_this_board(step: str, holds: bool) -> None:
    assert WORLD.check_step(EXAMPLE, step) is holds


@pytest.mark.parametrize(
    "step", ["", "b2", "b2 at", "b2 at b0", "B2 at b3", "b3=0", "b3=01", "b3=\u0661", "b3 = 1"]
)
def test_what_is_no_step_is_not_judged(step: str) -> None:
    assert WORLD.check_step(EXAMPLE, step) is None


@pytest.mark.parametrize("answer", ["b3", "d4", "5d", "D5", "d5.", "d5 d5", "a1", "", "d5" * 10**6])
def test_a_near_miss_is_wrong(answer: str) -> None:
    assert WORLD.verify(EXAMPLE, "d5")
    assert not WORLD.verify(EXAMPLE, answer)


def test_two_chains_at_one_point_are_taken_together_and_equal_points_are_all_right() -> None:
    together = WORLD.read("go 1XXXXX 2OO.OX 3XXXXX 4..... 5....., X takes most O")
    assert together is not None
    assert WORLD.expert(together).steps == ("a2 b2 at c2", "d2 at c2", "c2=3")
    equal = WORLD.read("go 1OX... 2..... 3..... 4..... 5...XO, X takes most O")
    assert equal is not None
    assert [point for point in POINTS if WORLD.verify(equal, point)] == ["a2", "e4"]


@pytest.mark.parametrize(
    "question",
    [
        "",
        "go 1OX. 2... 3..., X takes most O\n",
        "go 1OX. 2... 4..., X takes most O",
        "go 1OX. 2.... 3..., X takes most O",
        "go 1OX. 2..., X takes most O",
        "go 1OX.. 2.... 3...., X takes most O",
        "go 1OX. 2X.. 3..., X takes most O",
        "go 1O.. 2... 3..., X takes most O",
        "go 1OX. 2... 3..., O takes most X",
        "go 1OX. 2... 3..\u0663, X takes most O",
        "go 1" + "X" * 10**6,
        "go" + " 1OX" * 10**5,
    ],
)
def test_what_is_no_board_with_stones_to_take_is_not_read(question: str) -> None:
    assert WORLD.read(question) is None
    assert WORLD.read("go 1OX. 2... 3..., X takes most O") == Board("OX.......")


def test_larger_boards_and_more_chains_make_more_steps() -> None:
    def mean(**own: int) -> float:
        return sum(len(WORLD.expert(drawn(seed, **own)).steps) for seed in range(200)) / 200

    assert mean(size=3, chains=1) < mean(size=5, chains=2) < mean(size=9, chains=4)


def test_the_example_of_the_module_is_true() -> None:
    assert WORLD.question(EXAMPLE) == "go 1.X... 2XOX.. 3..XXX 4..XOO 5..X.X, X takes most O"
    solution = WORLD.expert(EXAMPLE)
    assert solution.steps == ("b2 at b3", "d4 e4 at d5", "b3=1", "d5=2")
    assert solution.answer == "d5"


def test_a_record_is_short() -> None:
    for seed in range(300):
        task = drawn(seed)
        assert len(WORLD.question(task)) < 60
        assert len(WORLD.document(task, WORLD.expert(task), worked=True).text) < 150


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="lower `chains` to 1, or raise `size` to 6"):
        GoCaptureSettings(size=3, chains=4)


@pytest.mark.parametrize(
    ("wrong", "limit"),
    [
        ({"size": 2}, "greater than or equal to 3"),
        ({"size": 10}, "less than or equal to 9"),
        ({"chains": 0}, "greater than or equal to 1"),
        ({"chains": 5}, "less than or equal to 4"),
    ],
)
def test_a_setting_out_of_its_range_is_refused(wrong: dict[str, int], limit: str) -> None:
    with pytest.raises(ValueError, match=limit):
        GoCaptureSettings(**wrong)
