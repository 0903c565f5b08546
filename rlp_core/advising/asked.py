"""What a model is asked, to see what it can do already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rlp_core.advising.soundness import worlds_of
from rlp_core.data.records import Demonstration, Document, Problem
from rlp_core.environments import Environment
from rlp_core.workspace import VERIFIED, WEIGHED_RULES, AnswerRule

ASKED = "asked"
"""What the problems that are made here are called as a benchmark; they are one set."""

LONGEST_ANSWER = 100
"""Bytes of an answer at most, where it is taken from the data; what is longer is text."""


@dataclass(frozen=True)
class Asking:
    """Problems to ask.

    Attributes:
        origin: `problems` that were given, marked answers of the `corpus`, or `demonstrations`;
            empty: there is nothing to ask.
        problems: in the order of their records.
        unasked: records of that origin that ask nothing a short line answers.
    """

    origin: str
    problems: tuple[Problem, ...]
    unasked: int = 0

    @property
    def longest_answer(self) -> int:
        """Bytes of the longest answer that is to be written; 0 without any.

        No usual tokenizer takes more tokens than bytes.
        """
        written = (p for p in self.problems if p.rule not in WEIGHED_RULES and p.harness is None)
        return max((len(problem.answer.encode()) for problem in written), default=0)


def gather(
    given: Sequence[Problem],
    documents: Sequence[Document],
    demonstrations: Sequence[Demonstration],
) -> Asking:
    """Problems that were given, else the first marked answers of texts, else demonstrations'.

    Answers are marked by the world of the record's source where that reads its own question, else
    by the rule `exact` (docs/reference/answers.md).
    """
    if given:
        return Asking("problems", tuple(p for p in given if p.role != "example"))
    worlds = worlds_of({record.source for record in (*documents, *demonstrations)})
    ways: dict[str, list[tuple[Document | Demonstration, str, str]]] = {
        "corpus": [
            (d, d.text[: d.spans[0][0]], d.text[slice(*d.spans[0])]) for d in documents if d.spans
        ],
        "demonstrations": [(d, d.context, d.continuation) for d in demonstrations],
    }
    for origin, asked in ways.items():
        made = (_problem(*one, worlds.get(one[0].source)) for one in asked)
        problems = tuple(problem for problem in made if problem is not None)
        if problems:
            return Asking(origin, problems, len(asked) - len(problems))
    return Asking("", ())


def _problem(
    record: Document | Demonstration,
    prompt: str,
    answer: str,
    world: Environment[Any, Any] | None,
) -> Problem | None:
    """None where there is nothing to ask, or what follows is no answer but text."""
    expected = answer.strip()
    if not prompt.strip() or not expected:
        return None
    if "\n" in expected or len(expected.encode()) > LONGEST_ANSWER:
        return None
    rule: AnswerRule = "exact"
    if world is not None and world.parse(prompt) is not None:
        rule = VERIFIED
    return Problem(
        id=record.id,
        key=record.key,
        source=record.source,
        licence=record.licence,
        prompt=prompt,
        answer=expected,
        benchmark=ASKED,
        rule=rule,
    )
