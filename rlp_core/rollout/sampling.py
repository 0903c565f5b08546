"""What is to be drawn, and what was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Uniforms = Callable[[int, npt.NDArray[np.int64]], npt.NDArray[np.float64]]
"""Token index and rows, each in [0, prompts * n), to the uniform number of each of these rows.

It is asked for the rows that may still draw: on a CPU for no other, so that a step's numbers cost
what is drawn, however many batches it is drawn in; elsewhere for a block of tokens at once.
"""


@dataclass(frozen=True)
class Prompt:
    """Where thoughts begin.

    Attributes:
        trunk: index of the document.
        position: t; the thought sees the document's tokens 0 .. t-1.
        opening: the token that begins the thought.
        targets: the tokens that really follow; scored after the thought.
    """

    trunk: int
    position: int
    opening: int
    targets: tuple[int, ...] = ()


@dataclass(frozen=True)
class SamplingParams:
    """How thoughts are drawn.

    Attributes:
        n: G, thoughts per prompt.
        stop_token_id: the closing delimiter.
        max_tokens: L; drawn tokens at most, `stop_token_id` counted.
        temperature: 0 takes the likeliest token.
        min_tokens: `stop_token_id` is not drawn before so many other tokens.
    """

    n: int
    stop_token_id: int
    max_tokens: int
    temperature: float
    min_tokens: int = 0

    def __post_init__(self) -> None:
        """Check.

        Raises:
            ValueError: a limit, number of thoughts or temperature that is not sensible.
        """
        if self.max_tokens < 1 or self.n < 1 or self.temperature < 0:
            raise ValueError("max_tokens and n must be positive, temperature not negative")
        if not 0 <= self.min_tokens < self.max_tokens:
            raise ValueError("min_tokens must lie in [0, max_tokens)")


@dataclass
class Completions:
    """What was drawn, one entry per row; rows of one prompt stand together.

    Attributes:
        tokens: up to and including the drawn `stop_token_id`.
        stopped: whether `stop_token_id` was drawn before the limit was reached.
        logprobs: of each drawn token at the sampling temperature (0 for greedy), in nats.
        predicted: log-probability of each target at temperature 1, in nats.
        bytes_read: weights, keys and values that decoding read, for the share of the bandwidth.
        spent: for `decode` and `score` the tokens fed, the tokens that they saw, and the rows of
            logits. Thoughts that begin alike share what they have in common.
    """

    tokens: list[list[int]] = field(default_factory=list)
    stopped: list[bool] = field(default_factory=list)
    logprobs: list[list[float]] = field(default_factory=list)
    predicted: list[list[float]] = field(default_factory=list)
    bytes_read: int = 0
    spent: dict[str, tuple[int, ...]] = field(default_factory=dict)


def check_prompts(trunks: Sequence[Sequence[int]], prompts: Sequence[Prompt]) -> None:
    """Raise ValueError unless every position lies within its document or at its end."""
    for prompt in prompts:
        if not 0 <= prompt.position <= len(trunks[prompt.trunk]):
            raise ValueError(
                f"position {prompt.position} lies beyond a document of "
                f"{len(trunks[prompt.trunk])} tokens"
            )


def spent(prompts: Sequence[Prompt], drawn: Completions, n: int) -> dict[str, tuple[int, ...]]:
    """`Completions.spent` of `n` drawn thoughts a prompt, whatever rows they were drawn in.

    What thoughts of a prompt have in common at their beginning counts once, and so do equal ones.
    """
    decode, score = np.zeros(3, dtype=np.int64), np.zeros(3, dtype=np.int64)
    for index, prompt in enumerate(prompts):
        own = slice(index * n, (index + 1) * n)
        before: list[int] = []
        for tokens, stopped in sorted(zip(drawn.tokens[own], drawn.stopped[own], strict=True)):
            # fed are the opening and all drawn tokens but the last
            shared = min(_common(before, tokens) + 1, len(before), len(tokens))
            fed = len(tokens) - shared
            decode += (fed, _seen(prompt.position + shared, fed), fed)
            if prompt.targets and tokens != before:
                fed = len(prompt.targets) + (not stopped)
                score += (fed, _seen(prompt.position + len(tokens), fed), len(prompt.targets))
            before = tokens
    return {"decode": tuple(decode.tolist()), "score": tuple(score.tolist())}


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """Tokens that both begin with."""
    pairs = zip(one, other, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _seen(before: int, fed: int) -> int:
    """What tokens see that are fed one after another: what stood before, and themselves."""
    return fed * before + fed * (fed + 1) // 2
