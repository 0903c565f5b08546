"""Content keys and the split that hangs on them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rlp_core.data.records import (
    KINDS,
    Demonstration,
    Document,
    Problem,
    content_key,
    heldout,
    kind_of,
)
from rlp_core.workspace import DEMONSTRATION_PARTS, DOCUMENT_PARTS, PROBLEM_PARTS

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(TEXT)
def test_key_is_blind_to_case_and_white_space(text: str) -> None:
    spread = "\n ".join(text.split())
    assert (
        content_key(spread) == content_key(f"  {spread}\t") == content_key(" ".join(text.split()))
    )


@given(st.text("abcdef 0123456789+-", min_size=1), st.text("abcdef 0123456789+-", min_size=1))
def test_different_texts_have_different_keys(one: str, two: str) -> None:
    same = " ".join(one.split()) == " ".join(two.split())
    assert (content_key(one) == content_key(two)) is same


@given(TEXT, st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_holds_out_all_that_a_smaller_does(
    text: str, one: float, two: float
) -> None:
    low, high = sorted((one, two))
    key = content_key(text)
    assert heldout(key, high) or not heldout(key, low)
    assert not heldout(key, 0.0)
    assert heldout(key, 1.0)


def test_share_of_keys_held_out_is_the_share_asked_for() -> None:
    keys = [content_key(f"text {n}") for n in range(20_000)]
    found = sum(heldout(key, 0.1) for key in keys) / len(keys)
    assert found == pytest.approx(0.1, abs=0.01)


def test_split_does_not_move_between_releases() -> None:
    assert content_key("3+4-5") == "bfdc4d1e97b979840656184cb8006091"


def test_parts_hold_one_kind_each() -> None:
    assert {kind_of(part) for part in DOCUMENT_PARTS} == {Document}
    assert {kind_of(part) for part in DEMONSTRATION_PARTS} == {Demonstration}
    assert {kind_of(part) for part in PROBLEM_PARTS} == {Problem}
    assert set(KINDS.values()) == {Document, Demonstration, Problem}


@given(
    TEXT,
    st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)).map(list), max_size=3),
)
def test_a_record_survives_its_file(text: str, spans: list[list[int]]) -> None:
    record = Document(id="a", key="k", source="s", licence="MIT", text=text, spans=spans)
    line = json.dumps(record.model_dump(), ensure_ascii=False)
    assert Document.model_validate(json.loads(line)) == record


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="thoughts"):
        Document(id="a", key="k", source="s", licence="MIT", text="t", thoughts="x")  # type: ignore[call-arg]


def test_half_a_surrogate_pair_has_a_key() -> None:
    assert content_key("half \ud83d") != content_key("half")
