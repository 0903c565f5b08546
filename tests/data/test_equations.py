"""Worked steps from equations in prefix form."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from rlp_core.contracts.steps import steps as shown_steps
from rlp_core.data.equations import (
    MAX_DIGITS,
    OPERATORS,
    PrefixEquation,
    UnequalError,
    UnwritableError,
    worked,
    written,
)
from rlp_core.data.records import Demonstration
from rlp_core.data.row import MappedRow, NullFieldError
from rlp_core.errors import ConfigError, DataError
from tests.data.mappings import mapper, one

SETTINGS = PrefixEquation(field="e", numbers="n", answer="a")
DECIMALS = st.decimals(-50, 50, places=1, allow_nan=False).map(str)
Tree = Any
"""A number as text, or (operator, left, right)."""
TREES: st.SearchStrategy[Tree] = st.recursive(
    DECIMALS,
    lambda inner: st.tuples(st.sampled_from(sorted(OPERATORS)), inner, inner),
    max_leaves=8,
)


def value_of(tree: Tree) -> Fraction:
    if isinstance(tree, str):
        return Fraction(tree)
    sign, left, right = tree
    return OPERATORS[sign](value_of(left), value_of(right))


def nodes(tree: Tree) -> int:
    return 0 if isinstance(tree, str) else 1 + nodes(tree[1]) + nodes(tree[2])


def prefix(tree: Tree, numbers: list[str]) -> str:
    if isinstance(tree, str):
        numbers.append(tree)
        return f"number{len(numbers) - 1}"
    return " ".join([tree[0], prefix(tree[1], numbers), prefix(tree[2], numbers)])


def made(equation: str, numbers: Any, answer: Any, **other: Any) -> dict[str, str]:
    row = MappedRow({"e": equation, "n": numbers, "a": answer, **other}, "f, line 1", "prepare.x")
    return worked(row, SETTINGS)


@given(TREES)
@example(("-", "3", ("-", "2", "9")))
def test_the_steps_are_true_and_lead_to_the_value_of_the_tree(tree: Tree) -> None:
    try:
        value = value_of(tree)
        answer = written(value)
    except (ZeroDivisionError, UnwritableError):
        assume(False)
    numbers: list[str] = []
    equation = prefix(tree, numbers)
    try:
        told = made(equation, numbers, answer)
    except UnwritableError:
        assume(False)  # a value on the way: a third, and three of them
    assert Fraction(told["result"]) == value
    shown = list(shown_steps(" " + told["steps"]))
    assert len(shown) == nodes(tree)
    assert all(step.holds for step in shown)
    if shown:
        assert told["steps"].rpartition(" = ")[2] == told["result"]
    else:
        assert told["steps"] == ""


@given(TREES, st.integers(1, 9))
def test_an_answer_that_is_off_is_passed_over(tree: Tree, off: int) -> None:
    try:
        value = value_of(tree)
        answer = written(value + off)
    except (ZeroDivisionError, UnwritableError):
        assume(False)
    assume(abs(value) < 10**8)
    numbers: list[str] = []
    equation = prefix(tree, numbers)
    with pytest.raises(UnequalError):
        made(equation, numbers, answer)


@given(st.fractions(max_denominator=10**6))
def test_a_number_is_written_exactly_and_short_or_not_at_all(value: Fraction) -> None:
    try:
        text = written(value)
    except UnwritableError:
        rest = value.denominator
        for prime in (2, 5):
            while rest % prime == 0:
                rest //= prime
        assert (
            rest != 1 or 10**MAX_DIGITS % value.denominator or abs(value) > 10 ** (MAX_DIGITS - 7)
        )
        return
    assert Fraction(text) == value
    assert not text.startswith(("-0.0", "00")) or value
    assert "." not in text or not text.endswith(("0", "."))
    assert text != "-0"


def test_a_number_with_too_many_digits_is_not_written() -> None:
    assert written(Fraction(10**MAX_DIGITS - 1)) == "9" * MAX_DIGITS
    for value in (Fraction(10**MAX_DIGITS), Fraction(1, 2**200), Fraction(10**6000)):
        with pytest.raises(UnwritableError):
            written(value)


EXAMPLES = [
    ("* number0 number1", ["56.0", "9.0"], "504.0", "56 * 9 = 504", "504"),
    ("+ + number0 number1 number2", "46 47 12", 105, "46 + 47 = 93; 93 + 12 = 105", "105"),
    ("- + number0 number0 1.50", [0.25], -1.0, "0.25 + 0.25 = 0.5; 0.5 - 1.5 = -1", "-1"),
    ("+ - number0 9 2", ["3"], "-4", "3 - 9 = -6; (-6) + 2 = -4", "-4"),
    ("- 2 - number0 9", ["3"], "8", "3 - 9 = -6; 2 - (-6) = 8", "8"),
    ("+ * 1 2 * 3 4", [], "14", "1 * 2 = 2; 3 * 4 = 12; 2 + 12 = 14", "14"),
    ("number0", ["7.0"], "7", "", "7"),
]


@pytest.mark.parametrize(("equation", "numbers", "answer", "steps", "result"), EXAMPLES)
def test_examples(equation: str, numbers: Any, answer: Any, steps: str, result: str) -> None:
    assert made(equation, numbers, answer) == {"steps": steps, "result": result}


@pytest.mark.parametrize(
    ("equation", "numbers", "answer", "kind"),
    [
        ("/ 10 3", [], "3.33", UnwritableError),  # right, but rounded
        ("/ 10 3", [], "3.34", UnequalError),
        ("/ 40 7", [], "5.0", UnequalError),
        ("* / 1 3 3", [], "1", UnwritableError),  # a third on the way
        ("+ 0.16666666666666666 0.5", [], "0.6666666666666666", UnwritableError),  # in doubles
        ("* 34 4", [], "134", UnequalError),
    ],
)
def test_what_is_passed_over(
    equation: str, numbers: Any, answer: str, kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        made(equation, numbers, answer)


@pytest.mark.parametrize(
    ("equation", "numbers", "answer", "message"),
    [
        ("^ number0 2", ["3"], "9", "'^', which is no operator"),
        ("+ number0 number1", ["3"], "3", "names `number1`, and the row has 1 numbers"),
        ("+ number0 numberx", ["3"], "3", "'numberx'"),
        ("+ number0", ["3"], "3", "no equation in prefix form"),
        ("number0 + 2", ["3"], "5", "no equation in prefix form"),
        ("+ number0 2 2", ["3"], "5", "no equation in prefix form"),
        ("", [], "5", "no equation in prefix form"),
        ("+ " * 999 + "1 " * 1000, [], "1000", "at most 400 signs"),
        ("/ number0 0", ["3"], "5", "divides by zero"),
        ("+ 1 2", {"a": 1}, "3", "no list of numbers"),
        ("+ 1 2", ["1e999999999"], "3", "no number: '1e999999999'"),
        ("+ 1 2", [True], "3", "no number: True"),
        ("+ 1 2", ["1,000"], "3", "no number: '1,000'"),
        ("+ 1 2", [None], "3", "no number: None"),
        ("+ 1 2", ["9" * 500], "3", "no number: '999"),
        ("+ 1 2", [], "three", "no number: 'three'"),
        ("+ 1 2", [], None, "the field `a` is null"),
        (["+", "1", "2"], [], "3", "of type list, not a text"),
    ],
)
def test_what_is_no_equation_is_told_with_its_place(
    equation: Any, numbers: Any, answer: Any, message: str
) -> None:
    with pytest.raises(DataError, match=r"f, line 1 \(prepare\.x\.mapping\.equation") as caught:
        made(equation, numbers, answer)
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["steps", "result"])
def test_a_field_of_the_row_is_never_replaced(name: str) -> None:
    with pytest.raises(DataError, match=f"has a field `{name}` already"):
        made("+ 1 2", [], "3", **{name: "x"})


@pytest.mark.parametrize("missing", ["e", "n", "a"])
def test_a_missing_field_is_told(missing: str) -> None:
    fields = {"e": "+ 1 2", "n": [], "a": "3"}
    del fields[missing]
    with pytest.raises(DataError, match=f"no field is called `{missing}`"):
        worked(MappedRow(fields, "f, line 1", "prepare.x"), SETTINGS)


def test_a_null_is_passed_over_where_the_mapping_says_so() -> None:
    row = MappedRow({"e": "+ 1 2", "n": [], "a": None}, "f", "p", "skip")
    with pytest.raises(NullFieldError):
        worked(row, SETTINGS)


MAPPING = {
    "equation": {"field": "e", "numbers": "n", "answer": "a"},
    "context": "Q: {q}\nA:",
    "thought": " {steps}",
    "continuation": " {result}\n",
}


def test_the_fields_stand_in_templates_and_passed_over_rows_are_counted() -> None:
    source = mapper(MAPPING, "demonstration")
    record = one(source, {"q": "How many?", "e": "+ number0 1", "n": ["2.0"], "a": "3.0"})
    assert isinstance(record, Demonstration)
    assert (record.thought, record.continuation) == (" 2 + 1 = 3", " 3\n")
    for equation, answer in [("+ 1 1", "3"), ("/ 1 3", "0.33")]:
        row = {"q": "How many?", "e": equation, "n": [], "a": answer}
        assert not list(source.records(row, "id", "f"))
    assert source.passed_over == {"unequal": 1, "unwritable": 1}


def test_without_its_templates_no_field_is_there() -> None:
    plain = {name: text for name, text in MAPPING.items() if name != "equation"}
    with pytest.raises(DataError, match="no field is called `steps`"):
        one(mapper(plain, "demonstration"), {"q": "x", "e": "+ 1 2", "n": [], "a": "3"})


def test_the_section_is_closed() -> None:
    with pytest.raises(Exception, match="operators"):
        mapper(
            MAPPING | {"equation": {"field": "e", "numbers": "n", "answer": "a", "operators": 1}}
        )
    with pytest.raises(ConfigError, match="no use for `context`"):
        mapper(MAPPING, "document")
