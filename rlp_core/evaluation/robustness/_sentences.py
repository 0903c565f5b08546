"""Sentences of a question: where another may stand between them, and which are free to move.

What leans on the sentence before it ("He eats two of them.") or tells of an event among others
("Tom gives Ann four.") may not change its place, and nothing may come between it and what it leans
on. The lists of words that decide it are on the cautious side: a question that one word makes
doubtful is left as it is, and counted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlp_core.evaluation.robustness import _lists
from rlp_core.evaluation.robustness._question import WORD, Question

if TYPE_CHECKING:
    import numpy as np

_END = re.compile(r"(?:(?<=[.?!])|(?<=[.?!][\")”]))\s+(?=[\"“(]?[A-Z0-9])|\s*\n\s*")
_SHORTENED = re.compile(r"(?:\b(?:Mr|Mrs|Ms|Dr|St|No|vs|etc)|\b[A-Z]|e\.g|i\.e)\.\Z")
_LABELLED = re.compile(r"[A-Z][\w' ]{0,30}:")
_ELLIPTIC = re.compile(r"\d\S* (?:is|are|has|have)\b|.*(?<![$€£\d.,])\d+\s*[.!]\s*\Z", re.DOTALL)
_CONTENT = 4
"""Letters of a word at least that says what a sentence is about."""


@dataclass(frozen=True)
class Sentences:
    """A body in sentences.

    Attributes:
        parts: the sentences; a line counts as one.
        between: what stands between them, one fewer.
    """

    parts: tuple[str, ...]
    between: tuple[str, ...]

    @staticmethod
    def of(body: str) -> Sentences:
        """The sentences of a body; together they are the body again."""
        parts, between, start = [], [], 0
        for found in _END.finditer(body):
            if "\n" not in found[0] and _SHORTENED.search(body[start : found.start()]):
                continue
            parts.append(body[start : found.start()])
            between.append(found[0])
            start = found.end()
        return Sentences((*parts, body[start:]), tuple(between))

    def text(self) -> str:
        """The body."""
        pairs = zip(self.parts, (*self.between, ""), strict=True)
        return "".join(part + gap for part, gap in pairs)


def inserted(question: Question, rng: np.random.Generator, sentence: str) -> str:
    """The body with a sentence at a drawn place: the beginning, or before one that stands alone."""
    found = Sentences.of(question.body)
    places = [i for i, part in enumerate(found.parts) if not i or not looks_back(part)]
    place = places[int(rng.integers(len(places)))]
    parts = list(found.parts)
    parts[place] = f"{sentence} {parts[place]}"
    return Sentences(tuple(parts), found.between).text()


def unrelated(question: Question, kind: str) -> list[str]:
    """Sentences of a list that share no word of content, and none to be kept, with the prompt."""
    said = question.vocabulary() | question.kept
    about = {word for word in said if len(word) >= _CONTENT}
    return [
        sentence
        for sentence in _lists.sentences(kind)
        if not about & {word.casefold() for word in WORD.findall(sentence)}
    ]


def premises(question: Question) -> int:
    """How many sentences at the beginning may change places among themselves; 0 where some lean.

    They are what stands before the first question or labelled line, else before the last sentence.
    All of them must stand alone, and so must the question: one that leans may lean on any.
    """
    parts = Sentences.of(question.body).parts
    asks = (i for i, part in enumerate(parts) if part.endswith("?") or _LABELLED.match(part))
    count = next(asks, len(parts) - 1)
    if count < 2 or len(set(parts[:count])) < 2:
        return 0
    leaning = any(map(looks_back, parts[count:]))
    return 0 if leaning or not all(map(_free_to_move, parts[:count])) else count


def looks_back(sentence: str) -> bool:
    """Whether a sentence leans on what was said before it, as far as words can tell."""
    words = [word.casefold() for word in WORD.findall(sentence)]
    bound = _lists.words("pronouns") if _is_rule(words) else frozenset()
    for i, word in enumerate(words):
        if word in _lists.words("looking_back") and not (word in bound and i > 2):
            return True
        if word == "left" and words[i + 1 : i + 2] != ["of"]:
            return True
        if word == "that" and (i == 0 or _counts(sentence)):  # "half that speed"
            return True
        if word in ("more", "less", "fewer") and "than" not in words[i:]:
            return True
        if word == "then" and words[0] != "if":
            return True
    return False


def _free_to_move(sentence: str) -> bool:
    """Whether a sentence states what holds, whatever was said or happened before it."""
    words = [word.casefold() for word in WORD.findall(sentence)]
    if not words or looks_back(sentence) or not sentence.rstrip().endswith((".", "!")):
        return False
    if _is_rule(words) and not _counts(sentence):
        return True
    if _ELLIPTIC.match(sentence):  # "29 are blue.", "Ann has 24."
        return False
    told = _lists.words("event_verbs") & set(words)
    past = any(word.endswith("ed") and len(word) > 4 for word in words)
    return bool(_lists.words("state_verbs") & set(words)) and not told and not past


def _is_rule(words: list[str]) -> bool:
    """Whether a sentence speaks of all or some: its pronouns are then bound within it."""
    return bool(words) and words[0] in _lists.words("rules_begin")


def _counts(sentence: str) -> bool:
    """Whether a sentence holds a number."""
    words = {word.casefold() for word in WORD.findall(sentence)}
    return bool(_lists.words("number_words") & words) or any(c.isdigit() for c in sentence)
