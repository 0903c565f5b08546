"""Each computed rule: a row that breaks it, beside rows that do not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rlp_core.contracts.rules import Holds
from rlp_core.contracts.suites import rules_for
from rlp_core.contracts.table import Evaluations, build
from rlp_core.workspace import PARTS
from tests.contracts.samples import (
    ANSWER_TOKENS,
    SETTINGS,
    THOUGHT,
    measured,
    part_of,
    record,
    sentence,
)

CHAIN = "Q: 3+4-5\nA:"
ARITHMETIC = {"source": "arithmetic"}
ASKED = {**ARITHMETIC, "context": CHAIN, "continuation": "2\n"}

BREAKS: list[tuple[str, str, dict[str, Any]]] = [
    ("not_empty", "rlp", {"text": " \n"}),
    ("not_empty", "bootstrap", {"continuation": ""}),
    ("not_empty", "problems", {"answer": " "}),
    ("surrogates", "rlp", {"text": "half a pair \ud83d here"}),
    ("surrogates", "rlp", {"source": "\ud83d"}),
    ("mojibake", "rlp", {"text": "a cafÃ© in town"}),
    ("personal_data", "finetune", {"thought": "ask jo@mail.uni-ulm.de"}),
    ("spans", "heldout", {"spans": [[0, 9_999]]}),
    ("spans", "heldout", {"spans": [[3, 3]]}),
    ("spans", "heldout", {"spans": [[-2, 3]]}),
    ("steps_hold", "bootstrap", {"thought": "2*8 = 24"}),
    ("steps_hold", "finetune", {"thought": "<<2*8=24>>24"}),
    ("steps_hold", "base", {"text": "so <<2*8=24>>24 it is"}),
    ("steps_hold", "bootstrap", {**ASKED, "thought": "3+4=7;7-5=3"}),
    ("steps_hold", "base", {**ARITHMETIC, "text": "Q: 3+4\nW: 3+4=8\nA:7\n"}),
    ("answer_in_choices", "problems", {"answer": "c", "choices": ["a", "b"]}),
    ("answer_in_choices", "problems", {"answer": "a", "choices": ["a", "b", "b"]}),
    ("answer_number", "problems", {"answer": "1.2.3"}),
    ("answer_number", "problems", {"answer": "1,00"}),
    ("answer_number", "problems", {"answer": "3/0"}),
    ("answer_number", "problems", {"answer": "--5"}),
    ("answer_holds", "problems", {**ARITHMETIC, "prompt": CHAIN, "answer": "3"}),
    ("answer_holds", "rlp", {**ARITHMETIC, "text": f"{CHAIN}3\n", "spans": [[11, 12]]}),
    ("answer_holds", "finetune", {**ARITHMETIC, "context": CHAIN, "continuation": "1\n"}),
    ("answer_holds", "problems", {**ARITHMETIC, "prompt": "how are you?"}),
]

WORDS = [
    ("7", 1, 1),
    ("-3.25", 2, 1),
    ("1,000,000,000", 1, 1),
    ("the left one", 3, 1),
    ("yes\nand no", 3, 2),
    (" so \n", 1, 1),
    ("...!?", 0, 1),
]


@pytest.mark.parametrize(("answer", "words", "lines"), WORDS)
def test_what_an_answer_takes_at_least(answer: str, words: int, lines: int) -> None:
    table = measured("problems", [record("problems", 1, answer=answer)])
    assert table.columns["answer_words"] == [words]
    assert table.columns["answer_lines"] == [lines]


@pytest.mark.parametrize(("rule", "words"), [("choice", 4), ("acc", 0), ("acc_norm", 0)])
def test_what_is_weighed_takes_no_answer(rule: str, words: int) -> None:
    """Of options that are weighed nothing is written, however long they are."""
    options = ["a dog ran by", "a cat"]
    row = record("problems", 1, answer=options[0], choices=options, rule=rule)
    table = measured("problems", [row])
    assert table.columns["answer_words"] == [words]
    assert table.columns["answer_lines"] == [1]


HOLDS: list[tuple[str, str, dict[str, Any]]] = [
    ("not_empty", "bootstrap", {"thought": ""}),
    ("surrogates", "rlp", {"text": "a whole pair 😀 here"}),
    ("mojibake", "rlp", {"text": "a café in town"}),
    ("personal_data", "rlp", {"text": "555 - 123 = 432"}),
    ("spans", "heldout", {"text": "abcd", "spans": [[0, 4]]}),
    ("steps_hold", "bootstrap", {"thought": "2*8 = 16, 10/3 = 3.33"}),
    ("steps_hold", "base", {"text": "if 1+1 = 3, then what?"}),
    ("steps_hold", "bootstrap", {**ASKED, "thought": "8+4=2;2-5=7"}),
    ("steps_hold", "bootstrap", {**ASKED, "thought": "7"}),
    ("answer_in_choices", "problems", {"answer": "a", "choices": ["a", "b"]}),
    *(
        ("answer_number", "problems", {"answer": answer})
        for answer in ("1,000", "-3.5", "$7", "3/4", "12%", ".5", "12 apples", "yes", "(A)")
    ),
    ("answer_holds", "problems", {**ARITHMETIC, "prompt": CHAIN, "answer": "2"}),
    ("answer_holds", "rlp", {**ARITHMETIC, "text": f"{CHAIN}2\n", "spans": [[11, 12]]}),
    ("answer_holds", "problems", {"answer": "nobody can check this"}),
    ("answer_holds", "rlp", {"source": "occupations", "text": "The nurse said that he was late."}),
]


@pytest.mark.parametrize(("rule", "part", "changes"), BREAKS)
def test_a_broken_row_fails_and_its_neighbours_do_not(
    rule: str, part: str, changes: dict[str, Any]
) -> None:
    table = measured(part, [record(part, 1), record(part, 2, **changes), record(part, 3)])
    assert table.columns[Holds(rule).column] == [True, False, True]
    assert table.evidence[rule][1]


@pytest.mark.parametrize(("rule", "part", "changes"), HOLDS)
def test_a_sound_row_holds(rule: str, part: str, changes: dict[str, Any]) -> None:
    assert measured(part, [record(part, 1, **changes)]).columns[Holds(rule).column] == [True]


@pytest.mark.parametrize("part", PARTS)
def test_the_samples_break_nothing(part: str) -> None:
    table = measured(part, [record(part, n) for n in range(6)])
    for rule in rules_for(part, SETTINGS, THOUGHT, ANSWER_TOKENS):
        assert rule.check.column in table.columns
        if isinstance(rule.check, Holds):
            assert all(table.columns[rule.check.column]), rule.name


def test_personal_data_is_not_repeated_in_the_evidence() -> None:
    table = measured("rlp", [record("rlp", text="ask jo@mail.uni-ulm.de")])
    assert table.evidence["personal_data"] == {0: "e-mail address"}


def test_a_training_row_with_the_key_of_an_evaluation_row_leaks() -> None:
    leaked = record("rlp", 2, key=record("problems", 4)["key"])
    rows = [record("problems", n) for n in range(6)]
    table = measured("rlp", [record("rlp", 1), leaked], evaluations={"problems": rows})
    assert table.columns["rule_leak"] == [True, False]
    assert table.evidence["leak"] == {1: "same as problems problems-4"}


def test_a_training_row_with_an_evaluation_text_inside_is_contaminated() -> None:
    stolen = record("rlp", 2, text="A preface. " * 9 + sentence("heldout", 3).upper())
    rows = [record("heldout", n) for n in range(6)]
    table = measured("rlp", [record("rlp", 1), stolen], evaluations={"heldout": rows})
    assert table.columns["rule_contamination"] == [True, False]
    assert table.columns["rule_leak"] == [True, True]
    assert "heldout-3" in table.evidence["contamination"][1]


def test_a_demonstration_is_contaminated_by_its_context_alone() -> None:
    stolen = record("finetune", 2, context=sentence("problems", 3), thought="well, " * 30)
    table = measured(
        "finetune", [stolen], evaluations={"problems": [record("problems", n) for n in range(6)]}
    )
    assert table.columns["rule_contamination"] == [False]


def test_training_parts_are_not_held_against_one_another() -> None:
    table = measured("rlp", [record("rlp")], evaluations={"base": [record("rlp")]})
    assert table.columns["rule_leak"] == [True]


def test_repeated_and_nearly_repeated_rows() -> None:
    text = sentence("rlp", 1)
    rows = [
        record("rlp", 1),
        record("rlp", 2, key=record("rlp", 1)["key"]),
        record("rlp", 3, text=f"{text.strip()} Indeed.\n"),
    ]
    table = measured("rlp", rows)
    assert table.columns["rule_repeated"] == [True, False, True]
    assert table.columns["rule_near_duplicate"] == [True, True, False]
    assert table.evidence["near_duplicate"] == {2: "resembles rlp-1"}


def test_columns_hold_what_every_library_can_pass_on() -> None:
    table = measured("rlp", [record("rlp", id=7, text="a\ud800b", source=None)])
    for name in ("id", "text"):
        table.columns[name][0].encode("utf-8")
    assert table.columns["id"] == ["7"]
    assert table.columns["source"] == [None]
    assert table.columns["characters"] == [3]


def test_a_source_of_ones_own_is_no_world_though_it_is_called_like_one() -> None:
    row = record("problems", **ARITHMETIC, prompt=CHAIN, answer="by rules of my own")
    made = part_of("problems", [row])
    own = replace(made, promised={"sources": [{"kind": "files", "name": "arithmetic"}]})
    rules = rules_for("problems", SETTINGS, THOUGHT, ANSWER_TOKENS)
    none = Evaluations([], SETTINGS.contamination_ngram)
    assert build(made, rules, none, SETTINGS).columns["rule_answer_holds"] == [False]
    assert build(own, rules, none, SETTINGS).columns["rule_answer_holds"] == [True]


def test_the_evidence_names_question_and_right_answer() -> None:
    table = measured("problems", [record("problems", **ARITHMETIC, prompt=CHAIN, answer="3")])
    assert table.evidence["answer_holds"] == {0: "3+4-5 is 2, not '3'"}
