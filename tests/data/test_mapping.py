"""Rows to records: templates, spans, chunks, sides of the split, and what is wrong with them."""

import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.data.blocks import chunks
from rlp_core.data.mapping import Mapper
from rlp_core.data.records import (
    KINDS,
    Demonstration,
    Document,
    Problem,
    Record,
    content_key,
    heldout,
)
from rlp_core.errors import ConfigError, DataError
from rlp_core.data.config import Files

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
GSM8K = {
    "key": "{question}",
    "extract_field": "answer",
    "extract": r"(?s)(?P<steps>.+)\n#### (?P<final>.+)",
}
ROW = {"question": "How many?", "answer": "2+3=<<2+3=5>>5\n5+1=6\n#### 6", "n": 7, "none": None}


def mapper(mapping: dict[str, Any], kind: str = "document", **keys: Any) -> Mapper:
    settings = {"kind": "files", "name": "n", "licence": "MIT", "pattern": "*", "mapping": mapping}
    return Mapper(Files.model_validate(settings | keys), KINDS[kind], 0.3, "prepare.base[0]")


def one(made: Mapper, row: dict[str, Any]) -> Record:
    [record] = made.records(row, "id", "f.jsonl, line 1")
    return record


def test_a_demonstration_from_a_worked_solution() -> None:
    templates = {
        "context": "Q: {question}\nA:",
        "thought": "{steps}",
        "continuation": "{final}\n",
    }
    record = one(mapper(GSM8K | templates, "demonstration"), ROW)
    assert record == Demonstration(
        id="id",
        key=content_key("How many?"),
        source="n",
        licence="MIT",
        context="Q: How many?\nA:",
        thought="2+3=<<2+3=5>>5\n5+1=6",
        continuation="6\n",
    )


def test_a_document_with_its_answer_marked_at_the_last_place() -> None:
    templates = {"text": "{steps}\nA:{final}\n", "answer_span": "{final}"}
    record = one(mapper(GSM8K | templates), ROW)
    assert isinstance(record, Document)
    assert record.text == "2+3=<<2+3=5>>5\n5+1=6\nA:6\n"
    assert record.spans == [[len(record.text) - 2, len(record.text) - 1]]


def test_a_problem_with_choices() -> None:
    row = {"question": {"stem": "Which?"}, "options": ["a", "b"], "right": "b", "label": 1}
    mapping = {
        "prompt": "{question[stem]}",
        "answer": "{options[1]} {label!s} {label:02d}",
        "choices_field": "options",
    }
    record = one(mapper(mapping, "problem"), row)
    assert isinstance(record, Problem)
    assert (record.prompt, record.answer, record.choices) == ("Which?", "b 1 01", ["a", "b"])
    assert record.key == content_key("Which?")


def test_without_a_template_a_document_is_the_field_text() -> None:
    assert one(mapper({}), {"text": "as it is {so}"}).model_dump()["text"] == "as it is {so}"


@given(TEXT, TEXT)
def test_fields_go_in_as_they_are(a: str, b: str) -> None:
    record = one(mapper({"text": "<{a}>{{}}<{b c}>"}), {"a": a, "b c": b})
    assert isinstance(record, Document)
    assert record.text == f"<{a}>{{}}<{b}>"
    assert record.key == content_key(record.text)


@given(st.lists(TEXT, min_size=20, max_size=40, unique_by=content_key))
def test_train_and_heldout_part_the_rows(texts: list[str]) -> None:
    taken = {
        take: [
            record.key
            for text in texts
            for record in mapper({}, take=take).records({"text": text}, "id", "f")
        ]
        for take in ("all", "train", "heldout")
    }
    assert sorted(taken["train"] + taken["heldout"]) == sorted(taken["all"])
    assert not any(heldout(key, 0.3) for key in taken["train"])
    assert all(heldout(key, 0.3) for key in taken["heldout"])


