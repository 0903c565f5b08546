"""Examples are chosen by outcome, failures included, and are the same problems for every arm."""

from __future__ import annotations

from typing import Any

from rlp_core.evaluation.item_files import ArmItems
from rlp_core.reporting.examples import LONGEST, choose


def arm(outcomes: list[int], thought: str = "thought") -> ArmItems:
    rows: list[dict[str, Any]] = [
        {
            "id": f"p{i}",
            "prompt": f"prompt {i}",
            "answer": "1",
            "thinking_greedy": right,
            "direct_greedy": 0,
            "thought": thought,
            "thinking_text": " 1\n",
            "direct_text": " 2\n",
        }
        for i, right in enumerate(outcomes)
    ]
    return ArmItems(tuple(rows), (), ())


def test_kinds_and_their_number() -> None:
    items = {"bootstrap": arm([0, 1, 0, 0, 1, 0]), "rlp": arm([1, 1, 1, 1, 0, 0])}
    found = [(example.prompt, example.why) for example in choose(items)]
    assert found == [
        ("prompt 0", "rlp is right, bootstrap wrong"),
        ("prompt 2", "rlp is right, bootstrap wrong"),
        ("prompt 1", "both rlp and bootstrap are right"),
        ("prompt 4", "rlp is wrong"),
    ]


def test_kinds_that_do_not_occur_are_left_out() -> None:
    items = {"bootstrap": arm([0, 0]), "rlp": arm([0, 0])}
    assert [example.why for example in choose(items)] == ["rlp is wrong"]


def test_every_arm_answers_the_same_problem() -> None:
    items = {"base": arm([0, 0]), "bootstrap": arm([1, 0]), "rlp": arm([1, 1])}
    for example in choose(items):
        assert [answer.arm for answer in example.answers] == ["base", "bootstrap", "rlp"]
        assert example.answers[0].text == "1"
        assert example.answers[0].direct == "2"


def test_long_thoughts_are_cut_and_say_so() -> None:
    items = {"bootstrap": arm([1]), "rlp": arm([1], "x" * (LONGEST + 7))}
    shown = choose(items)[0].answers[1].thought
    assert shown == "x" * LONGEST + " … (7 more characters)"
