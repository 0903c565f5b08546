"""Starts of thoughts in random documents, and the textbook that draws one token after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from hypothesis import strategies as st
from transformers import PreTrainedModel

from rlp_core.rollout.rng import uniform
from rlp_core.rollout.sampler import Completions, Prompt, SamplingParams, Uniforms
from tests.rollout import trees

STOP, OPEN = 1, 2


@dataclass(frozen=True)
class Case:
    """Documents, and where thoughts begin in them."""

    trunks: list[list[int]]
    prompts: list[Prompt]

    def uniforms(self, copies: int, seed: int = 0) -> Uniforms:
        """Numbers by what a thought is, not by where it stands: text, position, copy, token."""
        keys = [sum(t * 31**i for i, t in enumerate(self.trunks[s.trunk])) for s in self.prompts]
        key = np.repeat(keys, copies)
        position = np.repeat([s.position for s in self.prompts], copies)
        copy = np.tile(np.arange(copies), len(self.prompts))
        return lambda token, rows: uniform(seed, key[rows], position[rows], copy[rows], token)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Up to three documents, some of them empty; none, one or three targets."""
    trunks = draw(
        st.lists(st.lists(trees.tokens, max_size=7), min_size=1, max_size=3, unique_by=tuple)
    )
    prompts = []
    for trunk, document in enumerate(trunks):
        for position in draw(st.sets(st.integers(0, len(document)), max_size=3)):
            targets = draw(st.lists(trees.tokens, max_size=3))
            prompts.append(Prompt(trunk, position, OPEN, tuple(targets)))
    return Case(trunks, prompts or [Prompt(0, 0, OPEN, (3,))])


@torch.no_grad()
def next_logprobs(
    model: PreTrainedModel,
    text: Sequence[int],
    temperature: float = 1.0,
    banned: int | None = None,
) -> np.ndarray:
    """Log-probabilities of every token after a text, in float64, from the model's own logits."""
    logits = model(input_ids=torch.tensor([list(text)]), use_cache=False).logits[0, -1].double()
    if banned is not None:
        logits[banned] = -torch.inf
    return torch.log_softmax(logits / temperature, dim=0).numpy()


def textbook(
    model: PreTrainedModel, case: Case, params: SamplingParams, seed: int = 0
) -> Completions:
    """Every thought alone, the whole text read anew for each token."""
    numbers = case.uniforms(params.n, seed)
    found = Completions()
    for row in range(len(case.prompts) * params.n):
        prompt = case.prompts[row // params.n]
        text = [*case.trunks[prompt.trunk][: prompt.position], prompt.opening]
        tokens, logprobs = [], []
        while len(tokens) < params.max_tokens and params.stop_token_id not in tokens:
            banned = params.stop_token_id if len(tokens) < params.min_tokens else None
            if params.temperature == 0:
                token, value = int(next_logprobs(model, text, 1.0, banned).argmax()), 0.0
            else:
                known = next_logprobs(model, text, params.temperature, banned)
                cumulative = np.exp(known).cumsum()
                threshold = float(numbers(len(tokens), np.array([row]))[0]) * cumulative[-1]
                token = int(np.searchsorted(cumulative, threshold, side="right"))
                value = float(known[token])
            tokens.append(token)
            logprobs.append(value)
            text.append(token)
        stopped = params.stop_token_id in tokens
        if not stopped:
            text.append(params.stop_token_id)
        predicted = []
        for target in prompt.targets:
            predicted.append(float(next_logprobs(model, text)[target]))
            text.append(target)
        found.tokens.append(tokens)
        found.stopped.append(stopped)
        found.logprobs.append(logprobs)
        found.predicted.append(predicted)
    return found


def assert_same(found: Completions, expected: Completions, tolerance: float = 2e-5) -> None:
    """Equal tokens, and numbers within the tolerance, in nats."""
    assert found.tokens == expected.tokens
    assert found.stopped == expected.stopped
    for name in ("logprobs", "predicted"):
        rows = zip(getattr(found, name), getattr(expected, name), strict=True)
        for one, other in rows:
            np.testing.assert_allclose(one, other, atol=tolerance, rtol=0)
