"""Thoughts drawn from branches of documents, and what they make of the text that follows.

A row goes through three states: it thinks, it is closed by force if it reached the limit, and then
the closing delimiter and the real text are fed to it and scored (S_pred), which costs a token per
target.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rlp_core.policy.logits import token_logprobs
from rlp_core.policy.model import embedding_rows, embeddings
from rlp_core.rollout.attention import kernel_of
from rlp_core.rollout.branches import pack
from rlp_core.rollout.cache import BranchCache
from rlp_core.rollout.sampling import (
    Completions,
    Prompt,
    SamplingParams,
    Uniforms,
    check_prompts,
    sample_tokens,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

COMPACT = 0.75
"""Rows are compacted when no more than this share of them is alive, or some row parts."""

THINK, CLOSE, SCORE, DONE = range(4)


@torch.no_grad()
def sample(
    model: PreTrainedModel,
    trunks: Sequence[Sequence[int]],
    prompts: Sequence[Prompt],
    params: SamplingParams,
    uniforms: Uniforms,
    rows: int,
) -> Completions:
    """Draw `n` thoughts at every prompt and score the targets after them.

    Args:
        model: attends through the branches; no dropout is active in it.
        trunks: documents; only the tokens before the last position of each are read.
        starts: where to think; those of one document stand together.
        params: how.
        uniforms: the numbers that decide; unused when the temperature is 0.
        rows: thoughts in flight at once; documents stay whole.

    Raises:
        ValueError: a prompt lies beyond its document.
    """
    check_prompts(trunks, prompts)
    order, batches = _batches(prompts, params.n, rows)
    found = [
        _Batch(model, trunks, [(i, prompts[i]) for i in batch], params, uniforms).run()
        for batch in batches
    ]
    result = Completions()
    rank = {prompt: place for place, prompt in enumerate(order)}
    for name in ("tokens", "stopped", "logprobs", "predicted"):
        values = getattr(result, name)
        flat = [value for part in found for value in getattr(part, name)]
        for index in range(len(prompts)):
            first = rank[index] * params.n
            values.extend(flat[first : first + params.n])
    result.bytes_read = sum(part.bytes_read for part in found)
    for phase in ("decode", "score"):
        counts = [part.spent.get(phase, (0, 0, 0)) for part in found]
        result.spent[phase] = tuple(sum(column) for column in zip(*counts, strict=True))
    return result


def _batches(prompts: Sequence[Prompt], n: int, rows: int) -> tuple[list[int], list[list[int]]]:
    """Documents of like length together; returns the order of the starts, and the batches."""
    longest: dict[int, int] = {}
    for prompt in prompts:
        longest[prompt.trunk] = max(longest.get(prompt.trunk, 0), prompt.position)
    order = sorted(
        range(len(prompts)), key=lambda i: (longest[prompts[i].trunk], prompts[i].trunk, i)
    )
    batches: list[list[int]] = []
    for index in order:
        same = batches and prompts[batches[-1][-1]].trunk == prompts[index].trunk
        if batches and (same or (len(batches[-1]) + 1) * n <= rows):
            batches[-1].append(index)
        else:
            batches.append([index])
    return order, batches


def read_weights(model: PreTrainedModel) -> int:
    """Bytes of the weights that one step of decoding reads.

    Of the input embedding a row per token is looked up; the table counts as the head, where both
    are one.
    """
    table, head = embeddings(model)
    unread = 0 if table is head else table.nbytes
    return sum(p.nbytes for p in model.parameters()) - unread


class _Batch:
    """The thoughts that are in flight together.

    A row of the network is a *prefix*: thoughts of one prompt that have drawn the same tokens so
    far share it, and part where their draws differ. Arrays named after thoughts have one entry
    per thought, `token` and `position` one per row; `owner` leads from thought to row.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        trunks: Sequence[Sequence[int]],
        prompts: Sequence[tuple[int, Prompt]],
        params: SamplingParams,
        uniforms: Uniforms,
    ) -> None:
        self.model, self.params, self.uniforms = model, params, uniforms
        used = list(dict.fromkeys(prompt.trunk for _, prompt in prompts))
        ends = {
            trunk: max(prompt.position for _, prompt in prompts if prompt.trunk == trunk)
            for trunk in used
        }
        read = [trunks[t][: ends[t]] for t in used]
        packed = pack(read, (), model.device, kernel_of(model))
        packed.attention.keep = True
        if packed.ids.shape[1]:
            packed.states(model)
        device, n = model.device, params.n
        self.position = torch.tensor([s.position for _, s in prompts], device=device)
        self.cache = BranchCache(
            packed.attention,
            packed.trunk_starts,
            torch.tensor([used.index(s.trunk) for _, s in prompts], device=device),
            self.position,
            room=params.max_tokens + 2 + max(len(s.targets) for _, s in prompts),
        )
        self.token = torch.tensor([s.opening for _, s in prompts], device=device)
        self.ids = np.array([i * n + c for i, _ in prompts for c in range(n)])
        self.targets = [prompt.targets for _, prompt in prompts for _ in range(n)]
        count = len(self.targets)
        self.owner = np.repeat(np.arange(len(prompts)), n)
        self.state = np.full(count, THINK)
        self.scored = np.zeros(count, dtype=np.int64)
        self.found = Completions(*([[] for _ in range(count)] for _ in range(4)))  # type: ignore[arg-type]
        self.found.stopped = [False] * count
        self.index = 0

    def run(self) -> Completions:
        """Feed token after token until every thought is done."""
        while True:
            self.cache.advance()
            output = self.model.base_model(
                input_ids=self.token[None],
                position_ids=self.position[None],
                use_cache=False,
                branches=self.cache,
            )
            following = self._take(output.last_hidden_state[0])
            self.index += 1
            alive = np.flatnonzero(self.state != DONE)
            if not len(alive):
                self.found.bytes_read = self.index * read_weights(self.model)
                self.found.bytes_read += self.cache.bytes_read
                return self.found
            self.position = self.position + 1
            self._regroup(alive, following)

    def _take(self, hidden: Tensor) -> npt.NDArray[np.int64]:
        """Draw, close or score with the states of this step; returns each thought's next token."""
        following = np.zeros(len(self.state), dtype=np.int64)
        thinking, closing, scoring = (
            np.flatnonzero(self.state == state) for state in (THINK, CLOSE, SCORE)
        )
        if len(thinking):
            following[thinking] = self._think(hidden, thinking)
        if len(closing):
            self._spend("score", np.unique(self.owner[closing]), 0)
        following[closing] = self.params.stop_token_id
        self._go_on_to_score(closing)
        if len(scoring):
            following[scoring] = self._score(hidden, scoring)
        return following

    def _think(self, hidden: Tensor, who: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        rows, of = np.unique(self.owner[who], return_inverse=True)
        self._spend("decode", rows, len(rows))
        uniform = self.uniforms(self.index, self.ids[who]) if self.params.temperature else None
        drawn, logprob = sample_tokens(
            self.model, _at(hidden, rows), self.params, uniform, self.index, of
        )
        for thought, token, value in zip(who, drawn, logprob, strict=True):
            self.found.tokens[thought].append(int(token))
            self.found.logprobs[thought].append(float(value))
        stopped = drawn == self.params.stop_token_id
        for thought in who[stopped]:
            self.found.stopped[thought] = True
        self._go_on_to_score(who[stopped])
        if self.index + 1 == self.params.max_tokens:
            forced = who[~stopped]
            self.state[forced] = [CLOSE if self.targets[t] else DONE for t in forced]
        return drawn

    def _go_on_to_score(self, who: npt.NDArray[np.int64]) -> None:
        self.state[who] = [SCORE if self.targets[t] else DONE for t in who]

    def _score(self, hidden: Tensor, who: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        rows, first, of = np.unique(self.owner[who], return_index=True, return_inverse=True)
        self._spend("score", rows, len(rows))
        wanted = np.array([self.targets[t][self.scored[t]] for t in who])
        target = torch.from_numpy(wanted[first]).to(hidden.device)
        value = token_logprobs(self.model, _at(hidden, rows), target).tolist()
        for thought, row in zip(who, of, strict=True):
            self.found.predicted[thought].append(value[row])
        self.scored[who] += 1
        ended = [t for t in who if self.scored[t] == len(self.targets[t])]
        self.state[ended] = DONE
        return wanted

    def _regroup(self, alive: npt.NDArray[np.int64], following: npt.NDArray[np.int64]) -> None:
        """Give the thoughts that go on their rows: shared where owner and next token agree."""
        vocabulary = embedding_rows(self.model)
        keys, rows = np.unique(
            self.owner[alive] * vocabulary + following[alive], return_inverse=True
        )
        parents, token = np.divmod(keys, vocabulary)
        device = self.token.device
        whole = len(np.unique(parents)) == len(parents)
        if whole and len(parents) > COMPACT * len(self.position):
            self.token = torch.zeros_like(self.position)
            self.token[torch.from_numpy(parents).to(device)] = torch.from_numpy(token).to(device)
            return
        kept = torch.from_numpy(parents).to(device)
        self.token = torch.from_numpy(token).to(device)
        self.position = self.position[kept]
        self.owner[alive] = rows
        self.cache.keep(kept)

    def _spend(self, phase: str, rows: npt.NDArray[np.int64], logits: int) -> None:
        """Count the tokens that were fed for a phase, what they saw, and the rows of logits."""
        seen = int((self.position[torch.from_numpy(rows).to(self.position.device)] + 1).sum())
        tokens, pairs, scored = self.found.spent.get(phase, (0, 0, 0))
        self.found.spent[phase] = (tokens + len(rows), pairs + seen, scored + logits)


def _at(hidden: Tensor, rows: npt.NDArray[np.int64]) -> Tensor:
    if len(rows) == len(hidden):
        return hidden
    return hidden.index_select(0, torch.from_numpy(rows).to(hidden.device))
