"""Knights and knaves: this world's rules, beside what every world is asked in `test_worlds`."""

import random
import re
from itertools import combinations, permutations, product
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rlp_core.environments.knights import Island, Knights, KnightsSettings, islands

WORLD = Knights("knights")
KNOWN = Island(((1, (1, 2)), (0, (0,)), (2, (0, 2))))  # a: 1 of bc, b: 0 of a, c: 2 of ac


def drawn(seed: int, low: int, more: int) -> Island:
    settings = KnightsSettings(min_persons=low, max_persons=3, spoken_of=2 + more)
    return WORLD.sample(random.Random(seed), settings)


tasks = st.builds(drawn, st.integers(0, 10**6), st.integers(2, 3), st.integers(0, 1))


def fitting(question: str) -> list[str]:
    """The knights of every way that fits, read off the question with a table of true and false."""
    said = re.findall(r"([a-z]): ([0-9]) of ([a-z]+)", question)
    found = []
    for truth in product([True, False], repeat=len(said)):
        knight = {name: is_so for (name, _, _), is_so in zip(said, truth, strict=True)}
        if all(
            knight[speaker] is ([knight[one] for one in group].count(True) == int(count))
            for speaker, count, group in said
        ):
            found.append("".join(sorted(name for name in knight if knight[name])) or "none")
    return found


@given(tasks)
def test_one_way_fits_and_it_alone_is_right(task: Island) -> None:
    (right,) = fitting(WORLD.question(task))
    assert WORLD.expert(task).answer == right
    for size in range(5):
        for letters in product("abcd", repeat=size):
            answer = "".join(letters)
            assert WORLD.verify(task, answer) == (sorted(answer) == sorted(right))
    assert WORLD.verify(task, "none") == (right == "none")
    for near in (right.upper(), right * 2, " ".join(right) + ".", f"{right},", "nobody", "nnoe"):
        assert not WORLD.verify(task, near)


def test_all_tasks_of_two_persons_are_those_that_a_table_finds() -> None:
    sayings = [f"{n} of {group}" for group in ("a", "b", "ab") for n in range(len(group) + 1)]
    questions = [f"knights? a: {one}, b: {other}" for one, other in product(sayings, repeat=2)]
    one_way = {question for question in questions if len(fitting(question)) == 1}
    assert {WORLD.question(task) for task in islands(2, 2)} == one_way
    for question in questions:
        task = WORLD.read(question)
        assert (task is not None) == (question in one_way)
        assert task is None or WORLD.question(task) == question


@given(tasks)
def test_the_steps_hold_and_lead_to_the_answer(task: Island) -> None:
    solution = WORLD.expert(task)
    assert all(WORLD.check_step(task, step) is True for step in solution.steps)
    assert WORLD.read(WORLD.question(task)) == task
    assumed = [step.partition(" ")[0] for step in solution.steps]
    names = "abc"[: len(task.sayings)]
    groups = ["".join(one) for size in (1, 2, 3) for one in combinations(names, size)]
    assert assumed == ["none", *groups][: len(assumed)]
    assert [" yes: " in step for step in solution.steps] == [False] * (len(assumed) - 1) + [True]
    assert assumed[-1] == solution.answer


@given(tasks, st.randoms(use_true_random=False), st.integers(0, 3))
def test_a_step_with_another_number_or_sign_does_not_hold(
    task: Island, chance: random.Random, number: int
) -> None:
    step = chance.choice(WORLD.expert(task).steps)
    place = chance.choice(list(re.finditer("[0-9]", step)))
    wrong = f"{step[: place.start()]}{number}{step[place.end() :]}"
    assert (WORLD.check_step(task, wrong) is True) == (wrong == step)
    sign = chance.choice(list(re.finditer("!?=", step)))
    other = "=" if sign[0] == "!=" else "!="
    assert WORLD.check_step(task, f"{step[: sign.start()]}{other}{step[sign.end() :]}") is False


