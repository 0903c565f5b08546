"""Deliveries by truck: the rules of this world, beside what each is asked in `test_worlds`."""

import random
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from rlp_core.environments import logistics
from rlp_core.environments.logistics import Haulage, Logistics, LogisticsSettings

WORLD = Logistics("logistics")
EXAMPLE = Haulage("aab", "ca", ("ab", "bc"))
Places = dict[str, str]
"""Where each truck and each package is, by its name."""


def drawn(seed: int, **values: int) -> Haulage:
    return WORLD.sample(random.Random(seed), LogisticsSettings(**values))


seeds = st.integers(0, 10**6)
SIZES = [
    {"towns": 2, "max_packages": 2, "max_actions": 6},
    {"towns": 3, "max_packages": 2, "max_actions": 6, "extra_roads": 1},
    {"towns": 4, "max_packages": 1, "max_actions": 6, "extra_roads": 2},
    {"towns": 3, "max_packages": 1, "max_actions": 5, "trucks": 2},
    {"towns": 2, "min_packages": 2, "max_packages": 2, "max_actions": 5, "trucks": 2},
]
small = st.builds(lambda seed, size: drawn(seed, **size), seeds, st.sampled_from(SIZES))


def names(task: Haulage) -> tuple[str, str]:
    packages = "123"[: len(task.goals)]
    return "xy"[: len(task.start) - len(packages)], packages


def at_first(task: Haulage) -> Places:
    return dict(zip("".join(names(task)), task.start, strict=True))


def every_action(task: Haulage) -> list[str]:
    trucks, packages = names(task)
    towns = sorted(set("".join(task.roads)))
    actions = [f"{truck}>{town}" for truck, town in product(trucks, towns)]
    return actions + [f"{truck}{sign}{p}" for truck, sign, p in product(trucks, "+-", packages)]


def after(task: Haulage, places: Places, action: str) -> Places | None:
    """Where all are after an action; None where it cannot be done."""
    trucks, packages = names(task)
    if len(action) != 3 or action[0] not in trucks:
        return None
    truck, what, other = action
    here = places[truck]
    if what == ">" and here != other and {here, other} in [set(road) for road in task.roads]:
        return places | {truck: other}
    if what == "+" and other in packages and places[other] == here:
        return places | {other: truck}
    if what == "-" and other in packages and places[other] == truck:
        return places | {other: here}
    return None


def is_done(task: Haulage, places: Places) -> bool:
    return all(places[p] == goal for p, goal in zip(names(task)[1], task.goals, strict=True))


def shortest(task: Haulage) -> dict[str, list[str]]:
    """All shortest plans with their steps: every sequence of actions is done, short ones first."""
    ways: list[tuple[list[str], list[str], Places]] = [([], [], at_first(task))]
    actions = every_action(task)
    while True:
        found = {" ".join(plan): steps for plan, steps, places in ways if is_done(task, places)}
        if found:
            return found
        ways = [
            ([*plan, action], [*steps, f"{action} {''.join(new.values())}"], new)
            for plan, steps, places in ways
            for action in actions
            if (new := after(task, places, action)) is not None
        ]


@given(small)
@settings(max_examples=40)
def test_the_shortest_plans_are_right_and_nothing_else_is(task: Haulage) -> None:
    right = shortest(task)
    solution = WORLD.expert(task)
    assert right[solution.answer] == list(solution.steps)
    actions = every_action(task)
    for size in range(3):
        assert not any(WORLD.verify(task, " ".join(plan)) for plan in product(actions, repeat=size))
    for plan in sorted(right)[:20]:
        assert WORLD.verify(task, plan)
        parts = plan.split(" ")
        count = range(len(parts))
        near = {" ".join([*parts[:i], a, *parts[i + 1 :]]) for i in count for a in actions}
        near |= {" ".join([*parts[:i], *parts[i : i + 2][::-1], *parts[i + 2 :]]) for i in count}
        near |= {" ".join(parts[:-1]), " ".join(parts[1:]), " ".join(reversed(parts))}
        near |= {f"{plan} {action}" for action in actions} | {f"x>a x>b {plan}", f"{plan}."}
        near |= {plan.upper(), plan.replace(" ", "  "), plan.replace(" ", ","), plan + "\n x"}
        assert all(WORLD.verify(task, one) == (one in right) for one in near)


