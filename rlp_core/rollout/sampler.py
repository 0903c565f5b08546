"""Thoughts drawn from branches of documents, and what they make of the text that follows.

Sampling is by inverse transform from counted uniforms, at pure temperature: no top-k, no top-p, so
the probability that a token was drawn with is the one that the update sees. A row goes through
three states: it thinks, it is closed by force if it reached the limit, and then the closing
delimiter and the real text are fed to it and scored (S_pred), which costs a token per target.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rlp_core.policy.logits import logits_of, token_logprobs
from rlp_core.policy.model import embedding_rows
from rlp_core.rollout.attention import kernel_of
from rlp_core.rollout.branches import pack
from rlp_core.rollout.cache import BranchCache

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Uniforms = Callable[[int], npt.NDArray[np.float64]]
"""Token index to the uniform number of every row, [places * copies]."""

COMPACT = 0.75
"""Rows are compacted when no more than this share of them is alive."""

CELLS = 1 << 25
"""Logits at once: rows times vocabulary."""

THINK, CLOSE, SCORE, DONE = range(4)


@dataclass(frozen=True)
class Start:
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
class Draws:
    """How thoughts are drawn.

    Attributes:
        copies: G, thoughts per start.
        stop: the closing delimiter.
        max_tokens: L; drawn tokens at most, `stop` counted.
        temperature: 0 takes the likeliest token.
        min_tokens: `stop` is not drawn before so many other tokens.
    """

    copies: int
    stop: int
    max_tokens: int
    temperature: float
    min_tokens: int = 0

    def __post_init__(self) -> None:
        """Check.

        Raises:
            ValueError: a limit, number of copies or temperature that is not sensible.
        """
        if self.max_tokens < 1 or self.copies < 1 or self.temperature < 0:
            raise ValueError("max_tokens and copies must be positive, temperature not negative")
        if not 0 <= self.min_tokens < self.max_tokens:
            raise ValueError("min_tokens must lie in [0, max_tokens)")


@dataclass
class Thoughts:
    """What was drawn, one entry per row; rows of one start stand together.

    Attributes:
        tokens: up to and including the drawn `stop`.
        stopped: whether `stop` was drawn before the limit was reached.
        logprobs: of each drawn token at the sampling temperature (0 for greedy), in nats.
        predicted: log-probability of each target at temperature 1, in nats.
        bytes_read: weights, keys and values that decoding read, for the share of the bandwidth.
    """

    tokens: list[list[int]] = field(default_factory=list)
    stopped: list[bool] = field(default_factory=list)
    logprobs: list[list[float]] = field(default_factory=list)
    predicted: list[list[float]] = field(default_factory=list)
    bytes_read: int = 0


@torch.no_grad()
def sample(
    model: PreTrainedModel,
    trunks: Sequence[Sequence[int]],
    starts: Sequence[Start],
    draws: Draws,
    uniforms: Uniforms,
    rows: int,
) -> Thoughts:
    """Draw `copies` thoughts at every start and score the targets after them.

    Args:
        model: attends through the branches; no dropout is active in it.
        trunks: documents; only the tokens before the last position of each are read.
        starts: where to think; those of one document stand together.
        draws: how.
        uniforms: the numbers that decide; unused when the temperature is 0.
        rows: thoughts in flight at once; documents stay whole.

    Raises:
        ValueError: a start lies beyond its document.
    """
    check_starts(trunks, starts)
    order, batches = _batches(starts, draws.copies, rows)
    found = [
        _Batch(model, trunks, [(i, starts[i]) for i in batch], draws, uniforms).run()
        for batch in batches
    ]
    result = Thoughts()
    rank = {start: place for place, start in enumerate(order)}
    for name in ("tokens", "stopped", "logprobs", "predicted"):
        values = getattr(result, name)
        flat = [value for part in found for value in getattr(part, name)]
        for index in range(len(starts)):
            first = rank[index] * draws.copies
            values.extend(flat[first : first + draws.copies])
    result.bytes_read = sum(part.bytes_read for part in found)
    return result


def check_starts(trunks: Sequence[Sequence[int]], starts: Sequence[Start]) -> None:
    """Raise ValueError unless every position lies within its document or at its end."""
    for start in starts:
        if not 0 <= start.position <= len(trunks[start.trunk]):
            raise ValueError(
                f"position {start.position} lies beyond a document of "
                f"{len(trunks[start.trunk])} tokens"
            )


def _batches(starts: Sequence[Start], copies: int, rows: int) -> tuple[list[int], list[list[int]]]:
    """Documents of like length together; returns the order of the starts, and the batches."""
    longest: dict[int, int] = {}
    for start in starts:
        longest[start.trunk] = max(longest.get(start.trunk, 0), start.position)
    order = sorted(range(len(starts)), key=lambda i: (longest[starts[i].trunk], starts[i].trunk, i))
    batches: list[list[int]] = []
    for index in order:
        same = batches and starts[batches[-1][-1]].trunk == starts[index].trunk
        if batches and (same or (len(batches[-1]) + 1) * copies <= rows):
            batches[-1].append(index)
        else:
            batches.append([index])
    return order, batches


class _Batch:
    """The rows that are in flight together."""

    def __init__(
        self,
        model: PreTrainedModel,
        trunks: Sequence[Sequence[int]],
        starts: Sequence[tuple[int, Start]],
        draws: Draws,
        uniforms: Uniforms,
    ) -> None:
        self.model, self.draws, self.uniforms = model, draws, uniforms
        used = list(dict.fromkeys(start.trunk for _, start in starts))
        copies = draws.copies
        ends = {
            trunk: max(start.position for _, start in starts if start.trunk == trunk)
            for trunk in used
        }
        read = [trunks[t][: ends[t]] for t in used]
        packed = pack(read, (), model.device, kernel_of(model))
        packed.attention.keep = True
        if packed.ids.shape[1]:
            packed.states(model)
        repeated = [start for _, start in starts for _ in range(copies)]
        device = model.device
        self.ids = np.array([i * copies + c for i, _ in starts for c in range(copies)])
        self.position = torch.tensor([s.position for s in repeated], device=device)
        self.cache = BranchCache(
            packed.attention,
            packed.trunk_starts,
            torch.tensor([used.index(s.trunk) for s in repeated], device=device),
            self.position,
            room=draws.max_tokens + 2 + max(len(s.targets) for s in repeated),
        )
        self.targets = [start.targets for start in repeated]
        self.token = torch.tensor([s.opening for s in repeated], device=device)
        self.row = np.arange(len(repeated))  # of the batch; compaction drops some
        self.state = np.full(len(repeated), THINK)
        self.scored = np.zeros(len(repeated), dtype=np.int64)
        self.found = Thoughts(
            [[] for _ in repeated], [False] * len(repeated),
            [[] for _ in repeated], [[] for _ in repeated],
        )  # fmt: skip
        self.index = 0

    def run(self) -> Thoughts:
        """Feed token after token until every row is done."""
        while True:
            self.cache.advance()
            output = self.model.base_model(
                input_ids=self.token[None],
                position_ids=self.position[None],
                use_cache=False,
                branches=self.cache,
            )
            self._take(output.last_hidden_state[0])
            self.index += 1
            alive = np.flatnonzero(self.state != DONE)
            if not len(alive):
                steps = self.index * sum(p.nbytes for p in self.model.parameters())
                self.found.bytes_read = steps + self.cache.bytes_read
                return self.found
            self.position = self.position + 1
            if len(alive) <= COMPACT * len(self.state):
                self._compact(alive)

    def _take(self, hidden: Tensor) -> None:
        """Draw, close or score with the states of this step, and set the next tokens."""
        token = np.zeros(len(self.state), dtype=np.int64)
        thinking, closing, scoring = (
            np.flatnonzero(self.state == state) for state in (THINK, CLOSE, SCORE)
        )
        if len(thinking):
            token[thinking] = self._think(hidden, thinking)
        token[closing] = self.draws.stop
        self._go_on_to_score(closing)
        if len(scoring):
            token[scoring] = self._score(hidden, scoring)
        self.token = torch.from_numpy(token).to(hidden.device)

    def _think(self, hidden: Tensor, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        uniform = self.uniforms(self.index)[self.ids[self.row[rows]]] if self._random else None
        drawn, logprob = choose_tokens(
            self.model, _at(hidden, rows), self.draws, uniform, self.index
        )
        for row, token, value in zip(self.row[rows], drawn, logprob, strict=True):
            self.found.tokens[row].append(int(token))
            self.found.logprobs[row].append(float(value))
        stopped = drawn == self.draws.stop
        for row in self.row[rows[stopped]]:
            self.found.stopped[row] = True
        self._go_on_to_score(rows[stopped])
        if self.index + 1 == self.draws.max_tokens:
            forced = rows[~stopped]
            self.state[forced] = CLOSE
            self.state[[r for r in forced if not self.targets[self.row[r]]]] = DONE
        return drawn

    def _go_on_to_score(self, rows: npt.NDArray[np.int64]) -> None:
        self.state[rows] = [SCORE if self.targets[self.row[r]] else DONE for r in rows]

    def _score(self, hidden: Tensor, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        wanted = [self.targets[self.row[r]][self.scored[r]] for r in rows]
        target = torch.tensor(wanted, device=hidden.device)
        value = token_logprobs(self.model, _at(hidden, rows), target)
        for row, logprob in zip(self.row[rows], value.tolist(), strict=True):
            self.found.predicted[row].append(logprob)
        self.scored[rows] += 1
        ended = [r for r in rows if self.scored[r] == len(self.targets[self.row[r]])]
        self.state[ended] = DONE
        return np.array(wanted)

    def _compact(self, alive: npt.NDArray[np.int64]) -> None:
        self.row, self.state, self.scored = (
            values[alive] for values in (self.row, self.state, self.scored)
        )
        kept = torch.from_numpy(alive).to(self.token.device)
        self.token, self.position = self.token[kept], self.position[kept]
        self.cache.keep(kept)

    @property
    def _random(self) -> bool:
        return self.draws.temperature > 0


def _at(hidden: Tensor, rows: npt.NDArray[np.int64]) -> Tensor:
    if len(rows) == len(hidden):
        return hidden
    return hidden.index_select(0, torch.from_numpy(rows).to(hidden.device))


def choose_tokens(
    model: PreTrainedModel,
    hidden: Tensor,
    draws: Draws,
    uniform: npt.NDArray[np.float64] | None,
    index: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Tokens and their log-probabilities at the sampling temperature, in chunks of rows.

    Args:
        model: gives the head.
        hidden: [rows, width], the states that predict.
        draws: temperature, closing delimiter and least length.
        uniform: [rows] numbers in [0, 1); None takes the likeliest token.
        index: how many tokens the thoughts have already.
    """
    size = max(1, CELLS // embedding_rows(model))
    tokens, logprobs = [], []
    for start in range(0, len(hidden), size):
        logits = logits_of(model, hidden[start : start + size])
        if index < draws.min_tokens:
            logits[:, draws.stop] = -torch.inf
        if uniform is None:
            token = logits.argmax(dim=1)
            logprobs.append(torch.zeros(len(token)))
        else:
            logits = logits / draws.temperature
            token = _inverse_transform(logits, uniform[start : start + size])
            chosen = logits.gather(1, token[:, None]).squeeze(1)
            logprobs.append((chosen - logits.logsumexp(dim=1)).cpu())
        tokens.append(token.cpu())
    return torch.cat(tokens).numpy(), torch.cat(logprobs).numpy()


def _inverse_transform(logits: Tensor, uniform: npt.NDArray[np.float64]) -> Tensor:
    # float64: in float32 the cumulative sum of a large vocabulary misses its tail
    cumulative = torch.softmax(logits.double(), dim=1).cumsum(dim=1)
    threshold = torch.from_numpy(uniform).to(cumulative)[:, None] * cumulative[:, -1:]
    found = torch.searchsorted(cumulative, threshold, right=True).squeeze(1)
    return found.clamp_max(logits.shape[1] - 1)
