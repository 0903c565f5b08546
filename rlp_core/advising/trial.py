"""What the model can do before it is taught: right answers, and thoughts that help by themselves.

RLP rewards thoughts that the model itself samples. One that never samples a helpful thought is
never rewarded for one, so what counts is how often a sampled thought helps, and not how much the
average one does. A thought helps where what really follows is likelier after it than without a
thought *and* than after each of its controls (an empty thought, another text's thought, as many
random tokens), by `HELP` nats at least.

The best of several garbled predictions is by chance sometimes the thought's. Another text's
thought, held against the rest in the same way, wins by chance alone, and as often: its share is
taken off.
"""

from __future__ import annotations

from dataclasses import dataclass

from rlp_core.evaluation.statistics import Estimate

HELP = 0.5
"""Nats over the best control from which on a thought helps: a likelihood 1.65 times as high."""


@dataclass(frozen=True)
class TrialOptions:
    """How much is tried.

    Attributes:
        problems: asked at most, and documents read at most.
        samples: answers per problem, and thoughts per place.
        temperature: of thoughts and answers.
        max_tokens: of a text at most.
        seed: of the draws.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
    """

    problems: int = 400
    samples: int = 8
    temperature: float = 0.7
    max_tokens: int = 512
    seed: int = 1
    device: str = "auto"


@dataclass(frozen=True)
class ModelTrial:
    """What was measured.

    Attributes:
        asked: problems that were asked, and where they are from.
        asked_from: `problems`, `corpus` or `demonstrations`; empty: there was nothing to ask.
        thinking, direct: pass@1 with thoughts and without; None where nothing was asked.
        read: documents in which thoughts were tried, at one place each.
        losses: what the limits on tokens take from problems and documents, a sentence each.
        information_gain: nats that a thought adds on average over no thought.
        helpful: share of sampled thoughts that help, less the share in which another text's thought
            does; below 0 where that wins more often.
        empty: share of thoughts without a token.
        forced: share of thoughts that were closed by force.
        max_thought_tokens: the longest thought that was allowed.
        longer_demonstrations: share of the demonstrations' thoughts that are longer than that, by
            the model's tokenizer.
    """

    asked: int
    asked_from: str
    thinking: Estimate | None
    direct: Estimate | None
    read: int
    losses: tuple[str, ...]
    information_gain: Estimate
    helpful: Estimate
    empty: Estimate
    forced: Estimate
    max_thought_tokens: int
    longer_demonstrations: Estimate
