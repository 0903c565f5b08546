"""A bag to pack: the rules of this world, beside what every world is asked in `test_worlds`."""

import random
import re
from itertools import chain, combinations, permutations, product
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rlp_core.environments.knapsack import NAMES, Bag, Knapsack, KnapsackSettings

WORLD = Knapsack("knapsack")
KNOWN = Bag(9, (3, 5, 4), (4, 7, 6))  # bag 9: a3$4 b5$7 c4$6


def drawn(seed: int, items: int, limit: int) -> Bag:
    settings = KnapsackSettings(min_items=2, max_items=items, heaviest=limit, dearest=limit)
    return WORLD.sample(random.Random(seed), settings)


bags = st.builds(drawn, st.integers(0, 10**6), st.integers(2, 6), st.sampled_from([2, 4, 9, 99]))


def choices(task: Bag) -> list[tuple[str, int, int]]:
    """Every choice as its names, its weight and its worth, whether it fits or not."""
    things = list(zip(NAMES, task.weights, task.worths, strict=False))
    sizes = range(1, len(things) + 1)
    return [
        ("".join(name for name, _, _ in one), sum(w for _, w, _ in one), sum(v for _, _, v in one))
        for one in chain.from_iterable(combinations(things, size) for size in sizes)
    ]


@given(bags)
def test_every_best_choice_is_right_and_no_other(task: Bag) -> None:
    best = max(worth for _, weight, worth in choices(task) if weight <= task.capacity)
    for names, weight, worth in choices(task):
        right = weight <= task.capacity and worth == best
        assert WORLD.verify(task, names) == right
        assert WORLD.verify(task, names[::-1]) == right  # a choice has no order
    answer = WORLD.expert(task).answer
    assert WORLD.verify(task, answer)
    for near in (answer * 2, answer + answer[0], " ".join(answer) + " ?", answer.upper()):
        assert not WORLD.verify(task, near)
    assert not WORLD.verify(task, "".join(NAMES[: len(task.weights)]))  # all of them do not fit


def test_all_answers_of_three_letters() -> None:
    right = {"".join(one) for one in permutations("bc")}
    for size in range(4):
        for letters in product("abcd", repeat=size):
            answer = "".join(letters)
            assert WORLD.verify(KNOWN, answer) == (answer in right)


def test_choices_of_equal_worth_are_all_right() -> None:
    tied = Bag(4, (2, 2, 2, 4), (3, 3, 3, 6))
    right = {"ab", "ac", "bc", "d"}
    assert {names for names, _, _ in choices(tied) if WORLD.verify(tied, names)} == right


@given(bags)
def test_the_steps_hold_and_lead_to_the_answer(task: Bag) -> None:
    solution = WORLD.expert(task)
    assert all(WORLD.check_step(task, step) is True for step in solution.steps)
    assert WORLD.read(WORLD.question(task)) == task
    *packed, compared = solution.steps
    assert len(packed) >= 2
    best = compared.partition("=")[2]
    first = next(step for step in packed if re.split(r"[=$]", step)[-1] == best)
    assert first.partition(" ")[0] == solution.answer
    fit = {frozenset(names) for names, weight, _ in choices(task) if weight <= task.capacity}
    full = {one for one in fit if not any(one < other for other in fit)}
    assert len(packed) == len(full)
    assert {frozenset(step.partition(" ")[0]) for step in packed} == full


@given(bags, st.randoms(use_true_random=False), st.integers(0, 200))
def test_a_step_with_another_number_does_not_hold(
    task: Bag, chance: random.Random, number: int
) -> None:
    step = chance.choice(WORLD.expert(task).steps)
    place = chance.choice(list(re.finditer("[0-9]+", step)))
    wrong = f"{step[: place.start()]}{number}{step[place.end() :]}"
    assert (WORLD.check_step(task, wrong) is True) == (wrong == step)


@given(bags, st.randoms(use_true_random=False))
def test_a_step_of_other_things_holds_only_where_they_weigh_and_are_worth_the_same(
    task: Bag, chance: random.Random
) -> None:
    step = chance.choice(WORLD.expert(task).steps[:-1])
    names, _, sums = step.partition(" ")
    place, name = chance.randrange(len(names)), chance.choice(NAMES)
    renamed = names[:place] + name + names[place + 1 :]
    old, new = NAMES.index(names[place]), NAMES.index(name)
    same = new < len(task.weights) and (
        (task.weights[old], task.worths[old]) == (task.weights[new], task.worths[new])
    )
    holds = same and len(set(renamed)) == len(renamed)
    assert WORLD.check_step(task, f"{renamed} {sums}") is holds


@given(bags)
def test_a_choice_that_is_too_heavy_does_not_hold_though_its_sums_do(task: Bag) -> None:
    weight, worth = sum(task.weights), sum(task.worths)
    names = NAMES[: len(task.weights)]
    shown = "+".join(map(str, task.weights)), "+".join(map(str, task.worths))
    step = f"{names} {shown[0]}={weight} ${shown[1]}={worth}"
    assert WORLD.check_step(task, step) is False
    roomy = Bag(weight, task.weights, task.worths)
    assert WORLD.check_step(roomy, step) is True


