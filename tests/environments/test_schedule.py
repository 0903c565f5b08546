"""Project scheduling: its own rules, beside what every world is asked in `test_worlds`."""

import random
import re
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rlp_core.environments.schedule import NAMES, Project, Schedule, ScheduleSettings

WORLD = Schedule("schedule")
KNOWN = Project((4, 7, 2, 3), ((), (), (0, 1), (2,)))  # project a4 b7 ab>c2 c>d3


def drawn(seed: int, tasks: int, predecessors: int, shuffled: bool) -> Project:
    settings = ScheduleSettings(
        min_tasks=2,
        max_tasks=tasks,
        predecessors=min(predecessors, tasks - 1),
        longest=99 if seed % 2 else 9,
        shuffled=shuffled,
    )
    return WORLD.sample(random.Random(seed), settings)


projects = st.builds(
    drawn, st.integers(0, 10**6), st.integers(2, 9), st.integers(1, 4), st.booleans()
)


def longest_chain(task: Project, last: int) -> int:
    """The most time on any way back from a task: all chains are walked, no end is remembered."""
    return task.durations[last] + max((longest_chain(task, j) for j in task.waits[last]), default=0)


@given(projects)
def test_the_answer_is_the_longest_chain_and_nothing_else_is_right(task: Project) -> None:
    right = max(longest_chain(task, i) for i in range(len(task.durations)))
    assert WORLD.expert(task).answer == str(right)
    for value in range(sum(task.durations) + 2):
        assert WORLD.verify(task, str(value)) == (value == right)
    for near in (
        f"0{right}",
        f"{right}.0",
        f"{right} {right}",
        f"+{right}",
        f"a{right}",
        f"{right}0",
    ):
        assert not WORLD.verify(task, near)


@given(projects)
def test_the_steps_hold_and_lead_to_the_answer(task: Project) -> None:
    solution = WORLD.expert(task)
    assert len(solution.steps) == len(task.durations) + 1
    assert all(WORLD.check_step(task, step) is True for step in solution.steps)
    assert WORLD.read(WORLD.question(task)) == task
    assert re.findall("[0-9]+", solution.steps[-1])[-1] == solution.answer
    done: set[str] = set()
    for step in solution.steps[:-1]:  # what a step reads was written before
        assert done >= {NAMES[j] for j in task.waits[NAMES.index(step[0])]}
        done.add(step[0])


@given(projects, st.randoms(use_true_random=False), st.integers(0, 200))
def test_a_step_with_another_number_does_not_hold(
    task: Project, chance: random.Random, number: int
) -> None:
    step = chance.choice(WORLD.expert(task).steps)
    place = chance.choice(list(re.finditer("[0-9]+", step)))
    wrong = f"{step[: place.start()]}{number}{step[place.end() :]}"
    assert (WORLD.check_step(task, wrong) is True) == (wrong == step)


@given(projects, st.randoms(use_true_random=False))
def test_a_step_of_another_task_holds_only_where_it_reads_the_same(
    task: Project, chance: random.Random
) -> None:
    steps = WORLD.expert(task).steps[:-1]
    step, name = chance.choice(steps), chance.choice(NAMES)
    renamed = f"{name}{step[1:]}"
    said = [sorted(re.findall("[0-9]+", other)) for other in steps if other[0] == name]
    holds = WORLD.check_step(task, renamed)
    assert holds is (renamed in steps) or (holds and said == [sorted(re.findall("[0-9]+", step))])


@pytest.mark.parametrize("step", ["c: max(7,4)+2=9", "end: 12", "a: 0+4=4", "d: 9+3=12"])
def test_the_order_of_what_is_compared_does_not_matter(step: str) -> None:
    assert WORLD.check_step(KNOWN, step) is True


@pytest.mark.parametrize(
    "step",
    [
        "c: 7+2=9",  # true, but a was forgotten
        "c: max(4,7,0)+2=9",
        "c: max(4,4)+2=6",
        "d: 10+2=12",
        "e: 0+4=4",
        "b: 4+3=7",
        "end: 9",
        "end: max(4,12)=12",
        "end: 13",
    ],
)
def test_what_leaves_something_out_or_names_another_task_does_not_hold(step: str) -> None:
    assert WORLD.check_step(KNOWN, step) is False


