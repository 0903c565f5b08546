"""Tic-tac-toe: the rules of this world, beside what every world is asked in `test_worlds`."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlp_core.environments.tic_tac_toe import Position, TicTacToe, TicTacToeSettings

WORLD = TicTacToe("tic_tac_toe")
WORDS = {1: "win", 0: "draw", -1: "loss"}


def drawn(seed: int, low: int = 2, high: int = 5) -> Position:
    return WORLD.sample(random.Random(seed), TicTacToeSettings(min_empty=low, max_empty=high))


positions = st.builds(drawn, st.integers(0, 10**6), st.just(2), st.just(6))


def board(task: Position) -> list[int]:
    """X as 1, O as -1, free as 0."""
    return [{"X": 1, "O": -1}.get(cell, 0) for cell in task.cells]


def result(cells: list[int], mover: int) -> int:
    """1 if X wins, -1 if O does, when both play their best; every game is played to its end."""
    rows = [cells[0:3], cells[3:6], cells[6:9]]
    columns = [list(column) for column in zip(*rows, strict=True)]
    slopes = [[rows[i][i] for i in range(3)], [rows[i][2 - i] for i in range(3)]]
    sums = [sum(line) for line in rows + columns + slopes]
    if 3 in sums or -3 in sums:
        return 1 if 3 in sums else -1
    ends = [result(played(cells, i, mover), -mover) for i in range(9) if cells[i] == 0]
    return (max(ends) if mover == 1 else min(ends)) if ends else 0


def played(cells: list[int], place: int, mover: int) -> list[int]:
    return [*cells[:place], mover, *cells[place + 1 :]]


def worth(task: Position) -> dict[str, int]:
    """Of each free cell, to whoever has to move."""
    cells = board(task)
    mover = 1 if sum(cells) == 0 else -1
    return {
        str(i + 1): mover * result(played(cells, i, mover), -mover)
        for i in range(9)
        if cells[i] == 0
    }


@settings(max_examples=50)
@given(positions)
def test_the_best_cells_are_right_and_no_others(task: Position) -> None:
    values = worth(task)
    right = {cell for cell, value in values.items() if value == max(values.values())}
    assert {cell for cell in "0123456789X" if WORLD.verify(task, cell)} == right
    assert WORLD.expert(task).answer in right
    assert len(right) < len(values)


@settings(max_examples=50)
@given(positions)
def test_the_steps_give_every_legal_move_its_worth_and_no_other(task: Position) -> None:
    values = worth(task)
    assert WORLD.expert(task).steps == tuple(f"{c}={WORDS[v]}" for c, v in values.items())
    for cell in "123456789":
        for value, word in WORDS.items():
            assert WORLD.check_step(task, f"{cell}={word}") is (values.get(cell) == value)


@given(positions)
def test_who_reads_the_steps_has_the_answer(task: Position) -> None:
    solution = WORLD.expert(task)
    words = dict(step.split("=") for step in solution.steps)
    best = next(word for word in ("win", "draw", "loss") if word in words.values())
    assert solution.answer == next(cell for cell, word in words.items() if word == best)


@pytest.mark.parametrize("task", [Position("X2O4X678O"), Position("1XOXX6O8O")])
@pytest.mark.parametrize(
    "step", ["", "2", "2=", "2=lost", "0=win", "2=win ", "\u0662=win", "22=win"]
)
def test_what_is_no_step_is_not_judged(task: Position, step: str) -> None:
    assert WORLD.check_step(task, step) is None


@pytest.mark.parametrize(
    "answer", ["", "0", "1", "X", "66", "6.", "26", "\u0666", "6 6", "6" * 10**6]
)
def test_a_near_miss_is_wrong(answer: str) -> None:
    task = Position("X2OX5678O")
    assert WORLD.verify(task, "7")
    assert not WORLD.verify(task, answer)


@pytest.mark.parametrize(
    "question",
    [
        "",
        "tic-tac-toe X2O/4X6/78O, O moves",
        "tic-tac-toe X2O/4X6/78O, X moves\n",
        "tic-tac-toe X2O/4X6/87O, X moves",
        "tic-tac-toe XXO/4X6/78O, X moves",
        "tic-tac-toe XXX/4O6/7OO, X moves",
        "tic-tac-toe XXX/4O6/7O9, O moves",
        "tic-tac-toe XOX/OXO/OX9, X moves",
        "tic-tac-toe 123/456/789, X moves",
        "tic-tac-toe X2O/4X6/78\u0669, X moves",
        "tic-tac-toe " + "X" * 10**6,
    ],
)
def test_what_is_no_position_worth_asking_about_is_not_read(question: str) -> None:
    assert WORLD.read(question) is None


@given(st.integers(0, 10**6), st.integers(2, 8))
def test_the_free_cells_are_as_many_as_the_settings_say(seed: int, empty: int) -> None:
    task = drawn(seed, empty, empty)
    assert len(task.free) == len(WORLD.expert(task).steps) == empty
    assert WORLD.read(WORLD.question(task)) == task


def test_the_example_of_the_module_is_true() -> None:
    solution = WORLD.expert(Position("X2O4X678O"))
    assert solution.steps == ("2=loss", "4=loss", "6=draw", "7=loss", "8=loss")
    assert solution.answer == "6"


def test_a_record_is_short() -> None:
    for seed in range(300):
        task = drawn(seed)
        assert len(WORLD.question(task)) < 60
        assert len(WORLD.document(task, WORLD.expert(task), worked=True).text) < 150


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="`min_empty` must not exceed `max_empty`"):
        TicTacToeSettings(min_empty=6, max_empty=3)


@pytest.mark.parametrize(
    ("wrong", "limit"),
    [
        ({"min_empty": 1}, "greater than or equal to 2"),
        ({"max_empty": 9}, "less than or equal to 8"),
    ],
)
def test_a_setting_out_of_its_range_is_refused(wrong: dict[str, int], limit: str) -> None:
    with pytest.raises(ValueError, match=limit):
        TicTacToeSettings(**wrong)
