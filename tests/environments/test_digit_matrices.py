"""Matrices of digits: this world's own, beside what every world is asked in `test_worlds`."""

import random
from itertools import permutations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from rlp_core.environments import digit_matrices
from rlp_core.environments.digit_matrices import DigitMatrices, DigitMatricesSettings, DigitMatrix

WORLD = DigitMatrices("digit_matrices")
EXAMPLE = DigitMatrix(("1", "3", "5", "4", "6", "8", "2", "4"))
SUMS = DigitMatrix(("24", "37", "51", "41", "47", "84", "17", "11"))
Numbers = tuple[int, int, int]


def drawn(seed: int, **values: int) -> DigitMatrix:
    return WORLD.sample(random.Random(seed), DigitMatricesSettings(**values))


seeds = st.integers(0, 10**6)
tasks = st.builds(
    lambda seed, low, more, rules, step: drawn(
        seed, min_places=low, max_places=min(3, low + more), rules=rules, largest_step=step
    ),
    seeds,
    st.integers(1, 3),
    st.integers(0, 2),
    st.integers(1, 4),
    st.integers(1, 3),
)


def every_rule() -> dict[str, set[Numbers]]:
    """Every rule of the family and all the rows in which it holds."""
    rules: dict[str, set[Numbers]] = {"same": {(n, n, n) for n in range(10)}}
    for step in (-3, -2, -1, 1, 2, 3):
        rows = [(n, n + step, n + step + step) for n in range(10)]
        rules[f"by {step}"] = {row for row in rows if 0 <= row[2] <= 9}
    for x, y, z in product(range(10), repeat=3):
        if x < y < z:
            rules[f"of {x}{y}{z}"] = set(permutations((x, y, z)))  # type: ignore[arg-type]
    rules["sum"] = {(x, y, x + y) for x, y in product(range(10), repeat=2) if x + y <= 9}
    return rules


RULES = every_rule()


def explaining(task: DigitMatrix, place: int) -> list[tuple[str, list[Numbers]]]:
    """Each rule and three rows in all of which it holds, whatever the last digit."""
    n = [int(cell[place]) for cell in task.cells]
    filled = [[(n[0], n[1], n[2]), (n[3], n[4], n[5]), (n[6], n[7], z)] for z in range(10)]
    return [(rule, rows) for rule, true in RULES.items() for rows in filled if true >= set(rows)]


def true_steps(task: DigitMatrix) -> set[str]:
    return {
        f"{x} {y} {z} {rule}"
        for place in range(len(task.cells[0]))
        for rule, rows in explaining(task, place)
        for x, y, z in rows
    }


@given(tasks)
@settings(max_examples=50)
def test_all_rules_that_hold_give_the_answer_and_no_other_is_right(task: DigitMatrix) -> None:
    answer = ""
    for place in range(len(task.cells[0])):
        last = {rows[2][2] for _, rows in explaining(task, place)}
        assert len(last) == 1
        answer += str(last.pop())
    assert WORLD.expert(task).answer == answer
    size = len(answer)
    for other in map("".join, product("0123456789", repeat=size)):
        assert WORLD.verify(task, other) == (other == answer)
    near = {answer + answer, answer[1:], f"0{answer}", f"{answer}0", f"{answer}.", f"-{answer}"}
    near |= {" ".join(answer)} - {answer} | {"x" * size, "?" * size, "٣" * size}
    assert not any(WORLD.verify(task, one) for one in near)


@given(tasks, st.data())
@settings(max_examples=50)
def test_a_step_holds_where_its_rule_holds_in_all_rows(
    task: DigitMatrix, data: st.DataObject
) -> None:
    true = true_steps(task)
    solution = WORLD.expert(task)
    assert set(solution.steps) <= true
    assert len(solution.steps) == 3 * len(task.cells[0])
    assert "".join(step[4] for step in solution.steps[2::3]) == solution.answer
    step = data.draw(st.sampled_from(sorted(true)))
    for at, letter in product(range(len(step)), "0123456789-amy "):
        other = step[:at] + letter + step[at + 1 :]
        assert (WORLD.check_step(task, other) is True) == (other in true)
    numbers = data.draw(st.sampled_from([step[:5], "1 2 3", "0 0 0", "3 2 1"]))
    for rule in RULES:
        other = f"{numbers} {rule}"
        assert WORLD.check_step(task, other) is (other in true)


@given(seeds, st.integers(1, 3), st.integers(1, 4), st.integers(1, 3))
@settings(max_examples=60)
def test_what_is_drawn_is_what_was_asked_for(seed: int, size: int, rules: int, step: int) -> None:
    task = drawn(seed, min_places=size, max_places=size, rules=rules, largest_step=step)
    assert {len(cell) for cell in task.cells} == {size}
    kinds = ("same", "by", "of", "sum")[:rules]
    for place in range(size):
        found = [rule for rule, _ in explaining(task, place) if rule.split(" ")[0] in kinds]
        assert found
        n = "".join(cell[place] for cell in task.cells)
        assert len({n[:3], n[3:6]}) == 2