@given(tasks, st.randoms(use_true_random=False))
def test_a_step_about_other_knights_or_another_speaker_holds_only_where_it_is_so(
    task: Island, chance: random.Random
) -> None:
    """The claim is read anew: who says what of whom, how many knights that makes, who errs."""
    said = re.findall(r"([a-z]): ([0-9]) of ([a-z]+)", WORLD.question(task))
    speaker, count, group = chance.choice(said)
    names = "".join(name for name, _, _ in said)
    knights = "".join(chance.sample(names, chance.randint(0, len(names))))
    counted = sum(name in knights for name in group)
    shown = f"{speaker} {counted}{'=' if counted == int(count) else '!='}{count}"
    contradicts = (counted == int(count)) is not (speaker in knights)
    assert WORLD.check_step(task, f"{knights or 'none'} no: {shown}") is contradicts


@given(tasks)
def test_only_the_way_that_fits_is_found_to_fit(task: Island) -> None:
    *_, step = WORLD.expert(task).steps
    answer, _, shown = step.partition(" ")
    for size in (1, 2, 3):
        for letters in permutations("abc", size):
            other = "".join(letters)
            holds = sorted(other) == sorted(answer)
            assert WORLD.check_step(task, f"{other} {shown}") is holds
    parts = shown.removeprefix("yes: ").split(", ")
    assert WORLD.check_step(task, f"{answer} yes: {', '.join(reversed(parts))}") is True
    left_out = f"{answer} yes: {', '.join(parts[:-1])}"
    assert WORLD.check_step(task, left_out) is (None if len(parts) == 2 else False)
    twice = f"{answer} yes: {', '.join([*parts[:-1], parts[0]])}"
    assert WORLD.check_step(task, twice) is False


@pytest.mark.parametrize("step", ["ca yes: a 1=1, b 1!=0, c 2=2", "ab no: b 1!=0", "c no: c 1!=2"])
def test_any_reason_against_a_way_holds(step: str) -> None:
    assert WORLD.check_step(KNOWN, step) is True


@pytest.mark.parametrize(
    "step",
    [
        "none no: a 0!=1",  # so it is, and a knave may say it
        "ac no: a 1=1",
        "a yes: a 0!=1, b 1!=0, c 1!=2",
        "aa no: a 0!=1",
        "bb no: a 0!=1",
        "a no: a 0=1",
        "a no: a 1!=1",
        "a no: b 0!=1",
        "ac yes: a 1=1, b 1!=0",
        "ac yes: a 1=1, a 1=1, c 2=2",
    ],
)
def test_a_step_that_is_wrong_or_no_reason_does_not_hold(step: str) -> None:
    assert WORLD.check_step(KNOWN, step) is False


def test_a_person_who_is_not_there_says_nothing() -> None:
    task = islands(2, 2)[0]
    assert WORLD.check_step(task, "none no: c 0=0") is False
    assert WORLD.check_step(task, "c no: a 0=0") is False
    assert not WORLD.verify(task, "c")


@pytest.mark.parametrize(
    "step",
    [
        "",
        "none",
        "none no",
        "none no: b",
        "none no b 0=0",
        "none no: b 0==0",
        "none no: b 0=4",
        "none no: b 00=0",
        "none no: b 0=0\n",
        "none no: b \u0660=0",
        "none no: b 0=0, b 0=0",
        "d no: b 0=0",
        "ac yes: a 1=1",
        "ac yes: a 1=1,b 1!=0,c 2=2",
        "ac",
        "knights? a: 1 of bc, b: 0 of a, c: 2 of ac",
    ],
)
def test_what_is_no_step_is_not_judged(step: str) -> None:
    assert WORLD.check_step(KNOWN, step) is None


