"""One token of every thought: which rows the head is applied to, what is drawn, what is scored.

Sampling is by inverse transform from counted uniforms, at pure temperature: no top-k, no top-p, so
the probability that a token was drawn with is the one that the update sees.

What is done is planned by the host for a block of tokens (`readings`). Doing it makes tensors of
shapes that the plan knows, and reads nothing back from the device.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rlp_core.policy.logits import cells, logits_of

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
    nobody, size = draws[:0], max(1, cells(device) // vocabulary)
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
    tokens = (inverse if logits.is_cpu else inverse_by_products)(probability, users, uniform)
    return tokens, users.chosen(probability, tokens).log().float()


def inverse(probability: Tensor, users: Users, uniform: Tensor) -> Tensor:
    """[U] the first token up to which more probability lies than each number.

    Args:
        probability: [P, vocabulary], float64; rows add up to about 1.
        users: whose rows they are.
        uniform: [U] numbers in [0, 1).
    """
    cumulative = users.pick(probability.cumsum(dim=1))
    threshold = uniform[:, None] * cumulative[:, -1:]
    found = torch.searchsorted(cumulative, threshold, right=True).squeeze(1)
    return found.clamp_max(probability.shape[1] - 1)


def inverse_by_products(probability: Tensor, users: Users, uniform: Tensor) -> Tensor:
    """`inverse` for a GPU, on which torch refuses a cumulative sum where runs are to be equal.

    The vocabulary is cut into about as many stretches as each has tokens: a number chooses a
    stretch by the stretches' sums, then a token in it, so that all probabilities are read once.
    Sums up to a place are products with a triangle of ones. They never fall from one place to the
    next, because all columns of a product add in one order.
    """
    rows, vocabulary = probability.shape
    edge = math.isqrt(vocabulary - 1) + 1
    spare = -vocabulary % edge
    stretches = torch.nn.functional.pad(probability, (0, spare)).view(rows, -1, edge)
    count = stretches.shape[1]
    up_to = probability.new_ones(edge, edge).triu()
    ends = users.pick(stretches.sum(dim=2) @ up_to[:count, :count])
    threshold = uniform[:, None] * ends[:, -1:]
    chosen = torch.searchsorted(ends, threshold, right=True).clamp_(max=count - 1)
    begins = torch.nn.functional.pad(ends, (1, 0)).gather(1, chosen)
    within = _stretch(stretches, users, chosen) @ up_to
    place = torch.searchsorted(within, threshold - begins, right=True)
    # both sums round apart: a number at the very end of its stretch takes what is possible there
    last = torch.searchsorted(within, within[:, -1:].contiguous())
    return (chosen * edge + torch.minimum(place, last)).squeeze(1)


def _stretch(stretches: Tensor, users: Users, chosen: Tensor) -> Tensor:
    """[U, edge] of each user's row the stretch that was chosen."""
    if users.row is not None:
        return stretches[users.row, chosen.squeeze(1)]
    return stretches.take_along_dim(chosen[:, :, None], dim=1).squeeze(1)


def moved(values: npt.NDArray[Any], device: torch.device) -> Tensor:
    """An array on the device."""
    return torch.from_numpy(values).to(device)
