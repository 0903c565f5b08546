"""What a reward term is: a function of one finished thought, added to its information gain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class SourceRecord(Protocol):
    """A document as it was read; rlp_core/data/records.py says what its fields hold."""

    @property
    def id(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def spans(self) -> list[list[int]]: ...


@dataclass(frozen=True)
class FinishedThought:
    """A thought that was drawn, and what is known of it when it is rewarded.

    Attributes:
        tokens: drawn after the opening delimiter, a drawn closing delimiter included.
        text: of the thought, without delimiters.
        closed: whether it closed itself before the limit; else it was closed by force.
        following: the text that really follows, and whose gain is rewarded: H tokens at most.
        predicted: S_pred, its log-probability after the thought, in nats.
        baseline: S_ema, without a thought by the EMA, in nats; None at a step that leaves it out.
        record: the document as it was read; None where it was given as tokens alone.
        position: index in tokens at which it was thought.
        limit: L, tokens that could be drawn for it at most, its closing delimiter counted.
        controls: tokens within it that no text stands for, such as a delimiter drawn again or an
            end of text; the closing delimiter that ends it is none of them.
    """

    tokens: list[int]
    text: str
    closed: bool
    following: str
    predicted: float
    baseline: float | None
    record: SourceRecord | None
    position: int
    limit: int
    controls: int


@dataclass(frozen=True)
class RewardTerm:
    """A term of the reward. Its name is that of its file; its weight stands in the parameters.

    Attributes:
        function: from a finished thought to a finite number, in `unit`.
        unit: of the number; the weight times it is in nats.
    """

    function: Callable[[FinishedThought], float]
    unit: str

    @property
    def summary(self) -> str:
        """What it measures, in one line: the first of its docstring."""
        return (self.function.__doc__ or "").strip().split("\n")[0]


def reward_term(*, unit: str) -> Callable[[Callable[[FinishedThought], float]], RewardTerm]:
    """Declare the function below it as a reward term; the argument as in `RewardTerm`."""

    def declare(function: Callable[[FinishedThought], float]) -> RewardTerm:
        return RewardTerm(function, unit)

    return declare
