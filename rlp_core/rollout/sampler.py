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

from rlp_core.policy.model import embedding_rows, embeddings
from rlp_core.rollout.attention import kernel_of
from rlp_core.rollout.branches import pack
from rlp_core.rollout.cache import BranchCache
from rlp_core.rollout.decoding import draw, logits_at, moved, readings
from rlp_core.rollout.recording import Repeater
from rlp_core.rollout.sampling import (
    Completions,
    Prompt,
    SamplingParams,
    Uniforms,
    check_prompts,
    spent,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

COMPACT = 0.75
"""Rows are compacted when no more than this share of them is alive, or some row parts."""

BLOCK = 16
"""Tokens between two looks at which thoughts ended, on a device that has to be waited for."""


def block_length(device: torch.device) -> int:
    """Tokens of a block, by where the model lies.

    A CPU computes in step with the host: a look costs nothing there, and rows that equal thoughts
    share save work. Elsewhere a look means to wait until the device has caught up, and rows cost
    little: decoding is bound by reading the weights.
    """
    return 1 if device.type == "cpu" else BLOCK


@torch.no_grad()
def sample(
    model: PreTrainedModel,
    trunks: Sequence[Sequence[int]],
    prompts: Sequence[Prompt],
    params: SamplingParams,
    uniforms: Uniforms,
    rows: int,
    block: int | None = None,
) -> Completions:
    """Draw `n` thoughts at every prompt and score the targets after them.

    Args:
        model: attends through the branches; no dropout is active in it.
        trunks: documents; only the tokens before the last position of each are read.
        prompts: where to think; those of one document stand together.
        params: how.
        uniforms: the numbers that decide; unused when the temperature is 0.
        rows: thoughts in flight at once; documents stay whole.
        block: tokens between two looks at which thoughts ended; None: `block_length`.

    Raises:
        ValueError: a prompt lies beyond its document.
    """
    check_prompts(trunks, prompts)
    block = block or block_length(model.device)
    order, batches = _batches(prompts, params.n, rows)
    found = [
        _Batch(model, trunks, [(i, prompts[i]) for i in batch], params, uniforms, block).run()
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
    result.spent = spent(prompts, result, params.n)
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
    far share it, and part where their draws differ. Tokens are fed in blocks. Between two blocks
    the host reads which thoughts ended, and lays the rows out anew; within one (`_step`) it reads
    nothing, and no shape changes. In a block of one token rows are shared as long as their
    thoughts are alike; in a longer one every thought that draws has a row of its own.

    What a step does between two layouts is recorded, where the device can (`Repeater`): it writes
    in place what changes from token to token, and in a block of several tokens thoughts that ended
    since go on drawing and scoring, to no effect.

    Tensors named after thoughts have one entry per thought. `start` says all of a thought's state:
    the step at which it begins to score, which is the one after it drew its close; as long as it
    has not, that after the forced close.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        trunks: Sequence[Sequence[int]],
        prompts: Sequence[tuple[int, Prompt]],
        params: SamplingParams,
        uniforms: Uniforms,
        block: int,
    ) -> None:
        self.model, self.params, self.uniforms, self.block = model, params, uniforms, block
        ends: dict[int, int] = {}
        for _, prompt in prompts:
            ends[prompt.trunk] = max(ends.get(prompt.trunk, 0), prompt.position)
        place = {trunk: index for index, trunk in enumerate(ends)}
        read = [trunks[trunk][:end] for trunk, end in ends.items()]
        packed = pack(read, (), model.device, kernel_of(model))
        packed.attention.keep = True
        if packed.ids.shape[1]:
            packed.states(model)
        self.device, self.vocabulary = model.device, embedding_rows(model)
        device, n = self.device, params.n
        self.prompts = [prompt for _, prompt in prompts]
        self.ids = np.array([i * n + c for i, _ in prompts for c in range(n)])
        self.owner = np.repeat(np.arange(len(prompts)), n)
        self.wanted = np.repeat([len(p.targets) for p in self.prompts], n)
        horizon = max(1, int(self.wanted.max()))
        room = params.max_tokens + 1 + horizon
        self.cache = BranchCache(
            packed.attention,
            packed.trunk_starts,
            np.array([place[p.trunk] for p in self.prompts]),
            np.array([p.position for p in self.prompts]),
            room,
            device,
        )
        targets = [(*p.targets, *[0] * (horizon - len(p.targets))) for p in self.prompts]
        self.targets = torch.tensor(targets, device=device).repeat_interleave(n, dim=0)
        opening = [p.opening for p in self.prompts]
        self.following = torch.tensor(opening, device=device).repeat_interleave(n)
        self.ended = params.max_tokens + (self.wanted > 0)  # the host's copy of `start`
        self.start = moved(self.ended.copy(), device)
        self.step = torch.zeros(1, dtype=torch.long, device=device)
        self.tokens = torch.zeros(room, len(self.owner), dtype=torch.long, device=device)
        self.values = torch.zeros(room, len(self.owner), device=device)
        self.numbers = torch.zeros(len(self.owner), dtype=torch.float64, device=device)
        self.repeat, self.layout = Repeater(device), (0, False, False)
        self._lead(np.arange(len(self.owner)))

    def run(self) -> Completions:
        """Feed token after token until every thought is done."""
        done = 0  # the host's copy of `step`
        while True:
            block = self._length(done)
            self.cache.begin(block)
            self._plan(done, block)
            numbers = self._numbers(done, block)
            for offset in range(block):
                if numbers is not None:
                    self.numbers.copy_(numbers[offset])
                self.repeat(self._step)
            self.cache.fed(block)
            done += block
            self.ended, following = torch.stack([self.start, self.following]).cpu().numpy()
            alive = np.flatnonzero(done < self.ended + self.wanted)
            if not len(alive):
                return self._completions(done)
            self._regroup(alive, following, done)

    def _length(self, done: int) -> int:
        """Tokens of the next block: the same is done with each of them."""
        if not done:
            return 1  # the opening is common to all thoughts of a prompt
        limits = [int((self.ended + self.wanted).max())]
        limits += [self.params.max_tokens, self.params.min_tokens]
        return min(self.block, *(limit - done for limit in limits if limit > done))

    def _thinking(self, done: int) -> npt.NDArray[np.bool_]:
        """Which thoughts still draw after so many steps."""
        thinking: npt.NDArray[np.bool_] = done < np.minimum(self.ended, self.params.max_tokens)
        return thinking

    def _plan(self, done: int, block: int) -> None:
        """Say who draws and scores in the next tokens, where the last word on it does not do."""
        self.may_stop = done >= self.params.min_tokens
        layout = (self.cache.changes, self.may_stop, done < self.params.max_tokens)
        if layout == self.layout:
            return
        self.layout = layout
        self.repeat.forget()
        scores = (done < self.ended + self.wanted) & (self.wanted > 0)
        if block == 1:
            scores &= self.ended <= done
        self.readings = readings(
            self.owner,
            len(self.cache.visible),
            np.flatnonzero(self._thinking(done)),
            np.flatnonzero(scores),
            together=block > 1,
            vocabulary=self.vocabulary,
            device=self.device,
        )

    def _numbers(self, done: int, block: int) -> Tensor | None:
        """[block, thoughts] numbers that decide; None where nothing is drawn by chance."""
        drawing = np.flatnonzero(self._thinking(done))
        if not self.params.temperature or not len(drawing):
            return None
        numbers = np.zeros((block, len(self.owner)))
        for offset in range(block):
            numbers[offset, drawing] = self.uniforms(done + offset, self.ids[drawing])
        return moved(numbers, self.device)

    def _step(self) -> None:
        """Feed one token to every row: draw, close or score with what it predicts."""
        self.cache.advance(self.step)
        output = self.model.base_model(
            input_ids=self.following.index_select(0, self.lead)[None],
            position_ids=(self.cache.positions + self.step)[None],
            use_cache=False,
            branches=self.cache,
        )
        hidden = output.last_hidden_state[0]
        scored = (self.step - self.start).clamp_(0, self.targets.shape[1] - 1)
        target = self.targets.gather(1, scored[:, None]).squeeze(1)
        token = torch.full_like(target, self.params.stop_token_id)  # the forced close is no draw
        value, predicted = torch.zeros_like(self.values[:2])
        for reading in self.readings:
            logits = logits_at(self.model, hidden, reading)
            if (users := reading.scores) is not None:
                found = users.logprobs(logits, target.index_select(0, users.who))
                predicted.index_copy_(0, users.who, found)
            if (users := reading.draws) is not None:
                chance = self.params.temperature > 0
                number = self.numbers.index_select(0, users.who) if chance else None
                drawn, logprobs = draw(logits, users, self.params, number, self.may_stop)
                token.index_copy_(0, users.who, drawn)
                value.index_copy_(0, users.who, logprobs)
        scores = self.start <= self.step
        torch.where(scores, target, token, out=self.following)
        self.tokens.index_copy_(0, self.step, self.following[None])
        self.values.index_copy_(0, self.step, torch.where(scores, predicted, value)[None])
        closed = torch.where(self.following == self.params.stop_token_id, self.step + 1, self.start)
        torch.minimum(self.start, closed, out=self.start)
        self.step.add_(1)

    def _regroup(
        self, alive: npt.NDArray[np.int64], following: npt.NDArray[np.int64], done: int
    ) -> None:
        """Give the thoughts that go on their rows: shared where owner and next token agree."""
        keys = self.owner[alive] * self.vocabulary + following[alive]
        if self.block > 1:
            keys = keys * (len(self.owner) + 1) + self._thinking(done)[alive] * (alive + 1)
        _, first, rows = np.unique(keys, return_index=True, return_inverse=True)
        parents = self.owner[alive[first]]
        parts = len(np.unique(parents)) < len(parents)
        if parts or len(parents) <= COMPACT * len(self.cache.visible):
            self.owner[alive] = rows
            self.cache.keep(parents)
        elif self.block > 1:
            return  # thoughts of a row end together: each row has its lead
        self._lead(alive)

    def _lead(self, alive: npt.NDArray[np.int64]) -> None:
        """Say which thought's token each row is fed."""
        lead = np.zeros(len(self.cache.visible), dtype=np.int64)
        lead[self.owner[alive]] = alive
        self.lead = moved(lead, self.device)

    def _completions(self, done: int) -> Completions:
        """What was drawn, read from the device at once."""
        tokens, values = self.tokens[:done].T.tolist(), self.values[:done].T.tolist()
        found = Completions()
        for thought, end in enumerate(self.ended.tolist()):
            length = min(end, self.params.max_tokens)
            found.tokens.append(tokens[thought][:length])
            found.stopped.append(found.tokens[-1][-1] == self.params.stop_token_id)
            found.logprobs.append(values[thought][:length])
            found.predicted.append(values[thought][end : end + int(self.wanted[thought])])
        found.bytes_read = done * read_weights(self.model) + self.cache.bytes_read
        return found
