"""The language SCAN: the rules of this world, beside what every world is asked in `test_worlds`."""

import gzip
import random
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from rlp_core.environments.commands import Commands, CommandsSettings, Instruction

WORLD = Commands("commands")
SCAN = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "scan"
NAMES = {
    "W": "I_WALK",
    "L": "I_LOOK",
    "R": "I_RUN",
    "J": "I_JUMP",
    "l": "I_TURN_LEFT",
    "r": "I_TURN_RIGHT",
}
"""Each letter, and the action as the published files write it."""


def drawn(seed: int, **values: int) -> Instruction:
    return WORLD.sample(random.Random(seed), CommandsSettings(**values))


seeds = st.integers(0, 10**6)
instructions = st.builds(
    lambda seed, high, parts: drawn(seed, max_actions=high, max_parts=parts),
    seeds,
    st.integers(1, 48),
    st.integers(1, 2),
)


def meaning(command: str) -> list[str]:
    """The paper's interpretation function, word by word: names of the actions."""
    for joint, turned in ((" and ", False), (" after ", True)):
        if joint in command:
            one, other = command.split(joint)
            return meaning(other) + meaning(one) if turned else meaning(one) + meaning(other)
    *words, last = command.split()
    if last in ("twice", "thrice"):
        return meaning(" ".join(words)) * (2 if last == "twice" else 3)
    if not words:
        return [f"I_{last.upper()}"]
    turn, act = [f"I_TURN_{last.upper()}"], [] if words[0] == "turn" else meaning(words[0])
    if words[1:] == ["opposite"]:
        return turn + turn + act
    return (turn + act) * (4 if words[1:] == ["around"] else 1)


def every_command() -> Iterator[str]:
    """The published grammar, expanded."""
    sides, verbs = ("left", "right"), ("walk", "look", "run", "jump")
    phrases = [
        *verbs,
        *(
            f"{verb} {manner}{side}"
            for verb, manner, side in product((*verbs, "turn"), ("", "opposite ", "around "), sides)
        ),
    ]
    parts = [phrase + times for phrase, times in product(phrases, ("", " twice", " thrice"))]
    yield from parts
    for one, joint, other in product(parts, (" and ", " after "), parts):
        yield one + joint + other


def named(answer: str) -> list[str]:
    return [NAMES[letter] for letter in answer]


def test_every_command_of_the_grammar_has_the_published_meaning() -> None:
    commands = list(every_command())
    assert len(set(commands)) == len(commands) == 20_910
    for command in commands:
        task = WORLD.read(command)
        assert task is not None
        assert WORLD.question(task) == command
        assert named(task.actions) == meaning(command)


@pytest.mark.skipif(not SCAN.is_dir(), reason="no ../shared/data/scan")
@pytest.mark.parametrize("split", ["simple", "length"])
def test_the_published_files_hold_these_commands_and_answers(split: str) -> None:
    seen = set()
    for side in ("train", "test"):
        with gzip.open(SCAN / f"{split}_{side}.txt.gz", "rt", encoding="utf-8") as lines:
            for line in lines:
                command, actions = line.removeprefix("IN: ").rstrip("\n").split(" OUT: ")
                task = WORLD.read(command)
                assert task is not None
                assert named(task.actions) == actions.split(" ")
                if split == "length":
                    assert (len(task.actions) <= 22) is (side == "train")
                seen.add(command)
    assert seen == set(every_command())


@given(instructions)
def test_the_expert_interprets_as_the_paper_does(task: Instruction) -> None:
    solution, command = WORLD.expert(task), WORLD.question(task)
    assert named(solution.answer) == meaning(command)
    for step in solution.steps:
        said, done = step.split("=")
        if " then " in said:
            assert said.replace(" then ", "") == done
        elif said.split()[-1] in ("twice", "thrice"):
            assert said.split()[0] * (2 if said.endswith("twice") else 3) == done
        else:
            assert named(done) == meaning(said)
            assert f" {said} " in f" {command} "
    assert solution.steps[-1].endswith(f"={solution.answer}")


@given(instructions, st.data())
def test_the_one_answer_is_right_and_nothing_near_it(
    task: Instruction, data: st.DataObject
) -> None:
    right = WORLD.expert(task).answer
    at = data.draw(st.integers(0, len(right) - 1))
    near = {right[:at] + letter + right[at + 1 :] for letter in "WLRJlrx "}
    near |= {right[::-1], right + right[-1], right[:-1], right + right, right.lower()}
    near |= {right.swapcase(), " ".join(right), right[at:] + right[:at], f"{right}."}
    near |= {"".join(part.actions for part in reversed(task.in_turn)), " ".join(named(right))}
    assert WORLD.verify(task, right)
    assert all(WORLD.verify(task, one) == (one.strip() == right) for one in near)


