"""Rows that follow a rule: this world's own, beside what every world is asked in `test_worlds`."""

import random
from itertools import groupby, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from rlp_core.environments import arc_1d
from rlp_core.environments.arc_1d import KINDS, Analogy, Arc1D, Arc1DSettings

WORLD = Arc1D("arc_1d")
EXAMPLE = Analogy((("0888666", "8886660"), ("8800888", "8888800")), "0088006")


def drawn(seed: int, **values: int) -> Analogy:
    return WORLD.sample(random.Random(seed), Arc1DSettings(**values))


tasks = st.builds(
    lambda seed, width, colours, examples, rules: drawn(
        seed, width=width, colours=colours, examples=examples, rules=rules
    ),
    st.integers(0, 10**6),
    st.integers(5, 9),
    st.integers(1, 4),
    st.integers(2, 3),
    st.integers(1, len(KINDS)),
)


def every_rule() -> list[str]:
    names = ["mirror", "push left", "push right", "fill", "grow left", "grow right", "sizes"]
    names += [f"{way} {k}" for way in ("left", "right", "drop") for k in (1, 2, 3)]
    names += [f"longest {a}" for a in range(1, 10)] + [f"inside {a}" for a in range(10)]
    pairs = [(a, b) for a, b in product(range(1, 10), repeat=2) if a != b]
    return (
        names + [f"paint {a} {b}" for a, b in pairs] + [f"swap {a} {b}" for a, b in pairs if a < b]
    )


def blocks_of(row: list[int]) -> list[tuple[int, int, int]]:
    """Digit, first place and length of each block."""
    found, place = [], 0
    for digit, cells in groupby(row):
        length = len(list(cells))
        if digit:
            found.append((digit, place, length))
        place += length
    return found


def followed(name: str, text: str) -> str:
    """What a rule makes of a row, cell by cell."""
    kind, *rest = name.split(" ")
    row = [int(digit) for digit in text]
    made, size, blocks = list(row), len(row), blocks_of(row)
    match kind, rest:
        case "mirror", _:
            made = [row[size - 1 - i] for i in range(size)]
        case (("left" | "right"), [k]):
            shift = int(k) if kind == "left" else -int(k)
            made = [row[(i + shift) % size] for i in range(size)]
        case "push", [side]:
            made = sorted(row, key=lambda digit: (digit == 0) == (side == "left"))
        case "paint", [a, b]:
            made = [int(b) if digit == int(a) else digit for digit in row]
        case "swap", [a, b]:
            made = [{int(a): int(b), int(b): int(a)}.get(digit, digit) for digit in row]
        case "fill", _:
            for i in range(size):
                before = [digit for digit in row[:i] if digit]
                after = [digit for digit in row[i:] if digit]
                if not row[i] and before and after and before[-1] == after[0]:
                    made[i] = after[0]
        case "grow", [side]:
            for i in range(size):
                j = i + 1 if side == "left" else i - 1
                if not row[i] and 0 <= j < size:
                    made[i] = row[j]
        case _:
            longest = max((block[2] for block in blocks), default=0)
            for _, start, length in blocks:
                ends = {start, start + length - 1}
                for i in range(start, start + length):
                    if kind == "drop" and length == int(rest[0]):
                        made[i] = 0
                    elif kind == "sizes":
                        made[i] = length
                    elif kind == "inside":
                        made[i] = made[i] if i in ends else int(rest[0])
                    elif length == longest and kind == "longest":
                        made[i] = int(rest[0])
    return "".join(map(str, made))


def explained(task: Analogy, name: str) -> list[int]:
    return [i + 1 for i, (a, b) in enumerate(task.pairs) if followed(name, a) == b]


def true_steps(task: Analogy) -> set[str]:
    steps = set()
    for name in every_rule():
        fits = explained(task, name)
        if fits:
            steps.add(f"{name} fits {' '.join(map(str, fits))}")
        if len(fits) == len(task.pairs):
            steps.add(f"{name} gives {followed(name, task.row)}")
    return steps


@given(tasks)
@settings(max_examples=60)
def test_all_rules_that_explain_the_pairs_give_the_answer(task: Analogy) -> None:
    names = [name for name in every_rule() if len(explained(task, name)) == len(task.pairs)]
    answers = {followed(name, task.row) for name in names}
    assert answers == {WORLD.expert(task).answer}
    assert task.row not in answers
    assert all(before != after for before, after in task.pairs)


