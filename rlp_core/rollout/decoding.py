"""One token of every thought: which rows the head is applied to, what is drawn, what is scored.

Sampling is by inverse transform from counted uniforms, at pure temperature: no top-k, no top-p, so
the probability that a token was drawn with is the one that the update sees.

What is done is planned by the host for a block of tokens (`readings`). Doing it makes tensors of
shapes that the plan knows, and reads nothing back from the device.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rlp_core.policy.logits import CELLS, logits_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from rlp_core.rollout.sampling import SamplingParams

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Users:
    """Thoughts, and the rows of logits that they use.

    Attributes:
        who: [U] the thoughts.
        row: [U] their rows; None where the u-th thought uses the u-th row.
    """

    who: Tensor
    row: Tensor | None

    @staticmethod
    def of(who: Indices, row: Indices, rows: int, device: torch.device) -> Users | None:
        """None where nobody uses any."""
        if not len(who):
            return None
        same = len(row) == rows and bool((row == np.arange(rows)).all())
        return Users(moved(who, device), None if same else moved(row, device))

    def pick(self, rows: Tensor) -> Tensor:
        """What stands in each user's row."""
        return rows if self.row is None else rows.index_select(0, self.row)

    def chosen(self, cells: Tensor, tokens: Tensor) -> Tensor:
        """[U] what stands in each user's row of [P, vocabulary] at one token."""
        if self.row is None:
            return cells.gather(1, tokens[:, None]).squeeze(1)
        return cells[self.row, tokens]

    def logprobs(self, logits: Tensor, tokens: Tensor) -> Tensor:
        """[U] log-probabilities of one token each."""
        return self.chosen(logits, tokens) - self.pick(logits.logsumexp(dim=1))


@dataclass(frozen=True)
class Reading:
    """Rows whose logits are made together, and who uses them.

    Attributes:
        rows: [P] rows of the hidden states; None: all of them.
        draws: who draws from them.
        scores: who finds the log-probability of a target in them. A thought may do both where it
            is not known yet when it ends.
    """

    rows: Tensor | None
    draws: Users | None
    scores: Users | None


def readings(
    owner: Indices,
    rows: int,
    draws: Indices,
    scores: Indices,
    *,
    together: bool,
    vocabulary: int,
    device: torch.device,
) -> list[Reading]:
    """Lay out the use of the head for some tokens.

    Args:
        owner: [thoughts] the row of each.
        rows: of hidden states.
        draws: the thoughts that may draw.
        scores: the thoughts that may score.
        together: one product for both; else one each, over no row that is not used.
        vocabulary: logits of a row.
        device: where the head is.
    """
    nobody, size = draws[:0], max(1, CELLS // vocabulary)
    sets = [(draws, scores)] if together else [(draws, nobody), (nobody, scores)]
    return [
        _reading(owner, rows, used[first : first + size], who, device)
        for who in sets
        for used in [np.unique(owner[np.concatenate(who)])]
        for first in range(0, len(used), size)
    ]


def _reading(
    owner: Indices, rows: int, part: Indices, sets: tuple[Indices, Indices], device: torch.device
) -> Reading:
    """One of some of the rows, `part`, and who of the sets uses them."""
    users = []
    for who in sets:
        mine = who[(owner[who] >= part[0]) & (owner[who] <= part[-1])]
        users.append(Users.of(mine, np.searchsorted(part, owner[mine]), len(part), device))
    return Reading(None if len(part) == rows else moved(part, device), *users)


def logits_at(model: PreTrainedModel, hidden: Tensor, reading: Reading) -> Tensor:
    """[P, vocabulary] logits of a reading's rows among [rows, width] states."""
    states = hidden if reading.rows is None else hidden.index_select(0, reading.rows)
    return logits_of(model, states)


def draw(
    logits: Tensor,
    users: Users,
    params: SamplingParams,
    uniform: Tensor | None,
    may_stop: bool,
) -> tuple[Tensor, Tensor]:
    """[U] tokens, and their log-probabilities at the sampling temperature (0 for greedy).

    Args:
        logits: [P, vocabulary]; overwritten.
        users: who draws.
        params: temperature and closing delimiter.
        uniform: [U] numbers in [0, 1), float64; None takes the likeliest token.
        may_stop: whether the closing delimiter can be drawn.
    """
    if not may_stop:
        logits[:, params.stop_token_id] = -torch.inf
    if uniform is None:
        tokens = users.pick(logits.argmax(dim=1))
        return tokens, logits.new_zeros(len(tokens))
    logits.div_(params.temperature)
    # float64: in float32 the cumulative sum of a large vocabulary misses its tail
    probability = torch.softmax(logits, dim=1, dtype=torch.float64)
    cumulative = users.pick(probability.cumsum(dim=1))
    threshold = uniform[:, None] * cumulative[:, -1:]
    found = torch.searchsorted(cumulative, threshold, right=True).squeeze(1)
    tokens = found.clamp_max(logits.shape[1] - 1)
    return tokens, users.chosen(probability, tokens).log().float()


def moved(values: npt.NDArray[Any], device: torch.device) -> Tensor:
    """An array on the device."""
    return torch.from_numpy(values).to(device)
