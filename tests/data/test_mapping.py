"""Rows to records: templates, spans, choices, and what is wrong with them."""

import re
from typing import Any

import pytest
from hypothesis import given

from rlp_core.data.records import (
    Demonstration,
    Document,
    Problem,
    content_key,
)
from rlp_core.errors import ConfigError, DataError
from tests.data.mappings import GSM8K, ROW, TEXT, mapper, one


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
        (True, {"answer_index": "{label!s}"}, "The sun rose."),
        ("false", {"first_index": 1}, "A cat came in."),
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


def test_choices_of_a_text_follow_those_of_templates() -> None:
    mapping = {
        "prompt": "{q}",
        "choices": ["{best}"],
        "choices_field": "others",
        "choices_separator": ";",
        "answer": "{best}",
    }
    record = one(mapper(mapping, "problem"), {"q": "?", "best": "a b", "others": " c; d ;;"})
    assert isinstance(record, Problem)
    assert record.choices == ["a b", "c", "d"]
    assert record.weighed() == [("?", " a b"), ("?", " c"), ("?", " d")]


def test_choices_may_be_read_before_what_is_weighed() -> None:
    mapping = {
        "extract_field": "sentence",
        "extract": "(?P<head>.*)_(?P<tail>.*)",
        "prompt": "{sentence}",
        "choices": ["{options[0]}", "{options[1]}"],
        "contexts": ["{head}{options[0]}", "{head}{options[1]}"],
        "continuation": "{tail}",
        "answer_index": "{label}",
        "cluster": "{pair}",
    }
    row = {"sentence": "So _ slept.", "options": ["Ann", "Bob"], "label": 1, "pair": "p1"}
    record = one(mapper(mapping, "problem"), row)
    assert isinstance(record, Problem)
    assert record.weighed() == [("So Ann", " slept."), ("So Bob", " slept.")]
    assert (record.answer, record.cluster) == ("Bob", content_key("p1"))


def test_a_list_of_texts_is_written_a_line_each() -> None:
    record = one(mapper({"prompt": "{p!l}\n?", "answer": "x"}, "problem"), {"p": ["a", "b"]})
    assert isinstance(record, Problem)
    assert record.prompt == "a\nb\n?"
    with pytest.raises(DataError, match="not a text"):
        one(mapper({"prompt": "{p!l}", "answer": "x"}, "problem"), {"p": ["a", 1]})


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{level}", 5),
        ("{text}", 3),
        ("{lines!n}", 2),
        ("{equations!n}", 2),
        ("{listed!n}", 3),
        ("{none!n}", 0),
    ],
)
def test_difficulty_is_a_number_or_a_count_of_steps(template: str, told: int) -> None:
    row = {
        "level": 5,
        "text": " 3 ",
        "lines": "a = 1\n\nb = 2\n",
        "equations": "1 + 2 = 3; 3 - 1 = 2",
    }
    row |= {"listed": ["a", "b", "c"], "none": ""}
    record = one(mapper({"prompt": "q", "answer": "x", "difficulty": template}, "problem"), row)
    assert isinstance(record, Problem)
    assert record.difficulty == told
    assert record.model_dump()["difficulty"] == told


@pytest.mark.parametrize("value", ["hard", "-1", "1.5", 2.0, True, ["2"], None, "9" * 12])
def test_a_difficulty_that_is_no_whole_number_is_told(value: object) -> None:
    made = mapper({"prompt": "q", "answer": "x", "difficulty": "{level}"}, "problem")
    with pytest.raises(DataError, match=r"mapping\.difficulty"):
        one(made, {"level": value})
    with pytest.raises(DataError, match=r"mapping\.difficulty"):
        one(mapper({"prompt": "q", "answer": "x", "difficulty": "{x!n}"}, "problem"), {"x": 3})


def test_what_says_nothing_of_a_problem_is_not_written() -> None:
    record = one(mapper({"prompt": "q", "answer": "x"}, "problem"), {})
    assert set(record.model_dump()) == {
        "id", "key", "source", "licence", "prompt", "answer", "rule", "choices"
    }  # fmt: skip
    assert Problem.model_validate(record.model_dump() | {"benchmark": "b"}).weighed() == []


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
        (COPA | {"choices_separator": ";"}, "parts the options in `choices_field`"),
        (COPA | {"contexts": ["{premise}", "x"]}, "belong together"),
        (COPA | {"contexts": ["x"], "continuation": "x"}, "1 `contexts` for 2 `choices`"),
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