@given(small, st.data())
@settings(max_examples=25)
def test_a_step_holds_where_a_shortest_plan_makes_it(task: Haulage, data: st.DataObject) -> None:
    true = {step for steps in shortest(task).values() for step in steps}
    trucks, packages = names(task)
    towns = "".join(sorted(set("".join(task.roads))))
    states = [
        "".join(p) for p in product(*[towns] * len(trucks), *[towns + trucks] * len(packages))
    ]
    chosen = data.draw(st.lists(st.sampled_from(states), max_size=12))
    for action, state in product(every_action(task), chosen + [s[4:] for s in sorted(true)[:8]]):
        step = f"{action} {state}"
        assert WORLD.check_step(task, step) is (step in true)
    for step in sorted(true)[:10]:
        for at, letter in product(range(len(step)), "abcdexy123+->"):
            other = step[:at] + letter + step[at + 1 :]
            assert (WORLD.check_step(task, other) is True) == (other in true)


@pytest.mark.parametrize(
    "size",
    [
        {"towns": 5, "min_packages": 3, "max_packages": 3, "max_actions": 14},
        {"towns": 5, "trucks": 2, "min_packages": 2, "max_actions": 14},
        {"towns": 5, "extra_roads": 3, "min_actions": 6, "max_actions": 10},
    ],
)
def test_no_search_from_the_start_finds_a_shorter_plan(size: dict[str, int]) -> None:
    for seed in range(2):
        task = drawn(seed, **size)
        states, reached, count = [at_first(task)], {tuple(at_first(task).values())}, 0
        while not any(is_done(task, places) for places in states):
            nexts = [after(task, places, a) for places in states for a in every_action(task)]
            new = {tuple(places.values()): places for places in nexts if places is not None}
            states = [places for key, places in new.items() if key not in reached]
            reached |= set(new)
            count += 1
        solution = WORLD.expert(task)
        assert len(solution.steps) == count
        assert all(WORLD.check_step(task, step) is True for step in solution.steps)


@given(seeds, st.integers(2, 4), st.integers(1, 2), st.integers(1, 2), st.integers(0, 2), st.data())
@settings(max_examples=40)
def test_what_is_drawn_is_what_was_asked_for(
    seed: int, towns: int, trucks: int, packages: int, extra: int, data: st.DataObject
) -> None:
    least, most = 2 * packages + 1, 2 * packages + 2 * (towns - 1)
    low = data.draw(st.integers(3, most))
    high = data.draw(st.integers(max(low, least), 14))
    task = drawn(
        seed,
        towns=towns,
        trucks=trucks,
        extra_roads=extra,
        min_packages=packages,
        max_packages=packages,
        min_actions=low,
        max_actions=high,
    )
    assert set("".join(task.roads)) == set("abcde"[:towns])
    assert towns - 1 <= len(task.roads) <= towns - 1 + extra
    assert [len(part) for part in names(task)] == [trucks, packages]
    assert low <= len(WORLD.expert(task).steps) <= high
    assert all(a != b for a, b in zip(task.start[trucks:], task.goals, strict=True))


@pytest.mark.parametrize("towns", [2, 3, 4, 5])
def test_where_no_draw_will_do_a_row_of_towns_has_every_length(
    towns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logistics, "TRIES", 0)
    for trucks, packages in [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2)]:
        if towns == 5 and trucks * packages > 2:
            continue  # slow, and no different
        sizes = {"min_packages": packages, "max_packages": packages, "trucks": trucks}
        for length in range(2 * packages + 1, 2 * packages + 2 * (towns - 1) + 1):
            task = drawn(length, towns=towns, min_actions=length, max_actions=length, **sizes)
            assert len(WORLD.expert(task).steps) == length
            assert WORLD.read(WORLD.question(task)) == task


