"""What a perturbation is: a function from a question to another, and what it declares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np

    from rlp_core.evaluation.robustness._question import Question

Need = Literal[
    "a text",
    "words",
    "free words",
    "gaps",
    "listed words",
    "a number",
    "premises",
    "a name",
]
"""What a question must have for a perturbation to apply; `_needs.MET` says how each is found."""

Adds = Literal["nothing", "a sentence", "a number"]

Function = Callable[["Question", "np.random.Generator"], str | None]


@dataclass(frozen=True)
class Perturbation:
    """A perturbation. Its name is that of its file.

    Attributes:
        function: `(question, rng) -> the new body`, or None where it finds nothing to change. It is
            given the body alone to change, so that the form around it stays as it is; it draws from
            `rng`, which is keyed by (seed, perturbation, problem), and from nowhere else.
        needs: what a question must have for it to apply.
        keeps_answer: the right answer stays right. One that changes it cannot be marked, and is
            refused with the parameters.
        adds: what stands in the new body besides; with `a number` exactly one number more.
        reorders: numbers and words may stand in another order.
    """

    function: Function
    needs: Need
    keeps_answer: bool
    adds: Adds = "nothing"
    reorders: bool = False

    @property
    def summary(self) -> str:
        """What it does, in one line: the first of its docstring."""
        return (self.function.__doc__ or "").strip().split("\n")[0]


def perturbation(
    *, needs: Need, keeps_answer: bool, adds: Adds = "nothing", reorders: bool = False
) -> Callable[[Function], Perturbation]:
    """Declare the function below it as a perturbation; the arguments as in `Perturbation`."""

    def declare(function: Function) -> Perturbation:
        return Perturbation(function, needs, keeps_answer, adds, reorders)

    return declare
