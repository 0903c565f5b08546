"""Towers of blocks: the rules of this world, beside what every world is asked in `test_worlds`."""

import random
from itertools import permutations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from rlp_core.environments.blocksworld import Blocksworld, BlocksworldSettings, Rebuilding

WORLD = Blocksworld("blocksworld")
EXAMPLE = Rebuilding(("ab", "c"), ("a", "cb"))
On = dict[str, str]
"""Each block and what it stands on: another way to write towers."""


def drawn(seed: int, **values: int) -> Rebuilding:
    return WORLD.sample(random.Random(seed), BlocksworldSettings(**values))


seeds = st.integers(0, 10**6)
small = st.builds(
    lambda seed, size: drawn(seed, blocks=size[0], max_moves=size[1]),
    seeds,
    st.sampled_from([(2, 2), (3, 4), (4, 3)]),
)


def on(towers: tuple[str, ...]) -> On:
    return {
        block: below for tower in towers for below, block in zip("t" + tower, tower, strict=False)
    }


def written(state: On) -> str:
    towers = [block for block, below in state.items() if below == "t"]
    for _ in state:
        towers = [
            tower + next((b for b, below in state.items() if below == tower[-1]), "")
            for tower in towers
        ]
    return "/".join(sorted(towers))


def after(state: On, move: str) -> On | None:
    """The state after a move; None where it cannot be made or changes nothing."""
    if len(move) != 3 or move[1] != ">":
        return None
    block, place = move[0], move[2]
    clear = set(state) - set(state.values())
    if block not in clear or place not in clear - {block} | {"t"} or state[block] == place:
        return None
    return state | {block: place}


def every_move(blocks: str) -> list[str]:
    return [f"{block}>{place}" for block, place in product(blocks, blocks + "t")]


def shortest(task: Rebuilding) -> dict[str, list[str]]:
    """All shortest plans with their steps: every sequence of moves is made, short ones first."""
    ways: list[tuple[list[str], list[str], On]] = [([], [], on(task.start))]
    moves = every_move("".join(sorted("".join(task.start))))
    while True:
        found = {" ".join(p): steps for p, steps, state in ways if state == on(task.goal)}
        if found:
            return found
        ways = [
            ([*plan, move], [*steps, f"{move} {written(new)}"], new)
            for plan, steps, state in ways
            for move in moves
            if (new := after(state, move)) is not None
        ]


@given(small)
def test_the_shortest_plans_are_right_and_nothing_else_is(task: Rebuilding) -> None:
    right = shortest(task)
    solution = WORLD.expert(task)
    assert right[solution.answer] == list(solution.steps)
    moves = every_move("".join(task.start))
    for size in range(min(len(solution.steps), 2) + 2):
        if len(moves) ** size < 2000:
            for plan in map(" ".join, product(moves, repeat=size)):
                assert WORLD.verify(task, plan) == (plan in right)
    for plan in right:
        assert WORLD.verify(task, plan)
        parts = plan.split(" ")
        near = {" ".join(order) for order in permutations(parts)}
        near |= {
            " ".join([*parts[:i], m, *parts[i + 1 :]]) for i in range(len(parts)) for m in moves
        }
        near |= {" ".join(parts[:-1]), f"{plan} {parts[-1]}", f"{plan} a>t", plan.replace(" ", ",")}
        near |= {plan.upper(), plan.replace(" ", "  "), plan.replace(">", "-"), f"{plan}."}
        assert all(WORLD.verify(task, one) == (one in right) for one in near)


@settings(max_examples=15)
@given(seeds)
def test_five_blocks_are_moved_as_seldom_as_can_be(seed: int) -> None:
    task = drawn(seed, blocks=5, max_moves=8)
    moves, goal = every_move("abcde"), written(on(task.goal))
    states, reached, count = {written(on(task.start)): on(task.start)}, set[str](), 0
    while goal not in states:
        reached |= set(states)
        nexts = [after(state, move) for state in states.values() for move in moves]
        new = {written(state): state for state in nexts if state is not None}
        states = {text: state for text, state in new.items() if text not in reached}
        count += 1
    assert len(WORLD.expert(task).steps) == count


