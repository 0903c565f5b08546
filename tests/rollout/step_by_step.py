"""The sampler in plain lists: one thought after another asks for its token, and remembers it.

It shares rows as `rlp_core.rollout.sampler` does on a CPU, and makes the same products of the same
shapes, so the two must agree to the bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from transformers import PreTrainedModel

from rlp_core.policy.logits import logits_of, token_logprobs
from rlp_core.rollout.attention import kernel_of
from rlp_core.rollout.branches import pack
from rlp_core.rollout.cache import BranchCache
from rlp_core.rollout.sampling import Completions, Prompt, SamplingParams, Uniforms


@dataclass
class Thought:
    prompt: Prompt
    number: int
    row: int
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    predicted: list[float] = field(default_factory=list)
    closed: bool = False
    forced: bool = False
    stopped: bool = False
    following: int = 0

    @property
    def done(self) -> bool:
        return self.closed and len(self.predicted) == len(self.prompt.targets)


@torch.no_grad()
def sample(
    model: PreTrainedModel,
    trunks: Sequence[Sequence[int]],
    prompts: Sequence[Prompt],
    params: SamplingParams,
    uniforms: Uniforms,
) -> Completions:
    """All thoughts in one batch; documents stand in the order of their lengths."""
    used = list(dict.fromkeys(prompt.trunk for prompt in prompts))
    ends = [max(p.position for p in prompts if p.trunk == trunk) for trunk in used]
    packed = pack(
        [trunks[t][:end] for t, end in zip(used, ends, strict=True)], (), model.device,
        kernel_of(model),
    )  # fmt: skip
    packed.attention.keep = True
    if packed.ids.shape[1]:
        packed.states(model)
    position = np.array([prompt.position for prompt in prompts])
    of = np.array([used.index(prompt.trunk) for prompt in prompts])
    room = params.max_tokens + 1 + max(1, *(len(p.targets) for p in prompts))
    cache = BranchCache(packed.attention, packed.trunk_starts, of, position, room, model.device)
    thoughts = [
        Thought(prompt, i * params.n + copy, i)
        for i, prompt in enumerate(prompts)
        for copy in range(params.n)
    ]
    token = [prompt.opening for prompt in prompts]
    alive, index = thoughts, 0
    while alive:
        cache.begin(1)
        cache.advance(torch.tensor([index]))
        hidden = model.base_model(
            input_ids=torch.tensor([token]),
            position_ids=torch.from_numpy(position)[None],
            use_cache=False,
            branches=cache,
        ).last_hidden_state[0]
        cache.fed(1)
        drawing = [t for t in alive if not t.closed and not t.forced]
        scoring = [t for t in alive if t.closed]
        for thought in alive:
            if thought.forced:
                thought.following, thought.closed, thought.forced = (
                    params.stop_token_id,
                    True,
                    False,
                )
        _score(model, hidden, scoring)
        _draw(model, hidden, drawing, params, uniforms, index)
        index += 1
        alive = [thought for thought in alive if not thought.done]
        position = position + 1
        prefixes = sorted({(t.row, t.following) for t in alive})
        parents = [parent for parent, _ in prefixes]
        if len(set(parents)) == len(parents) and len(parents) > 0.75 * len(position):
            token = [0] * len(position)
            for parent, following in prefixes:
                token[parent] = following
            continue
        if alive:
            token, position = [following for _, following in prefixes], position[parents]
            for thought in alive:
                thought.row = prefixes.index((thought.row, thought.following))
            cache.keep(np.array(parents))
    return Completions(
        [t.tokens for t in thoughts],
        [t.stopped for t in thoughts],
        [t.logprobs for t in thoughts],
        [t.predicted for t in thoughts],
    )


def _rows(hidden: torch.Tensor, thoughts: Sequence[Thought]) -> tuple[torch.Tensor, list[int]]:
    """The states of the rows that some thoughts use, and which of them each uses."""
    rows = sorted({t.row for t in thoughts})
    return hidden[rows], [rows.index(t.row) for t in thoughts]


def _draw(model, hidden, thoughts, params, uniforms, index) -> None:
    if not thoughts:
        return
    states, of = _rows(hidden, thoughts)
    logits = logits_of(model, states)
    if index < params.min_tokens:
        logits[:, params.stop_token_id] = -torch.inf
    if params.temperature:
        logits = logits / params.temperature
        probability = torch.softmax(logits.double(), dim=1)
        cumulative = probability.cumsum(dim=1)
        numbers = uniforms(index, np.array([t.number for t in thoughts]))
    for i, thought in enumerate(thoughts):
        if params.temperature:
            threshold = float(numbers[i]) * cumulative[of[i], -1]
            found = int(torch.searchsorted(cumulative[of[i]], threshold, right=True))
            token = min(found, logits.shape[1] - 1)
            value = float(probability[of[i], token].log().float())
        else:
            token, value = int(logits[of[i]].argmax()), 0.0
        thought.tokens.append(token)
        thought.logprobs.append(value)
        thought.following = token
        thought.stopped = token == params.stop_token_id
        last = index + 1 == params.max_tokens and not thought.stopped
        thought.forced = last and bool(thought.prompt.targets)
        thought.closed = thought.stopped or (last and not thought.prompt.targets)


def _score(model, hidden, thoughts) -> None:
    if not thoughts:
        return
    states, of = _rows(hidden, thoughts)
    wanted = [t.prompt.targets[len(t.predicted)] for t in thoughts]
    target = [wanted[of.index(row)] for row in range(len(states))]
    values = token_logprobs(model, states, torch.tensor(target)).tolist()
    for thought, row, token in zip(thoughts, of, wanted, strict=True):
        thought.predicted.append(values[row])
        thought.following = token
