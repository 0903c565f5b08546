"""`rlp think`: watch a model think after a text of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rlp_core import prompts
from rlp_core.params import load as load_params
from rlp_core.workspace import Workspace

ANSWER_TOKENS = 16


def think(
    root: Path, folder: Path, text: str, thoughts: int, temperature: float, seed: int
) -> Iterator[str]:
    """Yield one line per thought: the thought in its delimiters, and what follows it.

    Args:
        root: the checkout; `params.yaml` names the delimiters and the longest thought.
        folder: a Hugging Face folder.
        text: what is read before thinking.
        thoughts: how many to draw.
        temperature: 0 takes the likeliest token.
        seed: of the draws.

    Raises:
        RlpError: no such model, or one that does not know the delimiters.
    """
    import numpy as np

    from rlp_core.data.tokenizer import Codec
    from rlp_core.policy.model import choose_device, load
    from rlp_core.rollout.draws import Draws
    from rlp_core.rollout.engine import go_on, prepare
    from rlp_core.rollout.rng import uniform

    params = load_params(Workspace(root).params)
    model, tokenizer = load(folder)
    model.to(choose_device(params.runtime.device))  # type: ignore[arg-type]
    prepare(model)
    codec = Codec.of(
        tokenizer,
        (params.thought.open, params.thought.close),
        prompts.text_of(params.thought.prompt),
    )
    rows = np.arange(thoughts)
    context = [*codec.context(text), codec.open_id]
    thought = go_on(
        model,
        [context],
        Draws(thoughts, codec.close_id, params.thought.max_tokens, temperature),
        lambda token: uniform(seed, 0, rows, token),
        params.runtime.micro_batch,
    )
    closed = [
        [*context, *tokens] if stopped else [*context, *tokens, codec.close_id]
        for tokens, stopped in zip(thought.tokens, thought.stopped, strict=True)
    ]
    after = go_on(
        model,
        closed,
        Draws(1, codec.end_id, ANSWER_TOKENS, temperature),
        lambda token: uniform(seed, 1, rows, token),
        params.runtime.micro_batch,
    )
    read = len(codec.context(text))
    for whole, then in zip(closed, after.tokens, strict=True):
        yield codec.decode([*whole[read:], *(t for t in then if t != codec.end_id)])