@pytest.mark.parametrize("step", ["cb 4+5=9 $6+7=13", "a 3 $4", "max(13,10,11)=13"])
def test_a_step_in_another_order_or_of_fewer_things_holds(step: str) -> None:
    assert WORLD.check_step(KNOWN, step) is True


@pytest.mark.parametrize(
    "step",
    [
        "bc 4+5=9 $7+6=13",  # the weights of c and b
        "bc 9 $13",
        "bc 5+4=9 $13",
        "a 3+0=3 $4",
        "aa 3+3=6 $4+4=8",
        "d 3 $4",
        "ab 3+5=8 $4+7=12",
        "abc 3+5+4=12 $4+7+6=17",
        "max(11,13)=13",
        "max(11,10,13)=11",
        "max(11,10,13,4)=13",
    ],
)
def test_a_step_that_is_wrong_or_leaves_something_out_does_not_hold(step: str) -> None:
    assert WORLD.check_step(KNOWN, step) is False


@pytest.mark.parametrize(
    "step",
    [
        "",
        "bc",
        "bc 9",
        "5+4=9",
        "bc 5+4=9 7+6=13",
        "bc 5+4=9  $7+6=13",
        "bc 05+4=9 $7+6=13",
        "bc 5+4=9 $7+6=13\n",
        "i 3 $4",
        "a 3 $\u0664",
        "max(13)=13",
        "max(11, 13)=13",
        "max()=0",
        "bag 9: a3$4 b5$7 c4$6",
    ],
)
def test_what_is_no_step_is_not_judged(step: str) -> None:
    assert WORLD.check_step(KNOWN, step) is None


@pytest.mark.parametrize(
    "question",
    [
        "",
        "bag 9:",
        "bag 9: a3$4",
        "bag 9: a3$4 b5$7 c4$6 ",
        "bag 9: a3$4 b5$7 c4$6\n",
        "bag 9: a3$4  b5$7 c4$6",
        "bag 9: a3$4, b5$7, c4$6",
        "bag 9: a3$4 c5$7 b4$6",
        "bag 9: a3$4 b5$7 d4$6",
        "bag 9: a3$4 b5$7 b4$6",
        "bag 09: a3$4 b5$7 c4$6",
        "bag 9: a0$4 b5$7 c4$6",
        "bag 9: a3$0 b5$7 c4$6",
        "bag 9: a3$4 b\u0665$7 c4$6",
        "bag 4: a3$4 b5$7 c4$6",  # b does not fit
        "bag 12: a3$4 b5$7 c4$6",  # all fit together
        "bag 0: a3$4 b5$7 c4$6",
        "bag 9: a3$4 b5$100 c4$6",
        "Bag 9: a3$4 b5$7 c4$6",
    ],
)
def test_what_is_no_bag_is_not_read(question: str) -> None:
    assert WORLD.read(question) is None


def test_what_is_too_long_is_not_read() -> None:
    things = [f"{name}1$1" for name in "abcdefghi"]
    assert WORLD.read(f"bag 2: {' '.join(things[:8])}") is not None
    assert WORLD.read(f"bag 2: {' '.join(things)}") is None
    assert WORLD.read("bag 2:" + " a1$1" * 200_000) is None


def test_a_bag_is_written_and_packed_as_the_file_says() -> None:
    assert WORLD.question(KNOWN) == "bag 9: a3$4 b5$7 c4$6"
    solution = WORLD.expert(KNOWN)
    assert solution.steps == (
        "ab 3+5=8 $4+7=11",
        "ac 3+4=7 $4+6=10",
        "bc 5+4=9 $7+6=13",
        "max(11,10,13)=13",
    )
    assert solution.answer == "bc"


def test_the_settings_move_the_difficulty() -> None:
    def drawn(**settings: int) -> list[Bag]:
        made = KnapsackSettings(**settings)
        return [WORLD.sample(random.Random(seed), made) for seed in range(100)]

    def steps(tasks: list[Bag]) -> float:
        return mean(len(WORLD.expert(task).steps) for task in tasks)

    two, more = drawn(min_items=2, max_items=2), drawn(min_items=6, max_items=7)
    assert steps(two) == 3 < steps(drawn()) < steps(more)
    assert max(max(task.weights) for task in drawn(heaviest=99)) > 50
    assert max(max(task.worths) for task in drawn(dearest=99)) > 50
    assert all(len(task.full()) <= 100 for task in drawn(min_items=8, max_items=8))


def test_a_record_at_the_defaults_is_short() -> None:
    lengths = []
    for seed in range(300):
        task = WORLD.sample(random.Random(seed), KnapsackSettings())
        assert len(WORLD.question(task)) < 60
        lengths.append(len(WORLD.document(task, WORLD.expert(task), worked=True).text))
    assert max(lengths) < 180
    assert sum(length < 150 for length in lengths) > 0.85 * len(lengths)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_items": 5}, "`min_items` must not exceed `max_items`"),
        ({"min_items": 1}, "greater than or equal to 2"),
        ({"max_items": 9}, "less than or equal to 8"),
        ({"heaviest": 100}, "less than or equal to 99"),
        ({"dearest": 1}, "greater than or equal to 2"),
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        KnapsackSettings(**settings)
