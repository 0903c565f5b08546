"""The taxi: its plans held against Gymnasium's own environment, driven action by action."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

pytest.importorskip("gymnasium", reason="the extra gym is not installed")

from gymnasium.envs.toy_text.taxi import TaxiEnv

from rlp_core.environments.taxi import ACTIONS, STANDS, Rides, Taxi, TaxiSettings, tables

WORLD = Taxi("taxi")
ENV = TaxiEnv()
EXAMPLE = Rides((0, 1), ((0, 1), (3, 2)))
ONE_RIDE = [
    Rides((row, column), ((a, b),))
    for row in range(5)
    for column in range(5)
    for a in range(4)
    for b in range(4)
    if a != b
]


def drawn(seed: int, **settings: int) -> Rides:
    return WORLD.sample(random.Random(seed), TaxiSettings(**settings))


tasks = st.builds(drawn, st.integers(0, 10**6))
short = st.sampled_from(ONE_RIDE)


def driven(task: Rides, plan: str) -> tuple[int, list[tuple[int, int]]]:
    """Gymnasium's own return of a plan, ride after ride, and the cell after each action.

    The return is far below every other where the plan ends no last ride, or goes on after it.
    """
    ENV.reset(seed=0)
    ENV.s = ENV.encode(*task.cell, *task.rides[0])
    paid, cells, ride = 0, [], 0
    for action in plan:
        if ride == len(task.rides) or action not in ACTIONS:
            return -(10**6), cells
        state, reward, ends, _, _ = ENV.step(ACTIONS.index(action))
        row, column, _, _ = ENV.decode(int(state))
        paid += int(reward)
        cells.append((row, column))
        if ends:
            ride += 1
            if ride < len(task.rides):
                ENV.s = ENV.encode(row, column, *task.rides[ride])
    return (paid if ride == len(task.rides) else -(10**6)), cells


def shortest(task: Rides) -> set[str]:
    """All plans of fewest actions for one ride, by breadth-first search in the raw tables."""
    start = ENV.encode(*task.cell, *task.rides[0])
    far, queue = {start: 0}, deque([start])
    ends: set[int] = set()
    before: dict[int, set[tuple[int, str]]] = {}
    found: set[str] = set()
    while queue:
        state = queue.popleft()
        for action, ((_, after, _, end),) in ENV.P[state].items():
            if end and (not ends or far[state] == min(far[one] for one in ends)):
                ends.add(state)
            elif after not in far:
                far[after] = far[state] + 1
                queue.append(after)
            if far.get(after) == far[state] + 1 and not end:
                before.setdefault(after, set()).add((state, ACTIONS[action]))

    def ways(state: int) -> set[str]:
        if state == start:
            return {""}
        return {way + action for last, action in before[state] for way in ways(last)}

    for state in ends:
        found |= {f"{way}D" for way in ways(state)}
    return found


@pytest.mark.parametrize("task", ONE_RIDE[::23], ids=WORLD.question)
def test_the_plans_of_fewest_actions_are_right_and_no_others(task: Rides) -> None:
    right = shortest(task)
    assert WORLD.expert(task).answer in right
    assert all(WORLD.verify(task, plan) for plan in right)
    assert all(WORLD.verify(task, f" {plan}\n") for plan in right)
    for plan in sorted(right)[:5]:
        for place in range(len(plan)):
            for action in ACTIONS:
                other = plan[:place] + action + plan[place + 1 :]
                assert WORLD.verify(task, other) is (other in right)
            assert not WORLD.verify(task, plan[:place])
        assert not WORLD.verify(task, f"{plan}N")


@pytest.mark.parametrize("task", ONE_RIDE[::23], ids=WORLD.question)
def test_a_step_is_true_where_some_shortest_plan_takes_it(task: Rides) -> None:
    true = set()
    for plan in shortest(task):
        _, cells = driven(task, plan)
        true |= {
            f"{action} {row + 1},{column + 1} {len(plan) - place}"
            for place, (action, (row, column)) in enumerate(zip(plan, cells, strict=True), start=1)
        }
    most = len(WORLD.expert(task).answer) + 1
    for action in ACTIONS:
        for cell in ((row, column) for row in range(1, 6) for column in range(1, 6)):
            for left in range(most + 1):
                step = f"{action} {cell[0]},{cell[1]} {left}"
                assert WORLD.check_step(task, step) is (step in true)


@given(tasks)
def test_gymnasium_pays_the_expert_the_most(task: Rides) -> None:
    plan = WORLD.expert(task).answer
    paid, cells = driven(task, plan)
    # Each ride pays 20 in place of the 1 that its last action would cost.
    assert paid == 21 * len(task.rides) - len(plan)
    assert [f"{row + 1},{column + 1}" for row, column in cells] == [
        step.split()[1] for step in WORLD.expert(task).steps
    ]


@given(tasks, st.data())
def test_what_is_paid_less_is_wrong(task: Rides, data: st.DataObject) -> None:
    plan = WORLD.expert(task).answer
    best, _ = driven(task, plan)
    place = data.draw(st.integers(0, len(plan) - 1))
    change = data.draw(st.sampled_from([*ACTIONS, "", "NS", "EW", "PD"]))
    other = plan[:place] + change + plan[place + 1 :]
    assert WORLD.verify(task, other) is (driven(task, other)[0] == best)


def test_gymnasium_begins_in_the_tasks_of_one_ride_and_in_no_others() -> None:
    starts = {ENV.encode(*task.cell, *task.rides[0]) for task in ONE_RIDE}
    assert {state for state, share in enumerate(ENV.initial_state_distrib) if share} == starts
    assert len(starts) == 300


def test_every_state_of_the_tables_ends() -> None:
    mdp = tables()
    assert len(mdp.left) == 500
    assert sum(left == 0 for left in mdp.left.values()) == len(STANDS)


@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 6))
def test_settings_bound_the_rides(seed: int, low: int, high: int) -> None:
    low, high = sorted((low, high))
    task = drawn(seed, min_rides=low, max_rides=high)
    assert low <= len(task.rides) <= high
    assert all(a != b for a, b in task.rides)


@pytest.mark.parametrize("settings", [{"min_rides": 0}, {"max_rides": 7}, {"min_rides": 3}])
def test_impossible_settings_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        TaxiSettings(**settings)


def test_all_tasks_of_one_ride_are_drawn() -> None:
    rng, settings = random.Random(0), TaxiSettings(max_rides=1)
    assert {WORLD.sample(rng, settings) for _ in range(5000)} == set(ONE_RIDE)


@pytest.mark.parametrize(
    "question",
    [
        "",
        "taxi",
        "taxi at 1,2:",
        "taxi at 1,2: R>R",
        "taxi at 0,2: R>G",
        "taxi at 1,6: R>G",
        "taxi at 1,2: R>G ",
        "taxi at 1,2: R>G\n",
        "taxi at 1,2: R>X",
        "taxi at 1,2: R>G,B>Y",
        "Taxi at 1,2: R>G",
        "taxi at \u0661,2: R>G",
        f"taxi at 1,2:{' R>G' * 7}",
    ],
)
def test_what_is_no_taxi_is_not_read(question: str) -> None:
    assert WORLD.read(question) is None


def test_the_example_of_the_docstring() -> None:
    assert WORLD.question(EXAMPLE) == "taxi at 1,2: R>G B>Y"
    assert WORLD.read("taxi at 1,2: R>G B>Y") == EXAMPLE
    first = WORLD.expert(EXAMPLE)
    assert first.steps[0].startswith("W 1,1 ")
    assert len(first.steps) == len(first.answer)


@pytest.mark.parametrize("text", ["taxi at 1,2: " + "R>G " * 10**5, "W" * 10**6, "W 1,1 9" * 10**5])
def test_a_megabyte_is_no_question_answer_or_step(text: str) -> None:
    assert WORLD.read(text) is None
    assert not WORLD.verify(EXAMPLE, text)
    assert WORLD.check_step(EXAMPLE, text) is None


@pytest.mark.parametrize("step", ["", "W", "W 1,1", "W 1,1 09", "W 0,1 9", "W 1,1 9 ", "X 1,1 9"])
def test_what_is_no_step_is_not_judged(step: str) -> None:
    assert WORLD.check_step(EXAMPLE, step) is None


def test_gymnasium_waits_for_the_first_task() -> None:
    script = (
        "import sys\nfrom rlp_core import environments as e\n"
        "world = e.get('taxi'); world.settings()\n"
        "assert 'gymnasium' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
