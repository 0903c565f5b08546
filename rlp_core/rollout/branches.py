"""Documents as trunks, thoughts as branches: one packed row for the network (design, 4.5).

All thoughts of a document hang off it. Laid out as `[trunks | branches]` a trunk is read once,
whatever the number of its thoughts: a branch token attends to the trunk tokens before its position
and to its own branch, and its position ids go on from there. Nothing is padded outside attention.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rlp_core.rollout.blocks import Segment
from rlp_core.rollout.branch_attention import BranchAttention
from rlp_core.rollout.flex import FlexAttention

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Branch:
    """Tokens that go on from a trunk.

    Attributes:
        trunk: index of the document.
        position: t; the branch follows the trunk tokens 0 .. t-1.
        tokens: what it consists of, the opening delimiter first.
    """

    trunk: int
    position: int
    tokens: Sequence[int]


@dataclass(frozen=True)
class Packed:
    """Trunks and branches as one row.

    Attributes:
        ids: [1, N] tokens, all trunks, then all branches in the given order.
        positions: [1, N] position ids.
        attention: who sees whom.
        trunk_starts: where each trunk begins in the row.
        branch_starts: where each branch begins in the row.
    """

    ids: Tensor
    positions: Tensor
    attention: BranchAttention | FlexAttention
    trunk_starts: list[int]
    branch_starts: list[int]

    def states(self, model: PreTrainedModel) -> Tensor:
        """[N, width], the last hidden state of every token of the row, with gradient if enabled."""
        output = model.base_model(
            input_ids=self.ids,
            position_ids=self.positions,
            use_cache=False,
            branches=self.attention,
        )
        states: Tensor = output.last_hidden_state[0]
        return states


def pack(
    trunks: Sequence[Sequence[int]],
    branches: Sequence[Branch] = (),
    device: torch.device | str = "cpu",
    kernel: str = "blocks",
) -> Packed:
    """Lay trunks and branches out.

    Branches of one document and position should stand together: they are then one block of
    queries on the same keys.

    Args:
        trunks: documents.
        branches: what goes on from them.
        device: where the row is wanted.
        kernel: `blocks`, `flash` or `flex`.

    Raises:
        ValueError: an empty branch, or a position beyond its trunk.
    """
    trunk_starts = starts(map(len, trunks), 0)
    first = sum(map(len, trunks))
    branch_starts = starts((len(b.tokens) for b in branches), first)
    ids = [token for trunk in trunks for token in trunk]
    positions = [index for trunk in trunks for index in range(len(trunk))]
    for branch in branches:
        if not branch.tokens or not 0 <= branch.position <= len(trunks[branch.trunk]):
            raise ValueError(
                f"a branch of {len(branch.tokens)} tokens at position {branch.position} does not "
                f"fit a document of {len(trunks[branch.trunk])} tokens"
            )
        ids += branch.tokens
        positions += range(branch.position, branch.position + len(branch.tokens))
    trunk_segments = [
        Segment(start, len(trunk), start, len(trunk), causal=True)
        for trunk, start in zip(trunks, trunk_starts, strict=True)
        if len(trunk)
    ]
    across = across_segments(branches, branch_starts, trunk_starts)
    own = own_segments(branches, branch_starts, 0)
    attention: BranchAttention | FlexAttention
    if kernel == "flex":
        segments = [*trunk_segments, *across, *own]
        attention = _fused(trunks, branches, positions, segments, device)
    else:
        attention = BranchAttention.of(trunk_segments, across, own, device, kernel)
    return Packed(
        torch.tensor([ids], dtype=torch.long, device=device),
        torch.tensor([positions], dtype=torch.long, device=device),
        attention,
        trunk_starts,
        branch_starts,
    )


def _fused(
    trunks: Sequence[Sequence[int]],
    branches: Sequence[Branch],
    positions: Sequence[int],
    segments: Sequence[Segment],
    device: torch.device | str,
) -> FlexAttention:
    first = sum(map(len, trunks))
    trunk = [i for i, t in enumerate(trunks) for _ in t]
    trunk += [b.trunk for b in branches for _ in b.tokens]
    branch = [-1] * first + [i for i, b in enumerate(branches) for _ in b.tokens]
    limit = [position + 1 for position in positions[:first]]
    limit += [b.position for b in branches for _ in b.tokens]
    columns = (trunk, branch, positions, limit)
    of_trunk, of_branch, position, limits = (torch.tensor(c, device=device) for c in columns)
    return FlexAttention.of(of_trunk, of_branch, position, limits, segments)


def own_segments(
    branches: Sequence[Branch], branch_starts: Sequence[int], shift: int
) -> list[Segment]:
    """Each branch on itself; its keys stand `shift` rows behind its queries."""
    return [
        Segment(start, len(b.tokens), start + shift, len(b.tokens), causal=True)
        for b, start in zip(branches, branch_starts, strict=True)
    ]


def across_segments(
    branches: Sequence[Branch], branch_starts: Sequence[int], trunk_starts: Sequence[int]
) -> list[Segment]:
    """One segment per run of branches at the same place: their tokens on the trunk before it."""
    segments: list[Segment] = []
    for branch, start in zip(branches, branch_starts, strict=True):
        keys, count = trunk_starts[branch.trunk], branch.position
        last = segments[-1] if segments else None
        if last and last.key == keys and last.keys == count and last.query + last.queries == start:
            segments[-1] = Segment(
                last.query, last.queries + len(branch.tokens), keys, count, False
            )
        else:
            segments.append(Segment(start, len(branch.tokens), keys, count, False))
    return segments


def starts(lengths: Iterable[int], first: int) -> list[int]:
    """Where each of the rows of these lengths begins, the first of them at `first`."""
    found = []
    for length in lengths:
        found.append(first)
        first += length
    return found
