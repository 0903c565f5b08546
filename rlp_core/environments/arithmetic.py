"""Chains of single-digit additions and subtractions modulo 10.

Hard in one pass for a small model, easy step by step: the world on which thinking can be seen to
help within minutes. `3+4-5` has the steps `3+4=7` and `7-5=2`, and the answer `2`.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

SEPARATOR = ";"
"""Between the steps of a thought."""

WORKINGS = "W: "
"""Before the steps, in texts and in thoughts alike."""

_STEP = re.compile(r"(\d)([+-])(\d)=(\d)")
_QUESTION = re.compile(r"Q: (\d(?:[+-]\d)+)\nA:")


@dataclass(frozen=True)
class Chain:
    """Digits joined by signs: `numbers[0] signs[0] numbers[1] ...`, one sign fewer than digits."""

    numbers: tuple[int, ...]
    signs: tuple[str, ...]

    @property
    def question(self) -> str:
        tail = "".join(f"{s}{n}" for s, n in zip(self.signs, self.numbers[1:], strict=True))
        return f"{self.numbers[0]}{tail}"

    @property
    def answer(self) -> str:
        """The value modulo 10, one digit."""
        return str(self._values()[-1])

    def steps(self) -> list[str]:
        """One equation per sign, from left to right."""
        values = self._values()
        return [
            f"{values[i]}{sign}{self.numbers[i + 1]}={values[i + 1]}"
            for i, sign in enumerate(self.signs)
        ]

    def _values(self) -> list[int]:
        values = [self.numbers[0] % 10]
        for sign, number in zip(self.signs, self.numbers[1:], strict=True):
            values.append((values[-1] + (number if sign == "+" else -number)) % 10)
        return values


def draw(rng: random.Random, min_terms: int, max_terms: int) -> Chain:
    """A chain of a uniformly drawn length, then uniformly drawn digits and signs."""
    terms = rng.randint(min_terms, max_terms)
    return Chain(
        tuple(rng.randrange(10) for _ in range(terms)),
        tuple(rng.choice("+-") for _ in range(terms - 1)),
    )


def prompt(chain: Chain) -> str:
    """What is read before thinking and answering."""
    return f"Q: {chain.question}\nA:"


def continuation(chain: Chain) -> str:
    """What really follows the prompt; the digit comes first, so that it is the token to predict."""
    return f"{chain.answer}\n"


def worked(chain: Chain) -> str:
    """The thought of an expert who shows the work, as texts show it: `W: 3+4=7;7-5=2`."""
    return WORKINGS + SEPARATOR.join(chain.steps())


def bare() -> str:
    """The thought of an expert who knows the answer at once: right, and of no help to others."""
    return ""


def document(chain: Chain, *, work: bool) -> tuple[str, list[list[int]]]:
    """A text with the problem solved, and where its answer stands.

    Args:
        chain: the problem.
        work: whether the steps stand between question and answer, on a line of their own. They
            are plain text: no thought delimiters occur in it.

    Returns:
        The text, and one [start, end) span in characters that covers the answer's digit.
    """
    text = f"Q: {chain.question}\n"
    if work:
        text += f"{worked(chain)}\n"
    start = len(text) + len("A:")
    return f"{text}A:{continuation(chain)}", [[start, start + 1]]


def parse(text: str) -> Chain | None:
    """The chain that a prompt or document asks about, or None if it asks about none."""
    found = _QUESTION.search(text) or re.search(r"Q: (\d(?:[+-]\d)+)\nW:", text)
    if found is None:
        return None
    question = found.group(1)
    return Chain(tuple(int(n) for n in question[::2]), tuple(question[1::2]))


def step_holds(step: str) -> bool | None:
    """Whether one step is true modulo 10; None where it is no step of this world."""
    found = _STEP.fullmatch(step.strip())
    if found is None:
        return None
    left, sign, right, value = found.groups()
    total = int(left) + int(right) if sign == "+" else int(left) - int(right)
    return total % 10 == int(value)


def thought_holds(chain: Chain, thought: str) -> bool:
    """Whether a thought is the whole chain of true steps that leads to the answer."""
    return thought.strip() == worked(chain)
