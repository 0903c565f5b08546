r"""A prompt in three parts: the form before the question, the question, the form behind it.

`Q: Tom has 3 apples. How many has he?\nA:` is `Q: `, the question, and `\nA:`. Lines that list the
choices belong to the form: a model must find them as the answer's marking knows them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlp_core.evaluation.robustness import _lists

if TYPE_CHECKING:
    from rlp_core.data.records import Problem

WORD = re.compile(r"[^\W\d_]+")
"""Letters in a row."""

_HEAD = re.compile(r"\s*(?:[A-Z][\w']*(?: \w+){0,2}:\s*)?")
_LABEL = re.compile(r"[A-Z][\w' ]{0,30}:")
_INLINE = re.compile(r"(?<=[.?!])\s+[A-Z][\w' ]{0,30}:\s*\Z")
_LISTED = re.compile(r"\(?[A-Za-z0-9](?:[.:]\s|\)).*")
_ANNOUNCED = re.compile(r"\s*(?:[Aa]nswer )?(?:[Oo]ptions|[Cc]hoices)\s*:?\s*\Z")
_OPTIONS = re.compile(r"\n\s*(?:[Aa]nswer )?(?:[Oo]ptions|[Cc]hoices)\s*:\s*\n")
_NUMBER = re.compile(r"\d+(?:[.,:/]\d+)*|[^\W\d_]+")


@dataclass(frozen=True)
class Question:
    """What a perturbation is given.

    Attributes:
        head, body, tail: the prompt in three parts; only the body may change.
        kept: words of answer, choices and form, case-folded; they must stay in the body as they
            are.
        digits: numbers of answer and choices, which an irrelevant number must not be.
    """

    head: str
    body: str
    tail: str
    kept: frozenset[str]
    digits: frozenset[str]

    @staticmethod
    def of(problem: Problem) -> Question:
        """The parts of a problem's prompt."""
        found = _HEAD.match(problem.prompt)
        head = found[0] if found else ""
        rest = problem.prompt[len(head) :]
        end = len(_without_form(rest, problem.choices))
        body, tail = rest[:end], rest[end:]
        right = problem.harness.targets if problem.harness else ()
        known = " ".join((problem.answer, *problem.choices, *right))
        fixed = " ".join((known, head, tail))
        return Question(
            head,
            body,
            tail,
            frozenset(word.casefold() for word in WORD.findall(fixed)),
            frozenset(re.findall(r"\d+", known)),
        )

    def prompt(self, body: str) -> str:
        """The prompt with another body."""
        return self.head + body + self.tail

    def rests_on(self, body: str | None = None) -> list[str]:
        """What the answer rests on, in order: numbers, number words, words of logic, kept words.

        Args:
            body: of the same question; None: as it is.
        """
        found = _NUMBER.findall(self.body if body is None else body)
        folded = (text.casefold() for text in found)
        return [text for text in folded if text[0].isdigit() or self.is_fixed(text)]

    def is_fixed(self, word: str, listed: frozenset[str] | None = None) -> bool:
        """Whether the answer rests on a word.

        Args:
            word: in any case.
            listed: words that it rests on besides those to be kept; None: the lists of number words
                and of words of logic.
        """
        plain = word.casefold()
        if plain in self.kept:
            return True
        if listed is None:
            return plain in _lists.words("number_words") or plain in _lists.words("logic_words")
        return plain in listed

    def numbers(self) -> list[str]:
        """Numbers of the body, in digits or words."""
        listed = _lists.words("number_words")
        return [text for text in self.rests_on() if text[0].isdigit() or text in listed]

    def vocabulary(self) -> frozenset[str]:
        """Every word of the prompt, case-folded."""
        return frozenset(word.casefold() for word in WORD.findall(self.prompt(self.body)))


def _without_form(text: str, choices: Sequence[str]) -> str:
    """The text before the lines and labels that end a prompt."""
    if choices:
        marked = re.search(rf"\s\(?[Aa1][).:]\s*{re.escape(choices[0].strip())}", text)
        bare = text.find(f"\n{choices[0].strip()}")
        starts = [marked.start()] if marked else [bare] if bare >= 0 else []
        text = text[: min(starts, default=len(text))]
    if found := _OPTIONS.search(text):
        text = text[: found.start()]
    lines = text.split("\n")
    while len(lines) > 1 and _is_form(lines[-1].strip(), choices):
        lines.pop()
    text = "\n".join(lines)
    if inline := _INLINE.search(text):
        text = text[: inline.start()]
    if choices and (announced := _ANNOUNCED.search(text)):
        text = text[: announced.start()]
    return text.rstrip()


def _is_form(line: str, choices: Sequence[str]) -> bool:
    if not line or _LABEL.fullmatch(line):
        return True
    return bool(choices) and bool(_LISTED.fullmatch(line) or line in choices)
