"""Ways on a grid: the rules of this world, beside what every world is asked in `test_worlds`."""

import random
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rlp_core.environments.navigation import Maze, Navigation, NavigationSettings

WORLD = Navigation("navigation")
BY = {"R": (0, 1), "D": (1, 0), "L": (0, -1), "U": (-1, 0)}
EXAMPLE = Maze(("S.#", "..G"))


def drawn(seed: int, **settings: int) -> Maze:
    return WORLD.sample(random.Random(seed), NavigationSettings(**settings))


seeds = st.integers(0, 10**6)
small = st.builds(
    lambda seed, rows, walls, high: drawn(
        seed, rows=rows, columns=3, walls=min(walls, 3 * rows - 3), min_moves=1, max_moves=high
    ),
    seeds,
    st.integers(2, 4),
    st.integers(0, 6),
    st.integers(1, 6),
)


def place(maze: Maze, letter: str) -> tuple[int, int]:
    text = "".join(maze.rows)
    return divmod(text.index(letter), len(maze.rows[0]))


def end(maze: Maze, moves: str) -> tuple[int, int] | None:
    """Where moves end that are walked one by one; None where one is no move or meets a wall."""
    row, column = place(maze, "S")
    for move in moves:
        if move not in BY:
            return None
        row, column = row + BY[move][0], column + BY[move][1]
        inside = 0 <= row < len(maze.rows) and 0 <= column < len(maze.rows[0])
        if not inside or maze.rows[row][column] == "#":
            return None
    return row, column


def shortest(maze: Maze) -> set[str]:
    """All shortest answers: every string of moves is walked, the short ones first."""
    ways, goal = [""], place(maze, "G")
    while True:
        if found := {way for way in ways if end(maze, way) == goal}:
            return found
        ways = [way + move for way in ways for move in BY if end(maze, way + move)]


def true_steps(maze: Maze) -> set[str]:
    made = set()
    for way in shortest(maze):
        for count, move in enumerate(way, start=1):
            cell = end(maze, way[:count])
            assert cell is not None
            made.add(f"{move} {cell[0] + 1},{cell[1] + 1} {len(way) - count}")
    return made


@given(small)
def test_the_shortest_ways_are_right_and_nothing_else_is(maze: Maze) -> None:
    right = shortest(maze)
    assert WORLD.expert(maze).answer in right
    length = len(min(right))
    for size in range(min(length, 3) + 2):
        for moves in map("".join, product("RDLU", repeat=size)):
            assert WORLD.verify(maze, moves) == (moves in right)
    for way in right:
        assert WORLD.verify(maze, way)
        near = {way[:-1], way + "R", way + "RL", way[::-1], way.lower(), " ".join(way), way + "."}
        near |= {way[:i] + move + way[i + 1 :] for i in range(length) for move in "RDLUX "}
        assert all(WORLD.verify(maze, one) == (one.strip() in right) for one in near)


@given(small)
def test_the_steps_are_the_way_that_is_answered(maze: Maze) -> None:
    solution = WORLD.expert(maze)
    assert "".join(step[0] for step in solution.steps) == solution.answer
    assert [int(step.split()[-1]) for step in solution.steps] == list(
        range(len(solution.steps) - 1, -1, -1)
    )
    assert set(solution.steps) <= true_steps(maze)


@given(small, st.data())
def test_a_step_holds_where_a_shortest_way_makes_it(maze: Maze, data: st.DataObject) -> None:
    steps = true_steps(maze)
    step = data.draw(st.sampled_from(sorted(steps)))
    at = data.draw(st.integers(0, len(step) - 1))
    for letter in "RDLUX0123456789, ":
        other = step[:at] + letter + step[at + 1 :]
        verdict = WORLD.check_step(maze, other)
        assert (verdict is True) == (other in steps)
    cells = product("RDLU", range(1, 6), range(1, 6), range(7))
    for move, row, column, left in cells:
        other = f"{move} {row},{column} {left}"
        assert WORLD.check_step(maze, other) is (other in steps)


@given(seeds, st.integers(2, 9), st.integers(2, 9), st.integers(0, 79), st.data())
def test_what_is_drawn_is_what_was_asked_for(
    seed: int, rows: int, columns: int, walls: int, data: st.DataObject
) -> None:
    walls = min(walls, rows * columns - 2)
    most = max(m for m in range(1, 13) if (m * m + 1) // 2 < rows * columns - walls)
    low = data.draw(st.integers(1, most))
    high = data.draw(st.integers(low, low + 4))
    maze = drawn(seed, rows=rows, columns=columns, walls=walls, min_moves=low, max_moves=high)
    assert (len(maze.rows), len(maze.rows[0])) == (rows, columns)
    assert "".join(maze.rows).count("#") == walls
    assert low <= len(WORLD.expert(maze).answer) <= high


def test_the_settings_move_the_difficulty() -> None:
    def steps(**settings: int) -> float:
        drawn_ones = (drawn(seed, **settings) for seed in range(100))
        return sum(len(WORLD.expert(maze).steps) for maze in drawn_ones) / 100

    assert steps(max_moves=3) < steps(max_moves=6) < steps(rows=9, columns=9, max_moves=12)
    assert steps() < steps(min_moves=4) < steps(min_moves=6, walls=6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_moves": 5, "max_moves": 4}, "`min_moves` must not exceed `max_moves`"),
        ({"walls": 24}, "1 cells without a wall are too few for 2 moves, which need 3: lower"),
        ({"walls": 7, "min_moves": 6}, "18 cells without a wall .* 6 moves, which need 19"),
        ({"rows": 1}, "greater than or equal to 2"),
        ({"columns": 10}, "less than or equal to 9"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        NavigationSettings(**settings)


@pytest.mark.parametrize(
    "question",
    [
        "",
        "path",
        "path S.#/..",
        "path S.#/...",
        "path ..#/..G",
        "path SS#/..G",
        "path S.#/.GG",
        "path S.#/.#G",
        "path S.#/..G/",
        "path S.#/..G\n",
        "path s.#/..g",
        "path SG",
        "path S.#/..G/x..",
        "Path S.#/..G",
        "path S........G/..........",
        f"path {'/'.join(['S........G'[:9]] + ['.........'] * 9)}",
        "jump twice",
    ],
)
def test_what_is_no_grid_with_a_way_is_not_read(question: str) -> None:
    assert WORLD.read(question) is None


def test_the_example_of_the_docstring() -> None:
    assert WORLD.read("path S.#/..G") == EXAMPLE
    assert shortest(EXAMPLE) == {"DRR", "RDR"}
    assert WORLD.check_step(EXAMPLE, "D 2,1 2") is True


@pytest.mark.parametrize(
    "text", ["path " + "." * 10**6, "S" * 10**6, "R" * 10**6, "D 2,1 2" * 10**5]
)
def test_a_megabyte_is_no_question_answer_or_step(text: str) -> None:
    assert WORLD.read(text) is None
    assert not WORLD.verify(EXAMPLE, text)
    assert WORLD.check_step(EXAMPLE, text) is None


@pytest.mark.parametrize("step", ["", "R", "R 1,2", "R 1,2 04", "R 0,2 4", "R 1,2 4 ", "RR 1,2 4"])
def test_what_is_no_step_is_not_judged(step: str) -> None:
    assert WORLD.check_step(EXAMPLE, step) is None