@settings(max_examples=25)
@given(instructions)
def test_a_step_that_is_corrupted_does_not_hold(task: Instruction) -> None:
    steps = WORLD.expert(task).steps
    for step in steps:
        for at in range(len(step)):
            for letter in "WLRJlrtea =":
                other = step[:at] + letter + step[at + 1 :]
                assert (WORLD.check_step(task, other) is True) == (other in steps)
        words = (("twice", "thrice"), ("left", "right"), ("walk", "jump"), ("around", "opposite"))
        for one, other in (*words, *((b, a) for a, b in words)):
            changed = step.replace(one, other)
            assert (WORLD.check_step(task, changed) is True) == (changed in steps)


@given(seeds, st.integers(1, 48), st.integers(1, 48))
def test_what_is_drawn_is_what_was_asked_for(seed: int, one: int, other: int) -> None:
    low, high = sorted((one, other))
    try:
        task = drawn(seed, min_actions=low, max_actions=high)
    except ValidationError:
        lengths = {len(meaning(command)) for command in every_command()}
        assert not lengths & set(range(low, high + 1))
    else:
        assert low <= len(WORLD.expert(task).answer) <= high


@given(seeds)
def test_one_part_has_no_joint(seed: int) -> None:
    task = drawn(seed, max_parts=1, max_actions=24)
    assert len(task.parts) == 1
    assert not set(WORLD.question(task).split()) & {"and", "after"}


def test_the_settings_move_the_difficulty() -> None:
    def steps(**values: int) -> float:
        return sum(len(WORLD.expert(drawn(seed, **values)).steps) for seed in range(200)) / 200

    assert steps(max_parts=1) < steps() < steps(max_actions=48)
    assert steps(max_actions=2) < steps() < steps(min_actions=8)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"min_actions": 9}, "`min_actions` must not exceed `max_actions`"),
        (
            {"max_parts": 1, "min_actions": 10, "max_actions": 11},
            "no command has 10 to 11 actions: choose a range with one of 1, 2, 3, 4, 6, 8, 9, 12, ",
        ),
        ({"max_actions": 49}, "less than or equal to 48"),
        ({"max_parts": 3}, "less than or equal to 2"),
    ],
)
def test_impossible_settings_are_refused(values: dict[str, int], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        CommandsSettings(**values)


@pytest.mark.parametrize(
    "question",
    [
        "",
        "turn",
        "turn twice",
        "turn around",
        "jump opposite",
        "opposite left",
        "jump left around",
        "jump twice twice",
        "twice jump",
        "jump and",
        "and jump",
        "jump and run and walk",
        "jump after run and walk",
        "jump  left",
        "jump left ",
        "jump left\n",
        "Jump left",
        "jump then walk",
        "hop left",
        "path S.#/..G",
    ],
)
def test_what_is_no_command_is_not_read(question: str) -> None:
    assert WORLD.read(question) is None


def test_the_example_of_the_docstring() -> None:
    task = WORLD.read("walk twice after jump left")
    assert task is not None
    solution = WORLD.expert(task)
    assert solution.answer == "lJWW"
    assert solution.steps == ("jump left=lJ", "walk=W", "W twice=WW", "lJ then WW=lJWW")


@pytest.mark.parametrize("text", ["jump and " * 10**5, "J" * 10**6, "jump=" + "J" * 10**6])
def test_a_megabyte_is_no_question_answer_or_step(text: str) -> None:
    task = drawn(1)
    assert WORLD.read(text) is None
    assert not WORLD.verify(task, text)
    assert WORLD.check_step(task, text) is None


@pytest.mark.parametrize("step", ["", "jump", "J=J", "lJ then WW", "hop=J", "jump=x", "jump = J"])
def test_what_is_no_step_is_not_judged(step: str) -> None:
    assert WORLD.check_step(drawn(1), step) is None


@pytest.mark.parametrize("step", ["turn=l", "jump opposite=J", "run=R", "WW thrice=WWWWWW"])
def test_a_step_of_another_command_does_not_hold(step: str) -> None:
    task = WORLD.read("walk twice after jump left")
    assert task is not None
    assert WORLD.check_step(task, step) is False