@pytest.mark.parametrize(
    "step",
    [
        "",
        "c",
        "4+7=11",
        "c: max(4,7)+2",
        "c: max(7)+2=9",
        "c: 04+7=11",
        "c:  7+2=9",
        "end 12",
        "end: 12=12",
        "c: max(4, 7)+2=9",
        "d: 9+3=12\n",
        "d: 9+3=1\u0662",
        "project a4 b7",
        "12",
    ],
)
def test_what_is_no_step_is_not_judged(step: str) -> None:
    assert WORLD.check_step(KNOWN, step) is None


@pytest.mark.parametrize(
    "question",
    [
        "",
        "project",
        "project a4",
        "project a4 b7 ",
        "project  a4 b7",
        "project a4 c7",
        "a4 b7",
        "project b4 a7",
        "project a4 b>b7",
        "project b>a4 a>b7",
        "project a4 c>b7",
        "project a0 b7",
        "project a4 b07",
        "project a4 b100",
        "project a4 aa>b7",
        "project a4 b7 ba>c2",
        "project a4 b7\n",
        "project a\u0664 b7",
        "project a4 b7 >c2",
        "project c>a1 a>b2 b>c3",
    ],
)
def test_what_is_no_project_is_not_read(question: str) -> None:
    assert WORLD.read(question) is None


def test_what_is_too_long_is_not_read() -> None:
    eleven = " ".join(f"{name}1" for name in "abcdefghijk")
    assert WORLD.read(f"project {eleven[:-3]}") is not None
    assert WORLD.read(f"project {eleven}") is None
    assert WORLD.read("project" + " a4" * 300_000) is None


def test_a_project_is_written_and_solved_as_the_file_says() -> None:
    assert WORLD.question(KNOWN) == "project a4 b7 ab>c2 c>d3"
    solution = WORLD.expert(KNOWN)
    assert ";".join(solution.steps) == "a: 0+4=4;b: 0+7=7;c: max(4,7)+2=9;d: 9+3=12;end: 12"
    apart = Project((3, 5), ((), ()))
    assert WORLD.expert(apart).steps[-1] == "end: max(3,5)=5"


def test_the_settings_move_the_difficulty() -> None:
    def steps(**settings: int) -> float:
        made = ScheduleSettings(**settings)
        drawn = (WORLD.sample(random.Random(seed), made) for seed in range(200))
        return mean(len(WORLD.expert(task).steps) for task in drawn)

    assert steps() < steps(max_tasks=7) < steps(min_tasks=8, max_tasks=10)

    def compared(predecessors: int) -> int:
        made = ScheduleSettings(min_tasks=8, max_tasks=8, predecessors=predecessors)
        drawn = (WORLD.sample(random.Random(seed), made) for seed in range(200))
        return sum(len(waits) for task in drawn for waits in task.waits)

    assert compared(1) < compared(2) < compared(4)
    drawn = [WORLD.sample(random.Random(i), ScheduleSettings(shuffled=True)) for i in range(200)]
    assert sum(task.order() != sorted(task.order()) for task in drawn) > 50


def test_a_record_at_the_defaults_is_short() -> None:
    for seed in range(300):
        task = WORLD.sample(random.Random(seed), ScheduleSettings())
        assert len(WORLD.question(task)) < 60
        assert len(WORLD.document(task, WORLD.expert(task), worked=True).text) < 150


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_tasks": 6}, "`min_tasks` must not exceed `max_tasks`"),
        ({"min_tasks": 2, "max_tasks": 2}, "`predecessors` must be below `max_tasks`"),
        ({"max_tasks": 11}, "less than or equal to 10"),
        ({"longest": 100}, "less than or equal to 99"),
        ({"predecessors": 0}, "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ScheduleSettings(**settings)