def test_the_settings_move_the_difficulty() -> None:
    def steps(**values: int) -> float:
        return sum(len(WORLD.expert(drawn(seed, **values)).steps) for seed in range(80)) / 80

    assert steps(max_packages=1, max_actions=4) < steps(max_packages=1) < steps()
    assert steps() < steps(min_packages=2) < steps(min_packages=2, max_actions=12)
    assert steps() < steps(min_actions=6)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"min_packages": 3}, "`min_packages` must not exceed `max_packages`"),
        ({"min_actions": 8}, "`min_actions` must not exceed `max_actions`"),
        ({"trucks": 2, "max_packages": 3}, "too many states to search: lower `max_packages`"),
        ({"max_actions": 4}, "2 packages need 5 actions at least, not 4: raise `max_actions`"),
        (
            {"towns": 3, "min_actions": 7},
            "7 actions are too many for 3 towns and 1 packages, where 6 can be promised: lower",
        ),
        ({"towns": 1}, "greater than or equal to 2"),
        ({"towns": 6}, "less than or equal to 5"),
        ({"trucks": 3}, "less than or equal to 2"),
        ({"min_actions": 2}, "greater than or equal to 3"),
    ],
)
def test_impossible_settings_are_refused(values: dict[str, int], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        LogisticsSettings(**values)


@pytest.mark.parametrize(
    "question",
    [
        "",
        "deliver 1 a>c, x at a, roads",
        "deliver 1 a>c, x at a, roads ab",  # c is no town
        "deliver 1 a>b, x at c, roads ab",
        "deliver 1 a>a, x at a, roads ab",  # there already
        "deliver 1 a>b 2 c>c, x at a, roads ab bc",
        "deliver 1 a>b 3 b>a, x at a, roads ab",
        "deliver 1 a>b 2 b>a 2 b>a, x at a, roads ab",
        "deliver 2 a>b, x at a, roads ab",
        "deliver 1 a>b, y at a, roads ab",
        "deliver 1 a>b 2 a>b 3 a>b, x at a y at a, roads ab",
        "deliver 1 a>b, x at a, roads ab cd",  # two parts
        "deliver 1 a>b, x at a, roads ab ac bc de",
        "deliver 1 a>b, x at a, roads ba",
        "deliver 1 a>b, x at a, roads ab ab",
        "deliver 1 a>b, x at a, roads aa ab",
        "deliver 1 a>b, x at a, roads bc ab",
        "deliver 1 a>b, x at a, roads ab bd",  # c is missing
        "deliver 1 a>b, x at a, roads ab af",
        "deliver 1 a>b, x at a, roads ab\n",
        "deliver 1 a>b,  x at a, roads ab",
        "Deliver 1 a>b, x at a, roads ab",
        "path S.#/..G",
    ],
)
def test_what_is_no_question_about_deliveries_is_not_read(question: str) -> None:
    assert WORLD.read(question) is None


def test_the_example_of_the_docstring() -> None:
    assert WORLD.read("deliver 1 a>c 2 b>a, x at a, roads ab bc") == EXAMPLE
    steps = "x+1 axb;x>b bxb;x+2 bxx;x>a axx;x-2 axa;x>b bxa;x>c cxa;x-1 cca"
    assert ";".join(WORLD.expert(EXAMPLE).steps) == steps
    assert WORLD.verify(EXAMPLE, "x+1 x>b x+2 x>c x-1 x>b x>a x-2")


@pytest.mark.parametrize("text", ["deliver " + "a" * 10**6, "x>a " * 250_000, "1 a>b " * 200_000])
def test_a_megabyte_is_no_question_answer_or_step(text: str) -> None:
    assert WORLD.read(text) is None
    assert not WORLD.verify(EXAMPLE, text)
    assert WORLD.check_step(EXAMPLE, text) is None


@pytest.mark.parametrize(
    "step", ["", "x+1", "x+1 axb ", "z+1 axb", "x+4 axb", "x>x axb", "x>b bxf", "x*1 axb", "x+1 a"]
)
def test_what_is_no_step_is_not_judged(step: str) -> None:
    assert WORLD.check_step(EXAMPLE, step) is None


@pytest.mark.parametrize(
    "step", ["x+1 ax", "x+1 axbb", "x+1 xxb", "y+1 ayb", "x>a axb", "x+3 axb", "x>e exx", "x-1 aab"]
)
def test_states_that_cannot_be_or_do_not_help_do_not_hold(step: str) -> None:
    assert WORLD.check_step(EXAMPLE, step) is False
