"""A part of an update as packed tensors: which states predict what, for all its thoughts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rlp_core.rollout import engine
from rlp_core.rollout.branches import Branch
from rlp_core.training.groups import RolloutGroup


@dataclass(frozen=True)
class BranchReading:
    """What goes through the network for some groups.

    Attributes:
        trunks: their documents, cut after the last position.
        branches: their distinct thoughts, as branches of the trunks.
        read_by: for each thought in order the branch that reads it.
    """

    trunks: list[list[int]]
    branches: list[Branch]
    read_by: list[int]


@dataclass(frozen=True)
class PackedRows:
    """A part of the step as packed tensors. Letters: R thoughts, M thought tokens, C targets.

    All that has a size which values decide is made by the host, which knows them.

    Attributes:
        distinct: [D] rows of the states that predict thought tokens, each once: equal thoughts
            share theirs.
        row: [M] which of them predicts each thought token.
        tokens: [M] these tokens.
        behaviour: [M] their log-probabilities when they were drawn.
        fresh: [M] whether they were drawn in this step.
        stale: [S] those that were not.
        lengths: [R] tokens of each thought.
        target: [C] rows of the states that predict the text after the thoughts.
        following: [C] that text.
        targets: [R] how much of it there is for each thought.
    """

    distinct: Tensor
    row: Tensor
    tokens: Tensor
    behaviour: Tensor
    fresh: Tensor
    stale: Tensor
    lengths: Tensor
    target: Tensor
    following: Tensor
    targets: Tensor

    @staticmethod
    def of(
        groups: Sequence[RolloutGroup], read: BranchReading, step: int, device: torch.device
    ) -> PackedRows:
        """Lay out the thoughts of groups by the states that their branches are read into.

        Args:
            groups: drawn in this step or replayed.
            read: their trunks and branches.
            step: the present one; the thoughts of others are not fresh.
            device: where the tensors lie.
        """
        fed = [len(branch.tokens) for branch in read.branches]
        thoughts = [(g, i) for g in groups for i in range(len(g.tokens))]
        learnt = [g.learnt(i) for g, i in thoughts]
        lengths = [len(places) for places in learnt]
        targets = [len(g.position.targets) for g, _ in thoughts]
        starts = engine.starts_of(fed, sum(map(len, read.trunks)))
        begins = [starts[branch] for branch in read.read_by]
        ends = [starts[branch] + fed[branch] for branch in read.read_by]
        predicting = [b + k for b, places in zip(begins, learnt, strict=True) for k in places]
        distinct, row = np.unique(predicting, return_inverse=True)
        tokens = [(g, i, k) for (g, i), of in zip(thoughts, learnt, strict=True) for k in of]
        fresh = [g.step == step for g, _, _ in tokens]
        columns: list[list[int] | list[float] | list[bool]] = [
            distinct.tolist(),
            row.tolist(),
            [g.tokens[i][k] for g, i, k in tokens],
            [g.logprobs[i][k] for g, i, k in tokens],
            fresh,
            [i for i, drawn_now in enumerate(fresh) if not drawn_now],
            lengths,
            [row for end, n in zip(ends, targets, strict=True) for row in range(end - n, end)],
            [token for g, _ in thoughts for token in g.position.following],
            targets,
        ]
        return PackedRows(
            *(
                torch.tensor(column, device=device, dtype=None if column else torch.long)
                for column in columns
            )
        )
