"""What a thought looks like, arm by arm on the same problems.

The problems are chosen by outcome, so that a reader sees failures too: two that `rlp` gets right
and the bootstrap wrong, one that both get right, one that `rlp` gets wrong, as far as they exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rlp_core.evaluation.item_files import ArmItems, Row

LONGEST = 600
"""Characters of a thought that are shown."""


@dataclass(frozen=True)
class Answer:
    """What one arm did with a problem, greedily."""

    arm: str
    thought: str
    text: str
    right: bool
    direct: str
    direct_right: bool


@dataclass(frozen=True)
class ShownProblem:
    """A problem, why it is shown, and what every arm did with it."""

    prompt: str
    answer: str
    why: str
    answers: tuple[Answer, ...]


def choose(
    items: Mapping[str, ArmItems], before: str = "bootstrap", after: str = "rlp"
) -> list[ShownProblem]:
    """At most four problems, the first of each kind in the order of the file."""
    by_arm = {arm: {row["id"]: row for row in of.problems} for arm, of in items.items()}
    kinds = (
        (f"{after} is right, {before} wrong", True, False, 2),
        (f"both {after} and {before} are right", True, True, 1),
        (f"{after} is wrong", False, None, 1),
    )
    found = []
    for why, now, earlier, count in kinds:
        matching = [
            row
            for row in items[after].problems
            if bool(row["thinking_greedy"]) == now
            and earlier in (None, bool(by_arm[before][row["id"]]["thinking_greedy"]))
        ]
        found += [_example(row, why, by_arm) for row in matching[:count]]
    return found


def _example(row: Row, why: str, by_arm: Mapping[str, Mapping[str, Row]]) -> ShownProblem:
    answers = tuple(_answer(arm, rows[row["id"]]) for arm, rows in by_arm.items())
    return ShownProblem(row["prompt"], row["answer"], why, answers)


def _answer(arm: str, row: Row) -> Answer:
    return Answer(
        arm,
        shortened(row["thought"]),
        shortened(row["thinking_text"].strip()),
        bool(row["thinking_greedy"]),
        shortened(row["direct_text"].strip()),
        bool(row["direct_greedy"]),
    )


def shortened(text: str, longest: int = LONGEST) -> str:
    """A text of at most so many characters; what is left out is counted."""
    left_out = len(text) - longest
    return text if left_out <= 0 else f"{text[:longest]} … ({left_out} more characters)"