@given(tasks)
@settings(max_examples=60)
def test_no_other_row_is_right(task: Analogy) -> None:
    (answer,) = {WORLD.expert(task).answer}
    near = {answer[:i] + d + answer[i + 1 :] for i in range(len(answer)) for d in "0123456789 "}
    near |= {answer[1:], answer[:-1], f"{answer}0", f"0{answer}", answer[::-1], task.row}
    near |= {" ".join(answer), f"{answer} {answer}", f">{answer}", f"{answer}."}
    near |= {followed(name, task.row) for name in every_rule()}
    assert all(WORLD.verify(task, one) == (one == answer) for one in near)


@given(tasks, st.data())
@settings(max_examples=40)
def test_a_step_holds_where_the_rule_does_what_it_says(task: Analogy, data: st.DataObject) -> None:
    true = true_steps(task)
    solution = WORLD.expert(task)
    assert set(solution.steps) <= true
    assert solution.steps[-1].endswith(f" gives {solution.answer}")
    assert (
        f"{solution.steps[-1].split(' gives ')[0]} fits {'1 2 3'[: 2 * len(task.pairs) - 1]}"
        in (solution.steps)
    )
    for name in data.draw(st.lists(st.sampled_from(every_rule()), max_size=20)):
        for numbers in ("1", "2", "1 2", "1 3", "2 3", "1 2 3", "2 1", "1 1"):
            step = f"{name} fits {numbers}"
            assert WORLD.check_step(task, step) is (step in true)
        for row in {solution.answer, followed(name, task.row)}:
            step = f"{name} gives {row}"
            assert WORLD.check_step(task, step) is (step in true)
    step = data.draw(st.sampled_from(sorted(true)))
    for at, letter in product(range(len(step)), "0123456789al "):
        other = step[:at] + letter + step[at + 1 :]
        assert (WORLD.check_step(task, other) is True) == (other in true)
    for name in ("mirror", "push left", "grow right", "fill"):
        words = step.split(" fits " if " fits " in step else " gives ")
        other = step.replace(words[0], name)
        assert (WORLD.check_step(task, other) is True) == (other in true)


@given(tasks)
@settings(max_examples=40)
def test_steps_try_the_rules_that_explain_the_first_pair_in_order(task: Analogy) -> None:
    tried = [step.split(" fits ")[0] for step in WORLD.expert(task).steps[:-1]]
    order = [name for _, name, _ in arc_1d._rules("123456789")]
    assert sorted(order) == sorted(every_rule())
    of_first = [name for name in order if 1 in explained(task, name)]
    assert tried == of_first[: len(tried)]