def test_every_rule_is_asked_about() -> None:
    drawn_ones = [drawn(seed, max_places=3, largest_step=3) for seed in range(150)]
    steps = {step for task in drawn_ones for step in WORLD.expert(task).steps}
    rules = {step.split(" ", 3)[3] for step in steps}
    assert {f"by {step}" for step in (-3, -2, -1, 1, 2, 3)} | {"same", "sum"} <= rules
    assert any(rule.startswith("of ") for rule in rules)


def test_digits_that_stand_in_leave_no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = {f"{digit}" for digit in "11122233"}
    assert not any(set("".join(drawn(seed, rules=1).cells)) <= stand_in for seed in range(5))
    monkeypatch.setattr(digit_matrices, "TRIES", 0)
    task = drawn(0, min_places=2)
    assert [rule for rule, _ in explaining(task, 0)] == ["same"]
    assert WORLD.read(WORLD.question(task)) == task


def test_the_settings_move_the_difficulty() -> None:
    def made(**values: int) -> list[str]:
        ones = (drawn(seed, **values) for seed in range(150))
        return [step for one in ones for step in WORLD.expert(one).steps]

    assert (
        len(made(max_places=1))
        < len(made())
        < len(made(min_places=2))
        < len(made(min_places=3, max_places=3))
    )

    def rules(**values: int) -> int:
        return len({step.split(" ", 3)[3] for step in made(**values)})

    assert rules(rules=1) < rules(rules=2) < rules(rules=2, largest_step=3) < rules(rules=3)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"min_places": 3}, "`min_places` must not exceed `max_places`: lower it"),
        ({"min_places": 0}, "greater than or equal to 1"),
        ({"max_places": 4}, "less than or equal to 3"),
        ({"rules": 5}, "less than or equal to 4"),
        ({"largest_step": 4}, "less than or equal to 3"),
    ],
)
def test_impossible_settings_are_refused(values: dict[str, int], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        DigitMatricesSettings(**values)


@pytest.mark.parametrize(
    "question",
    [
        "",
        "matrix",
        "matrix 1 3 5/4 6 8/2 4 6",
        "matrix 1 3 5/4 6 8/2 4 ?\n",
        "matrix 1 3 5/4 6 8/2 ?",
        "matrix 1 3 5/4 6 8/2 4 ?/1 3 5",
        "matrix 1 3 5/4 6 8/2 5 ?",  # no rule can hold in the last row
        "matrix 1 3 5/4 6 9/2 4 ?",  # none holds in both
        "matrix 1 3 5/4 6 8/7 9 ?",  # the next would be 11
        "matrix 1 5 9/0 4 8/1 5 ?",  # a step of 4 is none of the rules
        "matrix 1 2 3/1 2 3/4 5 ?",  # 6 or 9
        "matrix 0 0 0/0 0 0/1 1 ?",  # 1 or 2
        "matrix 1 2 3/2 1 3/3 1 ?",  # 2 or 4
        "matrix 11 33 55/44 66 88/22 4 ?",
        "matrix 11 33 55/44 66 88/22 45 ?",
        "matrix 1111 3333 5555/4444 6666 8888/2222 4444 ?",
        "matrix 1  3 5/4 6 8/2 4 ?",
        "matrix 1 3 5/4 6 8/2 ٤ ?",
        "Matrix 1 3 5/4 6 8/2 4 ?",
        "path S.#/..G",
    ],
)
def test_what_is_no_matrix_with_one_answer_is_not_read(question: str) -> None:
    assert WORLD.read(question) is None


def test_the_example_of_the_docstring() -> None:
    assert WORLD.read("matrix 1 3 5/4 6 8/2 4 ?") == EXAMPLE
    assert WORLD.expert(EXAMPLE).steps == ("1 3 5 by 2", "4 6 8 by 2", "2 4 6 by 2")
    assert WORLD.expert(SUMS).steps == (
        *("2 3 5 sum", "4 4 8 sum", "1 1 2 sum"),
        *("4 7 1 of 147", "1 7 4 of 147", "7 1 4 of 147"),
    )
    assert WORLD.expert(SUMS).answer == "24"


@pytest.mark.parametrize(
    "text", ["matrix " + "1" * 10**6, "1 " * 500_000, "7" * 10**6, "4 4 4 same" * 10**5]
)
def test_a_megabyte_is_no_question_answer_or_step(text: str) -> None:
    assert WORLD.read(text) is None
    assert not WORLD.verify(EXAMPLE, text)
    assert WORLD.check_step(EXAMPLE, text) is None


@pytest.mark.parametrize(
    "step",
    ["", "1 3 5", "1 3 5 by", "1 3 5 by +2", "1 3 5 by 0", "1 3 5 by 2 ", "135 by 2", "1 3 by 2"],
)
def test_what_is_no_step_is_not_judged(step: str) -> None:
    assert WORLD.check_step(EXAMPLE, step) is None


@pytest.mark.parametrize("step", ["1 3 5 by 1", "2 4 8 by 2", "1 2 3 by 1", "1 3 5 of 135"])
def test_what_the_matrix_does_not_say_does_not_hold(step: str) -> None:
    assert WORLD.check_step(EXAMPLE, step) is False
