"""Rounds of deliveries: this world's rules, beside what every world is asked in `test_worlds`."""

import random
import re
from itertools import pairwise, permutations
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rlp_core.environments.deliveries import STOPS, Deliveries, DeliveriesSettings, Roads

WORLD = Deliveries("deliveries")
KNOWN = Roads((5, 7, 9, 3, 4, 2))  # round oa5 ob7 oc9 ab3 ac4 bc2


def drawn(seed: int, stops: int, farthest: int) -> Roads:
    settings = DeliveriesSettings(min_stops=3, max_stops=stops, farthest=farthest)
    return WORLD.sample(random.Random(seed), settings)


roads = st.builds(drawn, st.integers(0, 10**6), st.integers(3, 5), st.sampled_from([2, 9, 99]))


def rounds(task: Roads) -> dict[str, int]:
    """The length of every round, read off the question: all orders are walked."""
    found = re.findall("([a-z])([a-z])([0-9]+)", WORLD.question(task).removeprefix("round"))
    legs = {frozenset(one[:2]): int(one[2]) for one in found}
    stops = sorted({name for one in found for name in one[:2]} - {"o"})
    walked = {}
    for order in permutations(stops):
        places = ["o", *order, "o"]
        walked["".join(order)] = sum(
            legs[frozenset(places[i : i + 2])] for i in range(len(places) - 1)
        )
    return walked


@given(roads)
def test_every_shortest_round_is_right_and_no_other(task: Roads) -> None:
    lengths = rounds(task)
    shortest = min(lengths.values())
    for order, length in lengths.items():
        assert WORLD.verify(task, order) == WORLD.verify(task, order[::-1]) == (length == shortest)
    answer = WORLD.expert(task).answer
    assert lengths[answer] == shortest
    near = (
        answer[:-1],
        answer * 2,
        answer + answer[0],
        f"o{answer}o",
        answer.upper(),
        f"{answer}i",
    )
    for wrong in (*near, " ".join(answer), answer[:-1] + answer[0], answer[:-1] + "h"):
        assert not WORLD.verify(task, wrong)


@given(st.integers(0, 10**6), st.integers(6, 7))
def test_with_more_stops_the_expert_is_as_good_as_all_orders(seed: int, stops: int) -> None:
    chance = random.Random(seed)
    task = WORLD.sample(chance, DeliveriesSettings(min_stops=stops, max_stops=stops))
    places, table = range(stops + 1), task.table()
    least = min(
        table[0][way[0]] + sum(map(lambda i, j: table[i][j], way, way[1:])) + table[way[-1]][0]
        for way in permutations(places[1:])
        if way[0] < way[-1]
    )
    assert WORLD.expert(task).steps[-1].endswith(f"={least}")
    assert WORLD.verify(task, WORLD.expert(task).answer)


@given(roads)
def test_the_steps_hold_and_lead_to_the_answer(task: Roads) -> None:
    solution, lengths = WORLD.expert(task), rounds(task)
    assert all(WORLD.check_step(task, step) is True for step in solution.steps)
    assert WORLD.read(WORLD.question(task)) == task
    *shown, compared = solution.steps
    assert len(shown) == task.stops - 1
    for last, step in zip(STOPS[1:], shown, strict=False):
        order, length = step.partition(" ")[0], int(step.rpartition("=")[2])
        assert order.endswith(last)
        assert lengths[order] == length
        assert length == min(lengths[one] for one in lengths if one[-1] == last)
    best = compared.rpartition("=")[2]
    first = next(step for step in shown if step.rpartition("=")[2] == best)
    assert first.partition(" ")[0] == solution.answer


@given(roads, st.randoms(use_true_random=False), st.integers(0, 200))
def test_a_step_with_another_number_does_not_hold(
    task: Roads, chance: random.Random, number: int
) -> None:
    step = chance.choice(WORLD.expert(task).steps)
    place = chance.choice(list(re.finditer("[0-9]+", step)))
    wrong = f"{step[: place.start()]}{number}{step[place.end() :]}"
    assert (WORLD.check_step(task, wrong) is True) == (wrong == step)


@given(roads, st.randoms(use_true_random=False))
def test_a_round_in_another_order_holds_only_where_its_legs_are_the_same(
    task: Roads, chance: random.Random
) -> None:
    names, _, sums = chance.choice(WORLD.expert(task).steps[:-1]).partition(" ")
    other = "".join(chance.sample(names, len(names)))
    order = [STOPS.index(name) + 1 for name in other]
    places, table = [0, *order, 0], task.table()
    legs = "+".join(str(table[i][j]) for i, j in pairwise(places))
    assert WORLD.check_step(task, f"{other} {sums}") is (legs == sums.partition("=")[0])
    twice = names[:-1] + names[0]
    assert WORLD.check_step(task, f"{twice} {sums}") is False


