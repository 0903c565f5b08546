"""The marking rule: the table of its page, and what no answer may do."""

from __future__ import annotations

import re
import signal
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.evaluation import math_answers
from rlp_core.evaluation.answers import choice, is_right, majority

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "answers.md"
ROW = re.compile(r"\| (exact|math|choice) \| `([^`]*)` \| `([^`]*)` \| (yes|no) \|")
LINES = PAGE.read_text("utf-8").split("\n")
TABLE = [found.groups() for found in map(ROW.fullmatch, LINES) if found]
CHOICES = ("red", "blue", "dark green")


def test_the_table_of_the_page_is_read_whole() -> None:
    head = next(i for i, line in enumerate(LINES) if line.startswith("| rule | answer"))
    assert len(TABLE) == len([line for line in LINES[head + 2 :] if line]) > 60


@pytest.mark.parametrize(("rule", "answer", "expected", "right"), TABLE)
def test_answers_are_marked_as_the_page_says(
    rule: str, answer: str, expected: str, right: str
) -> None:
    assert is_right(answer, expected, rule, CHOICES) is (right == "yes")  # type: ignore[arg-type]


@given(st.text(alphabet="0123456789.,-+eE/$%_ xkm^", max_size=30))
def test_no_answer_is_right_for_two_different_numbers(text: str) -> None:
    assert not (is_right(text, "3") and is_right(text, "4"))


@given(st.integers(-(10**12), 10**12))
def test_a_whole_number_is_right_however_it_is_written(value: int) -> None:
    for written in (
        f"{value:,}",
        f"{value:+d}",
        f" {value}. ",
        rf"\boxed{{{value}}}",
        f"{value}.0",
    ):
        assert is_right(written, str(value)), written
    assert not is_right(str(value + 1), str(value))


@given(st.lists(st.text(alphabet="abc ", min_size=2, max_size=6), min_size=2, max_size=5))
def test_every_option_is_named_by_its_text(options: list[str]) -> None:
    for number_, text in enumerate(options):
        found = choice(text, options)
        assert found is not None
        assert found <= number_


def test_an_empty_answer_is_wrong() -> None:
    assert not is_right("", "7")
    assert not is_right("", "7", "math")
    assert not is_right("", "red", "choice", CHOICES)


def test_mathematics_is_judged_in_any_thread() -> None:
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(is_right(r"\frac12", "0.5", "math")))
    thread.start()
    thread.join()
    assert found == [True]


def test_a_comparison_that_does_not_end_is_told_and_the_next_one_works(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert is_right(r"\frac12", "0.5", "math")  # the process is there
    (judge,) = math_answers._running
    judge.send_signal(signal.SIGSTOP)  # it reads nothing more, however soon it would have answered
    monkeypatch.setattr(math_answers, "SECONDS", 0.1)
    assert not math_answers.same_mathematics("(x-1)^2", "x^2-2x+1")
    assert "counted as wrong" in capsys.readouterr().out
    monkeypatch.undo()
    assert math_answers.same_mathematics("(x-1)^2", "x^2-2x+1")


@pytest.mark.parametrize(
    ("answers", "rule", "choices", "expected"),
    [
        (["7", "8", "8.0"], "exact", (), "8"),
        (["7", "8"], "exact", (), "7"),
        (["", "", "8"], "exact", (), "8"),
        (["", " "], "exact", (), ""),
        (["B", "red", "blue"], "choice", ("red", "blue"), "B"),
        (["green", "green", "A"], "choice", ("red", "blue"), "A"),
        (["\\frac12", "1/2", "\\frac12"], "math", (), "\\frac12"),
    ],
)
def test_the_majority_of_several_answers(answers, rule, choices, expected):
    assert majority(answers, rule, choices) == expected


@given(st.lists(st.sampled_from(["1", "2", "3.0", "3", ""]), min_size=1, max_size=9))
def test_no_answer_has_more_votes_than_the_majority(answers):
    chosen = majority(answers)
    votes = [sum(is_right(a, one) for a in answers if a) for one in answers if one]
    mine = sum(is_right(a, chosen) for a in answers if a) if chosen else 0
    assert mine == max(votes, default=0)
