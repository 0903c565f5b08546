"""What a model thinks, and what a thought is worth, as two functions for programs and notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from rlp_core import prompts
from rlp_core.data.thought import ThoughtConfig
from rlp_core.data.tokenizer import Codec
from rlp_core.errors import UsageError
from rlp_core.policy.ends import ends_of
from rlp_core.rollout.engine import branching, complete, prepare
from rlp_core.rollout.rng import uniform
from rlp_core.rollout.sampling import SamplingParams
from rlp_core.rollout.scoring import score

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast


@dataclass(frozen=True)
class Thought:
    """One sampled thought.

    Attributes:
        text: without delimiters.
        tokens: drawn after the opening delimiter, a drawn closing delimiter included.
        logprobs: of each at the sampling temperature, in nats; 0 where the likeliest was taken.
        closed: whether it closed itself within the limit.
    """

    text: str
    tokens: list[int]
    logprobs: list[float]
    closed: bool


@torch.no_grad()
def generate_thoughts(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    *,
    n: int = 1,
    temperature: float = 0.7,
    seed: int = 1,
    thought: ThoughtConfig | None = None,
    batch_size: int = 64,
) -> list[list[Thought]]:
    """Sample thoughts after texts.

    A thought depends on the model, its text, `seed` and its place in the call alone, whatever the
    batch size.

    Args:
        model: any causal model with full attention, on its device.
        tokenizer: the model's, a fast one that knows the delimiters as tokens of their own.
        texts: what is read before thinking.
        n: thoughts after each text.
        temperature: 0 takes the likeliest token.
        seed: of the draws.
        thought: delimiters, the longest thought, and a prompt; None: all defaults.
        batch_size: thoughts in flight at once.

    Returns:
        For each text its `n` thoughts.

    Raises:
        ConfigError: the tokenizer does not know the delimiters, or the model cannot be read.
        UsageError: a text is empty.
    """
    how = thought or ThoughtConfig()
    codec = _codec(model, tokenizer, how)
    contexts = [codec.context(text) for text in texts]
    if any(not text for text in texts):
        raise UsageError(
            "there is nothing to think after: a text is empty",
            where="generate_thoughts(texts=...)",
            fix="give texts of one character at least",
        )
    rows = np.arange(len(contexts) * n)
    found = complete(
        model,
        [[*context, *codec.opening] for context in contexts],
        SamplingParams(n, codec.close_id, how.max_tokens, temperature),
        lambda token, asked: uniform(seed, rows[asked], token),
        batch_size,
    )
    drawn = zip(found.tokens, found.logprobs, found.stopped, strict=True)
    flat = [
        Thought(codec.decode(tokens[:-1] if closed else tokens), tokens, logprobs, closed)
        for tokens, logprobs, closed in drawn
    ]
    return [flat[i * n : (i + 1) * n] for i in range(len(contexts))]


@torch.no_grad()
def information_gain(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    text: str,
    position: int,
    thought: str | Thought,
    *,
    baseline: PreTrainedModel | None = None,
    horizon: int = 1,
    discount: float = 1.0,
    how: ThoughtConfig | None = None,
) -> float:
    """What a thought is worth at a position of a text: equation 4 of arXiv 2510.01265.

    r = log p(following | before, thought) - log p_baseline(following | before), at temperature 1.

    Args:
        model: reads the thought.
        tokenizer: the model's, a fast one that knows the delimiters as tokens of their own.
        text: the whole text.
        position: index of a character: it is thought before the token that holds it.
        thought: what is thought, without delimiters; may be empty. Of a drawn one the very tokens
            are read, which its text need not become again.
        baseline: the model that did not think, such as the EMA; None: the model itself.
        horizon: H, tokens whose gain counts; fewer where the text ends.
        discount: weight of each further token.
        how: delimiters and a prompt; None: all defaults.

    Returns:
        The information gain, in nats; above 0: the thought helped.

    Raises:
        ConfigError: the tokenizer does not know the delimiters, or the model cannot be read.
        UsageError: nothing stands before the position, or nothing after it.
    """
    codec = _codec(model, tokenizer, how or ThoughtConfig())
    tokens, at = codec.document(text, [[position, position + 1]])
    if not 0 < position < len(text) or not at or at[0] < codec.first:
        raise UsageError(
            f"position {position} has no text before it or none after it",
            where="information_gain(position=...)",
            fix=f"give a position from 1 to {len(text) - 1} that is not in the first token",
        )
    before, following = tokens[: at[0]], tokens[at[0] : at[0] + horizon]
    reasoned = [*before, *codec.opening, *_inner(codec, thought), codec.close_id]
    predicted = _sum(model, reasoned, following, discount)
    if baseline is not None and not branching(baseline):
        prepare(baseline)
    return predicted - _sum(baseline or model, before, following, discount)


def _codec(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, how: ThoughtConfig) -> Codec:
    """The codec, and the model brought to attend through branches."""
    if not branching(model):
        prepare(model)
    model.eval()
    pair, fast = (how.open, how.close), cast("PreTrainedTokenizerFast", tokenizer)
    return Codec.of(fast, pair, *prompts.words(how.prompt), ends=ends_of(model, fast))


def _inner(codec: Codec, thought: str | Thought) -> list[int]:
    """Tokens of a thought between its delimiters."""
    if isinstance(thought, str):
        return codec.encode(thought)
    return thought.tokens[:-1] if thought.closed else thought.tokens


def _sum(model: PreTrainedModel, before: list[int], following: list[int], discount: float) -> float:
    row = [*before, *following]
    found = score(model, [row], [range(len(before), len(row))], 1)[0]
    return sum(discount**h * value for h, value in enumerate(found))
