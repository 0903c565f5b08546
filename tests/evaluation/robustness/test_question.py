"""Where a prompt's form ends and its question begins."""

from __future__ import annotations

import pytest
from hypothesis import given

from rlp_core.data.records import Problem
from rlp_core.evaluation.robustness._question import Question
from rlp_core.evaluation.robustness._sentences import Sentences
from tests.evaluation.robustness.questions import anything, problems, story


@given(problems() | anything())
def test_three_parts_are_the_prompt(problem: Problem) -> None:
    question = Question.of(problem)
    assert question.prompt(question.body) == problem.prompt
    assert Sentences.of(question.body).text() == question.body


@pytest.mark.parametrize(
    ("prompt", "choices", "parts"),
    [
        ("Q: 3+4\nA:", (), ("Q: ", "3+4", "\nA:")),
        ("3+4=", (), ("", "3+4=", "")),
        ("Question: Who?\n\nAnswer: ", (), ("Question: ", "Who?", "\n\nAnswer: ")),
        ("Q: Is it so? Answer:", (), ("Q: ", "Is it so?", " Answer:")),
        ("Q: Who?\n(A) I\n(B) You\nA:", ("I", "You"), ("Q: ", "Who?", "\n(A) I\n(B) You\nA:")),
        ("Q: Who?\nI\nYou\nA:", ("I", "You"), ("Q: ", "Who?", "\nI\nYou\nA:")),
        (
            "Q: Who? Options: (A) I (B) You\nA:",
            ("I", "You"),
            ("Q: ", "Who?", " Options: (A) I (B) You\nA:"),
        ),
        ("Q: One.\nTwo is so.\nA:", (), ("Q: ", "One.\nTwo is so.", "\nA:")),
        ("", (), ("", "", "")),
        ("Q: Who?\nA)21\nB)3\nA:", ("A", "B"), ("Q: ", "Who?", "\nA)21\nB)3\nA:")),
        (
            "Q: Who?\nOptions:\n(A) I\n- You\nA:",
            (),
            ("Q: ", "Who?", "\nOptions:\n(A) I\n- You\nA:"),
        ),
    ],
)
def test_parts(prompt: str, choices: tuple[str, ...], parts: tuple[str, str, str]) -> None:
    made = Question.of(story(prompt, choices[0] if choices else "7", choices))
    assert (made.head, made.body, made.tail) == parts


def test_sentences_end_where_people_end_them() -> None:
    text = 'Mr. Li paid $4.50. "Why?" asked Ann. The bill of 3 p.m. was high!\nWho paid?'
    assert Sentences.of(text).parts == (
        "Mr. Li paid $4.50.",
        '"Why?" asked Ann.',
        "The bill of 3 p.m. was high!",
        "Who paid?",
    )