def test_no_draw_has_to_be_replaced_and_the_replacement_is_a_task(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    makers = [
        Arc1DSettings(width=width, colours=colours, rules=rules, examples=examples)
        for width, colours, rules, examples in product((5, 7, 9), (1, 2, 4), (1, 5, 11), (2, 3))
    ]
    reserves = {arc_1d._reserve(one) for one in makers}
    assert all(
        WORLD.sample(random.Random(s), one) not in reserves for one in makers for s in (1, 2)
    )
    monkeypatch.setattr(arc_1d, "TRIES", 0)
    for width, examples in product(range(5, 10), (2, 3)):
        task = drawn(0, width=width, examples=examples)
        assert WORLD.read(WORLD.question(task)) == task
        names = [name for name in every_rule() if len(explained(task, name)) == len(task.pairs)]
        assert names == ["mirror"]


@given(st.integers(0, 10**6), st.integers(5, 9), st.integers(1, 4), st.integers(2, 3))
@settings(max_examples=60)
def test_what_is_drawn_is_what_was_asked_for(
    seed: int, width: int, colours: int, examples: int
) -> None:
    task = drawn(seed, width=width, colours=colours, examples=examples, rules=3)
    befores = [before for before, _ in task.pairs] + [task.row]
    assert {len(row) for pair in task.pairs for row in pair} == {width}
    assert len(set("".join(befores)) - {"0"}) <= colours
    assert examples <= len(task.pairs) <= 3
    kinds = WORLD.expert(task).steps[-1].split(" ")[0]
    assert kinds in {"mirror", "left", "right", "push"}


def test_every_kind_of_rule_is_asked_about_and_two_pairs_are_sometimes_too_few() -> None:
    drawn_ones = [drawn(seed, rules=len(KINDS), width=6) for seed in range(250)]
    last = {WORLD.expert(task).steps[-1].split(" ")[0] for task in drawn_ones}
    assert {"move" if kind in ("left", "right") else kind for kind in last} == set(KINDS)
    assert {len(task.pairs) for task in drawn_ones} == {2, 3}
    assert any(len(WORLD.expert(task).steps) > 2 for task in drawn_ones)


def test_the_settings_move_the_difficulty() -> None:
    def rules(**values: int) -> set[str]:
        ones = (drawn(seed, **values) for seed in range(120))
        return {WORLD.expert(one).steps[-1].split(" gives ")[0] for one in ones}

    def characters(**values: int) -> float:
        ones = (drawn(seed, **values) for seed in range(60))
        return sum(len(WORLD.question(one)) for one in ones) / 60

    assert len(rules(rules=2)) < len(rules(rules=6)) < len(rules(rules=11))
    assert (
        characters(width=5) < characters() < characters(width=9) < characters(examples=3, width=9)
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"width": 4}, "greater than or equal to 5"),
        ({"width": 10}, "less than or equal to 9"),
        ({"examples": 1}, "greater than or equal to 2"),
        ({"examples": 4}, "less than or equal to 3"),
        ({"colours": 0}, "greater than or equal to 1"),
        ({"rules": 12}, "less than or equal to 11"),
    ],
)
def test_impossible_settings_are_refused(values: dict[str, int], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Arc1DSettings(**values)


FIRST, SECOND = "0888666>8886660", "8800888>8888800"


@pytest.mark.parametrize(
    "question",
    [
        "",
        "arc",
        f"arc {FIRST} 0088006>?",
        f"arc {FIRST} {SECOND} 0088006>",
        f"arc {FIRST} {SECOND} 0088006>?\n",
        f"arc {FIRST} {SECOND} 088006>?",
        f"arc {FIRST} {SECOND} 8800888>?",  # asked and shown
        f"arc {FIRST} {FIRST} 0088006>?",
        f"arc {FIRST} {SECOND} 8886660>?",  # a row that stays as it is
        f"arc {FIRST} 8888800>8888800 0088006>?",  # a pair that stays as it is
        f"arc {FIRST} 8800888>8888808 0088006>?",  # no rule explains it
        f"arc {FIRST} {SECOND} {SECOND} {SECOND} 0088006>?",
        f"arc {FIRST}  {SECOND} 0088006>?",
        f"ARC {FIRST} {SECOND} 0088006>?",
        f"arc {FIRST} {SECOND} 00٣8006>?",
        "path S.#/..G",
    ],
)
def test_what_is_no_question_with_one_answer_is_not_read(question: str) -> None:
    assert WORLD.read(question) is None


def test_rules_that_disagree_are_not_asked_about() -> None:
    pairs = "arc 0033000>3300000 0044000>4400000"
    assert WORLD.read(f"{pairs} 0000500>?") is None  # left 2 or push left
    assert WORLD.read(f"{pairs} 0055000>?") is not None


def test_the_example_of_the_docstring() -> None:
    assert WORLD.read(f"arc {FIRST} {SECOND} 0088006>?") == EXAMPLE
    assert WORLD.expert(EXAMPLE).steps == (
        "left 1 fits 1",
        "push left fits 1 2",
        "push left gives 8860000",
    )


def test_pairs_in_another_order_are_on_the_same_side_of_the_split() -> None:
    other = Analogy(EXAMPLE.pairs[::-1], EXAMPLE.row)
    assert WORLD.key(other) == WORLD.key(EXAMPLE)
    assert WORLD.question(other) != WORLD.question(EXAMPLE)


@pytest.mark.parametrize(
    "text", ["arc " + "1" * 10**6, "0" * 10**6, "1>2 " * 250_000, "paint 1 " * 125_000]
)
def test_a_megabyte_is_no_question_answer_or_step(text: str) -> None:
    assert WORLD.read(text) is None
    assert not WORLD.verify(EXAMPLE, text)
    assert WORLD.check_step(EXAMPLE, text) is None


@pytest.mark.parametrize(
    "step",
    [
        *("", "mirror", "mirror fits", "mirror fits 4", "left 4 fits 1", "paint 3 3 fits 1"),
        *("left 1", "swap 2 1 fits 1", "push up fits 1", "drop 1 gives ", "left 1 fits 1 "),
        *("drop 2  fits 1", "left 1 fits", "left 1 fits 1 2 3 3", "inside 10 fits 1"),
    ],
)
def test_what_is_no_step_is_not_judged(step: str) -> None:
    assert WORLD.check_step(EXAMPLE, step) is None