@given(st.text("ab \n", max_size=300), st.integers(1, 50))
def test_chunks_joined_give_the_text_back(text: str, limit: int) -> None:
    pieces = list(chunks(text, limit))
    assert "".join(pieces) == text
    assert all(len(piece) <= limit for piece in pieces)
    assert all(len(piece) > limit // 2 for piece in pieces[:-1])
    assert all(pieces) or not text


def test_chunks_end_at_line_ends_where_they_can() -> None:
    assert list(chunks("aaaa\nbb\ncc cc\ndddddddddd", 9)) == [
        "aaaa\nbb\n",
        "cc cc\n",
        "ddddddddd",
        "d",
    ]


@given(st.text("ab \n", min_size=1, max_size=300))
def test_chunks_of_one_text_stay_on_one_side(text: str) -> None:
    pieces = list(mapper({}, chunk_chars=20).records({"text": text}, "id", "f"))
    train = list(mapper({}, chunk_chars=20, take="train").records({"text": text}, "id", "f"))
    assert train == ([] if heldout(content_key(text), 0.3) else pieces)
    assert len({piece.id for piece in pieces}) == len(pieces)
    if len(pieces) > 1:
        assert [piece.id for piece in pieces[:2]] == ["id.1", "id.2"]


@given(st.text("ab \n", min_size=1, max_size=300), st.sampled_from(["chunks", "blocks", "both"]))
def test_of_the_pieces_of_a_text_only_its_end_ends_it(text: str, cut: str) -> None:
    options = {
        "chunks": [{"chunk_chars": 20}],
        "blocks": [{"block_chars": 40, "take": side} for side in ("train", "heldout")],
        "both": [
            {"block_chars": 40, "chunk_chars": 20, "take": side} for side in ("train", "heldout")
        ],
    }
    made = [
        record
        for option in options[cut]
        for record in mapper({}, **option).records({"text": text}, "id", "f")
    ]
    if not made:  # a short text that lies on the other side
        return
    ending = [record for record in made if record.ends]
    assert len(ending) <= 1
    if cut == "chunks":
        assert ending == made[-1:]
    for record in ending:
        assert text.endswith(record.text)
    for record in made:
        row = record.model_dump()
        assert row.get("ends", True) is record.ends
        assert ("ends" in row) is not record.ends
        assert Document.model_validate(row) == record


def test_chunks_share_a_key_that_the_mapping_names() -> None:
    made = mapper({"key": "{name}"}, chunk_chars=3).records(
        {"text": "abcdef", "name": "x"}, "i", ""
    )
    assert {record.key for record in made} == {content_key("x")}


def test_rows_of_another_value_are_passed_over() -> None:
    made = mapper({"only": {"split": "train"}})
    assert one(made, {"text": "a", "split": "train"})
    assert not list(made.records({"text": "a", "split": "test"}, "id", "f"))
    with pytest.raises(DataError, match="no field is called `split`"):
        one(made, {"text": "a"})


WRONG_ROWS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "unknown field": (
        {"text": "{qestion}"},
        ROW,
        "no field is called `qestion`.*did you mean `question`.*answer, n, none, question",
    ),
    "unknown key inside": ({"text": "{n[a]}"}, {"n": {"b": "c"}}, r"called `n\[a\]`"),
    "no text field": ({}, {"body": "t"}, "no field is called `text`.*the row has the fields body"),
    "number": ({"text": "{n}"}, ROW, "`n` is of type int, not a text: 7.*{n!s}"),
    "null": ({"text": "{none}"}, ROW, "`none` is null, which is no text.*mapping.null"),
    "list": ({}, {"text": ["a"]}, "`text` is of type list"),
    "format of another type": ({"text": "{question:d}"}, ROW, "`question` is of type str"),
    "no match": (
        {"extract_field": "question", "extract": "(?P<x>[0-9]+)", "text": "{x}"},
        ROW,
        "`question` does not match `extract` as a whole",
    ),
    "span elsewhere": ({"text": "{question}", "answer_span": "42"}, ROW, "gives '42'"),
    "empty span": ({"text": "{question}", "answer_span": "{e}"}, ROW | {"e": ""}, "gives ''"),
    "half a character": ({}, {"text": "a\ud83d"}, "a lone surrogate.*at place 1"),
    "half in a template": ({"text": "{n!s}{a}"}, {"n": 1, "a": "\udc00"}, "a lone surrogate"),
}


@pytest.mark.parametrize("case", WRONG_ROWS)
def test_a_wrong_row_is_told_with_its_place(case: str) -> None:
    mapping, row, message = WRONG_ROWS[case]
    with pytest.raises(DataError) as caught:
        one(mapper(mapping), row)
    assert re.search(message, str(caught.value), re.DOTALL)
    assert "f.jsonl, line 1" in caught.value.where
    assert "prepare.base[0].mapping" in caught.value.where


@pytest.mark.parametrize("options", ["a", None, ["a", 1]])
def test_options_must_be_a_list_of_texts(options: object) -> None:
    mapping = {"prompt": "{q}", "answer": "{q}", "choices_field": "options"}
    with pytest.raises(DataError, match="no list of texts"):
        one(mapper(mapping, "problem"), {"q": "x", "options": options})


