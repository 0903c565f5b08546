"""What an estimator is: a function from rewards to advantages, and what it declares of itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Estimator:
    """An advantage estimator. Its name is that of its file.

    Attributes:
        function: the fast one, on tensors.

            - of a thought: `rewards [N, G] -> advantages [N, G]`, for N positions of the *whole*
              step with G thoughts each;
            - of a token (`per_token`): `(rewards [R], values [M], lengths [R], discount, lam) ->
              (advantages [M], returns [M])`, for R thoughts of M tokens in all; returns are what
              the values are to predict.

            What it is given are copies without gradient, and what it gives is a constant.
        textbook: the same by the definition, on plain lists; what the fast one is tested against.

            - of a thought: `rewards, a list per position -> advantages, in the same shape`;
            - of a token: `(reward, values of one thought, discount, lam) -> advantages`.
        compares_group: it compares the thoughts of a position, and needs at least two of them.
        ema_reaches_gradient: whether a change of S_ema at one position changes the advantages,
            with no reward clip.
        per_token: it needs a value for every thought token, from a value head.
    """

    function: Callable[..., Any]
    textbook: Callable[..., Any]
    compares_group: bool
    ema_reaches_gradient: bool
    per_token: bool = False

    @property
    def summary(self) -> str:
        """What it does, in one line: the first of its docstring."""
        return (self.function.__doc__ or "").strip().split("\n")[0]


def estimator(
    *,
    textbook: Callable[..., Any],
    compares_group: bool,
    ema_reaches_gradient: bool,
    per_token: bool = False,
) -> Callable[[Callable[..., Any]], Estimator]:
    """Declare the function below it as an estimator; the arguments as in `Estimator`."""

    def declare(function: Callable[..., Any]) -> Estimator:
        return Estimator(function, textbook, compares_group, ema_reaches_gradient, per_token)

    return declare
