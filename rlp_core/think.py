"""`rlp think`: watch a model think after a text of one's own, and see whether it helps."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from rlp_core.data.thinking import Thinking
from rlp_core.errors import UsageError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from rlp_core.data.tokenizer import Codec

ANSWER_TOKENS = 16
"""Tokens of what a model goes on with at most."""

ROWS = 64
"""Sequences through the network at once."""


@dataclass(frozen=True)
class Asked:
    """What is to be shown.

    Attributes:
        text: what is read before thinking.
        following: what really follows it; None: what the model goes on with is weighed instead.
        thoughts: how many to draw.
        temperature: 0 takes the likeliest token.
        seed: of the draws.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
    """

    text: str
    following: str | None = None
    thoughts: int = 3
    temperature: float = 0.7
    seed: int = 1
    device: str = "auto"


def think(folder: Path, asked: Asked, thinking: Thinking | None = None) -> Iterator[str]:
    """Yield lines: how the model goes on without a thought, and after each of its thoughts.

    With each stands the probability of what follows, and what the thought adds to its
    log-probability over not thinking: its information gain, in nats, by this model itself. What
    follows is `asked.following`, or, where that is not given, the model's own words to the end of
    its answer.

    Args:
        folder: a Hugging Face folder.
        asked: what is to be shown.
        thinking: how the model thinks; None: as its folder says.

    Raises:
        RlpError: no such model, one that does not say how it thinks or does not know the
            delimiters, or a text that is empty or too long for it.
    """
    from rlp_core.data.tokenizer import Codec
    from rlp_core.policy.ends import ends_of
    from rlp_core.policy.model import choose_device, load
    from rlp_core.rollout.engine import complete, prepare
    from rlp_core.rollout.rng import uniform
    from rlp_core.rollout.sampling import SamplingParams

    device = choose_device(asked.device)
    if thinking is None and folder.is_dir():
        thinking = Thinking.read(folder)
    model, tokenizer = load(folder)
    assert thinking is not None  # there is no such folder: `load` has said so
    pair = (thinking.open, thinking.close)
    ends = ends_of(model, tokenizer)
    codec = Codec.of(tokenizer, pair, thinking.prompt, thinking.lead, ends)
    context = codec.context(asked.text)
    given = None if asked.following is None else codec.encode(asked.following)
    _check(model, context, given, thinking.max_tokens + len(codec.lead))
    model.to(device)  # type: ignore[arg-type]  # a decorator of transformers hides the type
    prepare(model)

    def drawn(contexts: list[list[int]], params: SamplingParams, purpose: int) -> list[list[int]]:
        found = complete(
            model,
            contexts,
            params,
            lambda token, rows: uniform(asked.seed, purpose, rows, token),
            ROWS,
        )
        return found.tokens

    thoughts = drawn(
        [[*context, *codec.opening]],
        SamplingParams(asked.thoughts, codec.close_id, thinking.max_tokens, asked.temperature),
        0,
    )
    closed = [t if t[-1] == codec.close_id else [*t, codec.close_id] for t in thoughts]
    reasoned = [[*context, *codec.opening, *thought] for thought in closed]
    answers = SamplingParams(1, codec.end_id, ANSWER_TOKENS, asked.temperature)
    said = drawn([context], answers, 2) + drawn(reasoned, answers, 1)
    targets = [given or _answer_of(codec, tokens) for tokens in said]
    direct = _weigh(model, [context] * len(said), targets)
    after = _weigh(model, [context, *reasoned], targets)
    yield f"without a thought: {codec.answer(said[0])}"
    yield f"    probability {_shown(direct[0])}"
    for index, thought in enumerate(closed, start=1):
        yield f"{codec.decode([codec.open_id, *thought])}{codec.answer(said[index])}"
        yield (
            f"    probability {_shown(after[index])}, without the thought "
            f"{_shown(direct[index])}: information gain {after[index] - direct[index]:+.3f} nats"
        )
    if given:
        gains = [one - other for one, other in zip(after[1:], direct[1:], strict=True)]
        yield f"mean information gain about {asked.following!r}: {fmean(gains):+.3f} nats"


def _check(
    model: PreTrainedModel, context: list[int], given: list[int] | None, longest: int
) -> None:
    """Raise UsageError where there is nothing to read, nothing to weigh, or too much of either."""
    from rlp_core.policy.context_length import context_length

    if not context or given == []:
        raise UsageError(
            "there is nothing to read" if not context else "there is nothing that follows",
            where="rlp think",
            fix="give a text of one character at least",
        )
    limit = context_length(model.config.to_dict())
    length = len(context) + longest + 2 + max(ANSWER_TOKENS, len(given or ()))
    if limit is not None and length > limit:
        raise UsageError(
            f"text, thought and what follows are {length} tokens at most, and the model reads "
            f"{limit}",
            where="rlp think",
            fix="give a shorter text, or a smaller --max-tokens",
        )


def _answer_of(codec: Codec, tokens: list[int]) -> list[int]:
    """Tokens up to and including the one that ends the answer."""
    for index, token in enumerate(tokens, start=1):
        if token in codec.end_ids or "\n" in codec.decode(tokens[:index]):
            return tokens[:index]
    return tokens


def _weigh(
    model: PreTrainedModel, contexts: Sequence[list[int]], targets: Sequence[list[int]]
) -> list[float]:
    """Log-probability of each target after its context, in nats."""
    from rlp_core.rollout.scoring import score

    rows = [[*context, *target] for context, target in zip(contexts, targets, strict=True)]
    places = [range(len(c), len(row)) for c, row in zip(contexts, rows, strict=True)]
    return [sum(values) for values in score(model, rows, places, ROWS)]


def _shown(logprob: float) -> str:
    return f"{math.exp(logprob):.3g}"
