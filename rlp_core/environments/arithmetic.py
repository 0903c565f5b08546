"""Chains of single-digit additions and subtractions modulo 10.

Hard in one pass for a small model, easy step by step: the world on which thinking can be seen to
help within minutes. `3+4-5` has the steps `3+4=7` and `7-5=2`, and the answer `2`.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from rlp_core.environments import Environment, ExpertSettings, Solution

_STEP = re.compile(r"([0-9])([+-])([0-9])=([0-9])")
_QUESTION = re.compile(r"[0-9](?:[+-][0-9])+")


class ChainSettings(ExpertSettings):
    """How long the chains are."""

    min_terms: Annotated[int, Field(ge=2)] = Field(default=2, description="Shortest chain.")
    max_terms: Annotated[int, Field(ge=2, le=12)] = Field(default=4, description="Longest chain.")


@dataclass(frozen=True)
class Chain:
    """Digits joined by signs: `numbers[0] signs[0] numbers[1] ...`, one sign fewer than digits."""

    numbers: tuple[int, ...]
    signs: tuple[str, ...]

    def values(self) -> list[int]:
        """The running values modulo 10, one per number."""
        values = [self.numbers[0] % 10]
        for sign, number in zip(self.signs, self.numbers[1:], strict=True):
            values.append((values[-1] + (number if sign == "+" else -number)) % 10)
        return values


class Arithmetic(Environment[Chain, ChainSettings]):
    """Chains of single-digit additions and subtractions modulo 10."""

    settings = ChainSettings

    def sample(self, rng: random.Random, settings: ChainSettings) -> Chain:
        """A chain of a uniformly drawn length, then uniformly drawn digits and signs."""
        terms = rng.randint(settings.min_terms, settings.max_terms)
        return Chain(
            tuple(rng.randrange(10) for _ in range(terms)),
            tuple(rng.choice("+-") for _ in range(terms - 1)),
        )

    def question(self, task: Chain) -> str:
        tail = "".join(f"{s}{n}" for s, n in zip(task.signs, task.numbers[1:], strict=True))
        return f"{task.numbers[0]}{tail}"

    def read(self, question: str) -> Chain | None:
        if not _QUESTION.fullmatch(question):
            return None
        return Chain(tuple(int(n) for n in question[::2]), tuple(question[1::2]))

    def expert(self, task: Chain) -> Solution:
        """One equation per sign, from left to right; the answer is the last value."""
        values = task.values()
        steps = tuple(
            f"{values[i]}{sign}{task.numbers[i + 1]}={values[i + 1]}"
            for i, sign in enumerate(task.signs)
        )
        return Solution(steps, str(values[-1]))

    def verify(self, task: Chain, answer: str) -> bool:
        return answer.strip() == str(task.values()[-1])

    def check_step(self, task: Chain, step: str) -> bool | None:  # noqa: ARG002
        """Whether an equation of digits is true modulo 10, whatever the chain."""
        found = _STEP.fullmatch(step)
        if found is None:
            return None
        left, sign, right, value = found.groups()
        total = int(left) + int(right) if sign == "+" else int(left) - int(right)
        return total % 10 == int(value)

    def steps(self, thought: str) -> tuple[str, ...]:
        """Equations hold no white space: it parts them too."""
        return tuple(re.split(r"[\s;]+", thought))