@settings(max_examples=15)
@given(small)
def test_a_step_holds_where_a_shortest_plan_makes_it(task: Rebuilding) -> None:
    true = {step for steps in shortest(task).values() for step in steps}
    blocks = "".join(sorted("".join(task.start)))
    states = {written(on(tuple(order))) for order in permutations(blocks)}
    states |= {"".join(order) for order in permutations(blocks)}
    states |= {step.split()[1] for step in true} | {"/".join(task.start), "/".join(task.goal)}
    for move, state in product(every_move(blocks), sorted(states)):
        step = f"{move} {state}"
        assert WORLD.check_step(task, step) is (step in true)
    for step in sorted(true):
        for at, letter in product(range(len(step)), "abcdeft/> "):
            other = step[:at] + letter + step[at + 1 :]
            assert (WORLD.check_step(task, other) is True) == (other in true)


@given(seeds, st.integers(2, 5), st.data())
def test_what_is_drawn_is_what_was_asked_for(seed: int, blocks: int, data: st.DataObject) -> None:
    low = data.draw(st.integers(1, 2 * blocks - 2))
    high = data.draw(st.integers(low, 10))
    task = drawn(seed, blocks=blocks, min_moves=low, max_moves=high)
    assert sorted("".join(task.start)) == sorted("".join(task.goal)) == list("abcdef"[:blocks])
    assert low <= len(WORLD.expert(task).steps) <= high


def test_six_blocks_reach_the_longest_plan() -> None:
    task = drawn(1, blocks=6, min_moves=10, max_moves=10)
    assert len(WORLD.expert(task).steps) == 10


def test_the_settings_move_the_difficulty() -> None:
    def steps(**values: int) -> float:
        return sum(len(WORLD.expert(drawn(seed, **values)).steps) for seed in range(100)) / 100

    assert (
        steps(max_moves=2) < steps(max_moves=4) < steps(max_moves=6) < steps(blocks=5, max_moves=8)
    )
    assert steps() < steps(min_moves=3)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"min_moves": 5}, "`min_moves` must not exceed `max_moves`"),
        ({"min_moves": 7, "max_moves": 7}, "for 4 blocks has 7 moves, and the longest 6: lower"),
        ({"blocks": 1}, "greater than or equal to 2"),
        ({"blocks": 7}, "less than or equal to 6"),
    ],
)
def test_impossible_settings_are_refused(values: dict[str, int], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        BlocksworldSettings(**values)


@pytest.mark.parametrize(
    "question",
    [
        "",
        "blocks ab/c",
        "blocks ab/c to ",
        "blocks ab/c to ab/c",
        "blocks ab/c to a/b",
        "blocks ab/c to a/cd",
        "blocks ab/b to a/ba",
        "blocks c/ab to a/cb",
        "blocks ab/c to cb/a",
        "blocks ab//c to a/cb",
        "blocks ab/c to a/cb\n",
        "blocks ab/g to a/gb",
        "blocks AB/C to A/CB",
        "blocks  ab/c to a/cb",
        "path S.#/..G",
    ],
)
def test_what_is_no_question_about_towers_is_not_read(question: str) -> None:
    assert WORLD.read(question) is None


def test_the_example_of_the_docstring() -> None:
    assert WORLD.read("blocks ab/c to a/cb") == EXAMPLE
    assert shortest(EXAMPLE) == {"b>c": ["b>c a/cb"]}


@pytest.mark.parametrize("text", ["blocks " + "a" * 10**6, "a>t " * 250_000, "a/" * 500_000])
def test_a_megabyte_is_no_question_answer_or_step(text: str) -> None:
    assert WORLD.read(text) is None
    assert not WORLD.verify(EXAMPLE, text)
    assert WORLD.check_step(EXAMPLE, text) is None


@pytest.mark.parametrize("step", ["", "b>c", "b>c a//cb", "b>c a/cb ", "b>g a/cb", "t>b a/cb"])
def test_what_is_no_step_is_not_judged(step: str) -> None:
    assert WORLD.check_step(EXAMPLE, step) is None


@pytest.mark.parametrize("step", ["b>c cb/a", "b>c a/c", "b>c a/cbb", "b>c a/cd", "b>b a/cb"])
def test_towers_that_cannot_be_do_not_hold(step: str) -> None:
    assert WORLD.check_step(EXAMPLE, step) is False
