"""What a field of a row may be, and what never becomes text."""

import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.data.records import (
    Document,
)
from rlp_core.errors import DataError
from tests.data.mappings import mapper, one

NOTHINGS = [None, float("nan"), float("inf"), -float("inf"), Decimal("NaN")]
WAYS = ["{a}", "{a!s}", "{a!r}", "{a!a}", "{a:>5}", "{a!s:>5}", "x {o[a]!s}", "{l[0]!s}"]


def holding(value: object) -> dict[str, Any]:
    return {"a": value, "o": {"a": value}, "l": [value], "text": "t"}


@pytest.mark.parametrize("value", NOTHINGS, ids=repr)
@pytest.mark.parametrize("template", WAYS)
def test_nothing_never_becomes_a_word(value: object, template: str) -> None:
    with pytest.raises(DataError, match="which is no text") as caught:
        one(mapper({"text": template}), holding(value))
    assert "mapping.null" in caught.value.fix
    assert "!s" not in caught.value.fix
    skipping = mapper({"text": template, "null": "skip"})
    assert not list(skipping.records(holding(value), "id", "f"))
    assert skipping.passed_over == {"null": 1}
    emptied = one(mapper({"text": f"<{template}>", "null": "empty"}), holding(value))
    assert isinstance(emptied, Document)
    assert not re.search("none|nan|inf", emptied.text, re.IGNORECASE)


@pytest.mark.parametrize("value", NOTHINGS, ids=repr)
def test_nothing_is_refused_where_no_template_names_it(value: object) -> None:
    matched = {"extract_field": "a", "extract": "(?P<x>.*)", "text": "{x}"}
    for mapping, row in (({}, {"text": value}), (matched, holding(value))):
        with pytest.raises(DataError, match="which is no text"):
            one(mapper(mapping), row)


@given(st.recursive(st.integers() | st.floats() | st.none() | st.binary(), st.lists))
def test_no_python_notation_gets_into_a_text(value: object) -> None:
    try:
        record = one(mapper({"text": "{a!s}"}), {"a": value})
    except DataError:
        return
    assert isinstance(record, Document)
    assert float(record.text) == value


def test_a_list_is_refused_with_the_way_into_it() -> None:
    with pytest.raises(DataError, match=r"(?s)of type list.*use {a\[key\]} or {a\[0\]}"):
        one(mapper({"text": "{a!s}"}), {"a": ["x"]})


# ------------------------------------------------------------------------ chosen rows

SAME = [
    ("0", 0),
    (0, "0"),
    (0, 0.0),
    (1.5, 1.5),
    (True, True),
    (True, "True"),
    ("true", True),
    (None, None),
    (None, float("nan")),
]
DIFFERENT = [(0, 1), (0, False), (1, True), ("", None), (None, ""), ("0", "00"), ("A", "a")]


@pytest.mark.parametrize(("wanted", "held"), SAME)
def test_rows_are_chosen_by_numbers_and_truth_values(wanted: Any, held: object) -> None:
    assert one(mapper({"only": {"fold": wanted}}), {"text": "t", "fold": held})


@pytest.mark.parametrize(("wanted", "held"), DIFFERENT)
def test_rows_of_another_number_are_passed_over_and_counted(wanted: Any, held: object) -> None:
    made = mapper({"only": {"fold": wanted}})
    assert not list(made.records({"text": "t", "fold": held}, "id", "f"))
    assert made.passed_over == {"only": 1}


# ---------------------------------------------------------------------------- choices
