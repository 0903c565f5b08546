"""Log-probabilities of given tokens: in rows of any lengths, and at the end of branches.

What several texts have in common is a trunk, read once however many there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rlp_core.policy.logits import token_logprobs
from rlp_core.rollout.attention import kernel_of
from rlp_core.rollout.branches import Branch, pack
from rlp_core.rollout.engine import require, starts_of, states

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def logprobs_in(
    model: PreTrainedModel,
    rows: Sequence[Sequence[int]],
    places: Sequence[Sequence[int]],
    temperature: float = 1.0,
) -> Tensor:
    """Log-probability of the tokens at the given places, each given what stands before it.

    Args:
        model: scores, with gradient where it is enabled.
        rows: token ids of any lengths.
        places: per row the indices of the tokens to score; each at least 1.
        temperature: the logits are divided by it.

    Returns:
        [sum of places] in nats, row after row.

    Raises:
        ValueError: a place is 0 or beyond its row: nothing predicts the first token.
    """
    for row, wanted in zip(rows, places, strict=True):
        if any(place < 1 or place >= len(row) for place in wanted):
            raise ValueError(f"places must lie in [1, {len(row) - 1}]: {list(wanted)}")
    found = states(model, rows)
    starts = starts_of(map(len, rows))
    index = [s + p - 1 for s, wanted in zip(starts, places, strict=True) for p in wanted]
    tokens = [row[p] for row, wanted in zip(rows, places, strict=True) for p in wanted]
    at = torch.tensor(index, device=found.device, dtype=torch.long)
    token = torch.tensor(tokens, device=found.device, dtype=torch.long)
    return token_logprobs(model, found.index_select(0, at), token, temperature)


@torch.no_grad()
def score(
    model: PreTrainedModel,
    rows: Sequence[Sequence[int]],
    places: Sequence[Sequence[int]],
    micro_batch: int,
) -> list[list[float]]:
    """`logprobs_in` without gradient, over any number of rows.

    Rows of like length share a batch, so that little is spent on padding.
    """
    training = model.training
    model.eval()
    order = sorted(range(len(rows)), key=lambda i: (len(rows[i]), i))
    parts = []
    for start in range(0, len(order), micro_batch):
        batch = order[start : start + micro_batch]
        parts.append(logprobs_in(model, [rows[i] for i in batch], [places[i] for i in batch]))
    model.train(training)
    flat = iter(torch.cat(parts).tolist() if parts else [])
    result: list[list[float]] = [[] for _ in rows]
    for i in order:
        result[i] = list(islice(flat, len(places[i])))
    return result


@dataclass(frozen=True)
class Continuation:
    """Tokens that go on from a trunk, the last of which are scored.

    Attributes:
        trunk: index of the trunk.
        position: t; they follow the trunk tokens 0 .. t-1.
        tokens: all of them, in order.
        scored: how many of the last are scored; where all are, the trunk predicts the first.
        kept: of those scored the indices that count; None: all.
    """

    trunk: int
    position: int
    tokens: Sequence[int]
    scored: int
    kept: Sequence[int] | None = None

    def __post_init__(self) -> None:
        """Check.

        Raises:
            ValueError: nothing is scored, more than there is, or a first token that nothing
                predicts.
        """
        if not 0 < self.scored <= len(self.tokens):
            raise ValueError(f"{self.scored} of {len(self.tokens)} tokens cannot be scored")
        if self.position < (self.scored == len(self.tokens)):
            raise ValueError("nothing predicts the first token of a text")


@torch.no_grad()
def score_continuations(
    model: PreTrainedModel,
    trunks: Sequence[Sequence[int]],
    continuations: Sequence[Continuation],
    micro_batch: int,
) -> list[float]:
    """Log-probability of the scored tokens of each continuation together, in nats.

    A trunk is read once for up to `micro_batch` continuations of it, and no further than the last
    of them begins.

    Args:
        model: prepared (`engine.prepare`).
        trunks: texts, in any number.
        continuations: what goes on from them, in any order.
        micro_batch: continuations through the network at once.
    """
    training = model.training
    model.eval()
    found = [0.0] * len(continuations)
    # Those of one trunk and position stand together: they are then one block of queries.
    order = sorted(
        range(len(continuations)),
        key=lambda i: (
            len(trunks[continuations[i].trunk]),
            continuations[i].trunk,
            continuations[i].position,
            len(continuations[i].tokens),
        ),
    )
    for start in range(0, len(order), micro_batch):
        batch = order[start : start + micro_batch]
        for i, value in zip(batch, _totals(model, trunks, continuations, batch), strict=True):
            found[i] = value
    model.train(training)
    return found


def _totals(
    model: PreTrainedModel,
    trunks: Sequence[Sequence[int]],
    continuations: Sequence[Continuation],
    batch: Sequence[int],
) -> Iterator[float]:
    chosen = [continuations[i] for i in batch]
    reached: dict[int, int] = {}
    for one in chosen:
        reached[one.trunk] = max(reached.get(one.trunk, 0), one.position)
    place = {trunk: index for index, trunk in enumerate(reached)}
    read = [trunks[trunk][:end] for trunk, end in reached.items()]
    branches: list[Branch] = []
    fed_by: list[int] = []
    for one in chosen:
        if len(one.tokens) > 1:  # the last token predicts nothing that is asked for
            fed_by.append(len(branches))
            branches.append(Branch(place[one.trunk], one.position, one.tokens[:-1]))
        else:
            fed_by.append(-1)
    require(model)
    packed = pack(read, branches, model.device, kernel_of(model))
    hidden = packed.states(model)
    index: list[int] = []
    tokens: list[int] = []
    for one, branch in zip(chosen, fed_by, strict=True):
        before = packed.trunk_starts[place[one.trunk]] + one.position - 1
        fed = range(len(one.tokens) - 1)
        predictors = [before, *(packed.branch_starts[branch] + k for k in fed)]
        index += predictors[-one.scored :]
        tokens += one.tokens[-one.scored :]
    at = torch.tensor(index, device=hidden.device, dtype=torch.long)
    token = torch.tensor(tokens, device=hidden.device, dtype=torch.long)
    flat = iter(token_logprobs(model, hidden.index_select(0, at), token, 1.0).tolist())
    for one in chosen:
        values = list(islice(flat, one.scored))
        yield sum(values if one.kept is None else (values[place] for place in one.kept))