@pytest.mark.parametrize("step", ["cba 9+2+3+5=19", "bac 7+3+4+9=23", "min(19,18)=18"])
def test_a_step_in_another_order_or_of_a_longer_round_holds(step: str) -> None:
    assert WORLD.check_step(KNOWN, step) is True


@pytest.mark.parametrize(
    "step",
    [
        "acb 4+5+2+7=18",  # the legs in another order
        "acb 5+4+2=11",
        "acb 5+4+2+7+0=18",
        "acb 5+4+2+7=17",
        "ab 5+3+7=15",
        "abcd 5+3+2+9=19",
        "acb 5+4+2+6=17",
        "min(18,19)=19",
        "min(18,23)=18",
        "min(18,19,23)=18",
        "min(17,19)=17",
    ],
)
def test_a_step_that_is_wrong_or_leaves_something_out_does_not_hold(step: str) -> None:
    assert WORLD.check_step(KNOWN, step) is False


@pytest.mark.parametrize(
    "step",
    [
        "",
        "acb",
        "acb 18",
        "acb=18",
        "5+4+2+7=18",
        "oacbo 5+4+2+7=18",
        "acb  5+4+2+7=18",
        "acb 05+4+2+7=18",
        "acb 5+4+2+7=18\n",
        "acb 5+4+2+7=1\u0668",
        "min(18)=18",
        "min(18, 19)=18",
        "max(18,19)=18",
        "round oa5 ob7 oc9 ab3 ac4 bc2",
    ],
)
def test_what_is_no_step_is_not_judged(step: str) -> None:
    assert WORLD.check_step(KNOWN, step) is None


@pytest.mark.parametrize(
    "question",
    [
        "",
        "round",
        "round oa5 ob7 ab3",
        "round oa5 ob7 oc9 ab3 ac4",
        "round oa5 ob7 oc9 ab3 ac4 bc2 ",
        "round oa5 ob7 oc9 ab3 ac4 bc2\n",
        "round oa5  ob7 oc9 ab3 ac4 bc2",
        "round oa5 ob7 oc9 ab3 ac4 bc2 bc2",
        "round oa5 ob7 oc9 ab3 ac4 cb2",
        "round oa5 ob7 oc9 ab3 bc2 ac4",
        "round oa5 ob7 od9 ab3 ad4 bd2",
        "round oa5 ob7 oc9 ab3 ac4 bb2",
        "round oa5 ob7 oc9 ab3 ac4 bc0",
        "round oa5 ob7 oc9 ab3 ac4 bc02",
        "round oa5 ob7 oc9 ab3 ac4 bc100",
        "round oa5 ob7 oc9 ab3 ac4 bc\u0662",
        "Round oa5 ob7 oc9 ab3 ac4 bc2",
        "round" + " oa5" * 200_000,
    ],
    ids=lambda question: question[:40],
)
def test_what_is_no_round_is_not_read(question: str) -> None:
    assert WORLD.read(question) is None


def test_a_round_is_written_and_solved_as_the_file_says() -> None:
    assert WORLD.question(KNOWN) == "round oa5 ob7 oc9 ab3 ac4 bc2"
    solution = WORLD.expert(KNOWN)
    assert solution.steps == ("acb 5+4+2+7=18", "abc 5+3+2+9=19", "min(18,19)=18")
    assert solution.answer == "acb"
    assert [one for one in rounds(KNOWN) if WORLD.verify(KNOWN, one)] == ["acb", "bca"]


def test_where_all_legs_are_equal_every_order_is_right() -> None:
    level = Roads((1,) * 10)
    assert all(WORLD.verify(level, order) for order in rounds(level))
    assert len(rounds(level)) == 24


def test_the_settings_move_the_difficulty() -> None:
    def drawn(**settings: int) -> list[Roads]:
        made = DeliveriesSettings(**settings)
        return [WORLD.sample(random.Random(seed), made) for seed in range(60)]

    def steps(tasks: list[Roads]) -> float:
        return mean(len(WORLD.expert(task).steps) for task in tasks)

    three, most = drawn(min_stops=3, max_stops=3), drawn(min_stops=7, max_stops=8)
    assert steps(three) == 3 < steps(drawn()) < steps(most)
    assert max(max(task.lengths) for task in drawn(farthest=99)) > 50
    for task in most:
        assert WORLD.read(WORLD.question(task)) == task


def test_a_record_at_the_defaults_is_short() -> None:
    for seed in range(300):
        task = WORLD.sample(random.Random(seed), DeliveriesSettings())
        assert len(WORLD.question(task)) < 60
        assert len(WORLD.document(task, WORLD.expert(task), worked=True).text) < 150


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_stops": 5}, "`min_stops` must not exceed `max_stops`"),
        ({"min_stops": 2}, "greater than or equal to 3"),
        ({"max_stops": 9}, "less than or equal to 8"),
        ({"farthest": 1}, "greater than or equal to 2"),
        ({"farthest": 100}, "less than or equal to 99"),
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        DeliveriesSettings(**settings)