@pytest.mark.parametrize(
    "question",
    [
        "",
        "knights?",
        "knights? a: 0 of a",
        "knights? a: 1 of bc, b: 0 of a, c: 2 of ac ",
        "knights? a: 1 of bc, b: 0 of a, c: 2 of ac\n",
        "knights? a: 1 of bc, b: 0 of a, c: 2 of ac.",
        "knights? a: 1 of bc,b: 0 of a, c: 2 of ac",
        "knights? a: 1 of cb, b: 0 of a, c: 2 of ac",
        "knights? a: 1 of bb, b: 0 of a, c: 2 of ac",
        "knights? a: 1 of bc, b: 2 of a, c: 2 of ac",
        "knights? a: 1 of bc, b: 0 of a, a: 2 of ac",
        "knights? a: 1 of bc, c: 2 of ac, b: 0 of a",
        "knights? a: 1 of bc, b: 0 of a",
        "knights? a: 0 of bb, b: 0 of ab",  # b twice, though one way would fit
        "knights? a: 2 of ab, b: 2 of a",  # of one, two: false whoever is a knight
        "knights? a: 1 of bc, b: 1 of ab",  # c is not there, though one way would fit
        "knights? a: 1 of bd, b: 0 of a, c: 2 of ac",
        "knights? a: \u0661 of bc, b: 0 of a, c: 2 of ac",
        "knights? a: 0 of a, b: 0 of a",  # a says to be a knave
        "knights? a: 1 of b, b: 1 of a",  # both or none
        "knights? " + "a: 1 of bc, " * 100_000,
    ],
    ids=lambda question: question[:45],
)
def test_what_is_no_island_is_not_read(question: str) -> None:
    assert WORLD.read(question) is None


def test_a_task_is_written_and_solved_as_the_file_says() -> None:
    assert WORLD.question(KNOWN) == "knights? a: 1 of bc, b: 0 of a, c: 2 of ac"
    solution = WORLD.expert(KNOWN)
    assert solution.steps[:2] == ("none no: b 0=0", "a no: a 0!=1")
    assert solution.steps[-1] == "ac yes: a 1=1, b 1!=0, c 2=2"
    assert solution.answer == "ac"


def test_no_answer_is_so_frequent_that_it_could_be_guessed() -> None:
    answers = [WORLD.expert(task).answer for task in islands(3, 3)]
    assert len(answers) == len(set(islands(3, 3))) > 2000
    assert set(answers) == {"none", "a", "b", "c", "ab", "ac", "bc"}  # where all may, none may too
    assert max(answers.count(one) for one in set(answers)) < 0.25 * len(answers)


def test_the_settings_move_the_difficulty() -> None:
    def drawn(**settings: int) -> list[Island]:
        made = KnightsSettings(**settings)
        return [WORLD.sample(random.Random(seed), made) for seed in range(300)]

    def length(tasks: list[Island]) -> float:
        return mean(len(";".join(WORLD.expert(task).steps)) for task in tasks)

    two, three = drawn(max_persons=2, spoken_of=2), drawn(min_persons=3)
    assert length(two) < length(three)
    assert {len(task.sayings) for task in two} == {2}
    assert {len(task.sayings) for task in three} == {3}
    assert {len(task.sayings) for task in drawn()} == {2, 3}

    def most(tasks: list[Island]) -> int:
        return max(len(group) for task in tasks for _, group in task.sayings)

    assert most(drawn(spoken_of=2)) == 2 < most(drawn()) == 3


def test_a_record_at_the_defaults_is_short() -> None:
    lengths = []
    for seed in range(300):
        task = WORLD.sample(random.Random(seed), KnightsSettings())
        assert len(WORLD.question(task)) < 60
        lengths.append(len(WORLD.document(task, WORLD.expert(task), worked=True).text))
    assert max(lengths) < 175
    assert sum(length < 150 for length in lengths) > 0.85 * len(lengths)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_persons": 3, "max_persons": 2, "spoken_of": 2}, "`min_persons` must not exceed"),
        ({"max_persons": 2}, "`spoken_of` must not exceed `max_persons`"),
        ({"spoken_of": 1}, "greater than or equal to 2"),
        ({"max_persons": 4}, "less than or equal to 3"),
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        KnightsSettings(**settings)