WRONG_MAPPINGS: dict[str, tuple[str, dict[str, Any], dict[str, Any], str]] = {
    "no context": ("demonstration", {"continuation": "x"}, {}, "needs the template `context`"),
    "no answer": ("problem", {"prompt": "x"}, {}, "needs the template `answer`"),
    "of another kind": ("document", {"prompt": "x"}, {}, "a document has no use for `prompt`"),
    "open brace": ("document", {"text": "{a"}, {}, "not a format string"),
    "no name": ("document", {"text": "{}"}, {}, "is no name of a field"),
    "a number": ("document", {"text": "{0}"}, {}, "is no name of a field"),
    "an attribute": ("document", {"text": "{a.__class__}"}, {}, "is no name of a field"),
    "bad expression": (
        "document",
        {"extract": "(", "extract_field": "a"},
        {},
        "not a regular expression",
    ),
    "no group": ("document", {"extract": "a", "extract_field": "a"}, {}, "no named group"),
    "no field": ("document", {"extract": "(?P<a>.)"}, {}, "belong together"),
    "span and chunks": ("document", {"answer_span": "x"}, {"chunk_chars": 9}, "give one"),
    "blocks of a problem": (
        "problem",
        {"prompt": "x", "answer": "x"},
        {"block_chars": 9, "take": "train"},
        "cannot be cut",
    ),
    "chunks of a problem": (
        "problem",
        {"prompt": "x", "answer": "x"},
        {"chunk_chars": 9},
        "cannot be cut",
    ),
}


@pytest.mark.parametrize("case", WRONG_MAPPINGS)
def test_a_wrong_mapping_is_told_before_a_row_is_read(case: str) -> None:
    kind, mapping, keys, message = WRONG_MAPPINGS[case]
    with pytest.raises(ConfigError) as caught:
        mapper(mapping, kind, **keys)
    assert message in str(caught.value)
    assert caught.value.where.startswith("prepare.base[0].")


# ------------------------------------------------------------- what stands for nothing

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

COPA = {
    "prompt": "{premise} What was the {question}?",
    "choices": ["{choice1}", "{choice2}"],
    "answer_index": "{label}",
}
COPA_ROW = {
    "premise": "The door stood open.",
    "choice1": "A cat came in.",
    "choice2": "The sun rose.",
    "question": "effect",
    "label": 0,
}


@pytest.mark.parametrize(
    ("label", "keys", "answer"),
    [
        (0, {}, "A cat came in."),
        (1, {}, "The sun rose."),
        ("1", {}, "The sun rose."),
        (1, {"first_index": 1}, "A cat came in."),
        ("2", {"first_index": 1}, "The sun rose."),
        ("A", {}, "A cat came in."),
        ("b", {"first_index": 1}, "The sun rose."),
    ],
)
def test_choices_of_several_fields_and_an_answer_by_its_index(
    label: object, keys: dict[str, Any], answer: str
) -> None:
    record = one(mapper(COPA | keys, "problem"), COPA_ROW | {"label": label})
    assert isinstance(record, Problem)
    assert record.choices == ["A cat came in.", "The sun rose."]
    assert record.answer == answer
    assert record.prompt == "The door stood open. What was the effect?"


@pytest.mark.parametrize("label", [2, -1, "C", "", "x1", "²", 10**12, True])
def test_an_index_that_names_no_choice_is_told(label: object) -> None:
    with pytest.raises(DataError) as caught:
        one(mapper(COPA, "problem"), COPA_ROW | {"label": label})
    assert "f.jsonl, line 1" in caught.value.where
    assert "answer_index" in caught.value.where


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"prompt": "x"}, "needs the template `answer`, or else `answer_index`"),
        (COPA | {"answer": "x"}, "and not both"),
        (COPA | {"choices": []}, "there are none"),
        (COPA | {"choices_field": "o"}, "both name the options"),
        ({"prompt": "x", "answer": "x", "first_index": 1}, "says how `answer_index` counts"),
        (COPA | {"choices": ["{0}"]}, "is no name of a field"),
    ],
)
def test_choices_that_cannot_be_are_told_before_a_row_is_read(
    mapping: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        mapper(mapping, "problem")


# -------------------------------------------------------------------- parted within

WORDS = st.lists(st.text("abcdefgh", min_size=1, max_size=7), min_size=60, max_size=200)


@given(WORDS, st.integers(0, 10), st.sampled_from([0, 25]))
def test_a_long_text_lies_on_both_sides_and_nothing_of_it_on_two(
    words: list[str], gap: int, chunk: int
) -> None:
    text = " ".join(words)
    sides, gaps = {}, {}
    for take in ("train", "heldout"):
        made = mapper({}, take=take, block_chars=40, gap_chars=gap, chunk_chars=chunk)
        sides[take] = list(made.records({"text": text}, "id", "f"))
        gaps[take] = made.left_in_gaps
        assert sides[take]
        assert not made.passed_over
    ids = [record.id for side in sides.values() for record in side]
    assert len(set(ids)) == len(ids)
    assert gaps["train"] == gaps["heldout"]
    kept = sum(len(r.text) for side in sides.values() for r in side if isinstance(r, Document))
    assert kept + gaps["train"] == len(text)


def test_a_short_text_stays_whole_on_its_side() -> None:
    row = {"text": "short"}
    found = [
        list(mapper({}, take=t, block_chars=40).records(row, "id", "f"))
        for t in ("train", "heldout")
    ]
    assert sorted(map(len, found)) == [0, 1]
