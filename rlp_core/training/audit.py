"""Is it thinking? Controls and the split of the reward (design, 4.8).

Beside the reward stand what other thoughts earn at the same places:

- null: the delimiters alone, an empty thought;
- shuffled: a thought that was drawn in another document;
- random: random tokens, as many as the thought has.

The content gain is S_pred minus the best of these: what only this thought's content can explain.
And since the baseline is a moving average of the same network, which may forget how to predict
without thinking, the gain is split against the frozen model that the run began with:

    S_pred - S_ema = [S_pred - S_frozen] + [S_frozen - S_ema] = true gain + baseline decay.

Reward terms are no gain: what they add to the reward at the same places is told beside it, as
`audited_shaping`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from statistics import fmean
from typing import TYPE_CHECKING

import torch

from rlp_core.policy.logits import token_logprobs
from rlp_core.rollout import engine
from rlp_core.rollout.branches import Branch
from rlp_core.rollout.rng import uniform
from rlp_core.training.groups import (
    Delimiters,
    RolloutGroup,
    RolloutWorker,
    count_tree,
    discounted,
    trunks_of,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

STREAM = 11
"""Keeps the random thoughts apart from other draws of the same seed and step."""


def audit(
    worker: RolloutWorker,
    policy: PreTrainedModel,
    frozen: PreTrainedModel,
    groups: Sequence[RolloutGroup],
    vocabulary: int,
) -> dict[str, float]:
    """Look at the first thought of each group.

    Args:
        worker: how the run draws and scores; its ledger takes the cost, under `audit`.
        policy: drew the thoughts.
        frozen: the model that the run began with.
        groups: with baselines; a shuffled thought comes from the nearest one in another document.
        vocabulary: random tokens are drawn below it.

    Returns:
        Means over the groups, in nats: `true_gain`, `baseline_decay`, `content_gain`, and the
        gain of the controls, `null_gain`, `shuffled_gain`, `random_gain`; with reward terms also
        `audited_shaping`, the part of the reward that is no gain. (`shaping` is that of the whole
        step; an audit looks at some of its places.)
    """
    positions = [group.position for group in groups]
    start = worker.score(frozen, positions, "audit")
    controls = [_controls(worker, groups, i, vocabulary) for i in range(len(groups))]
    scored = _score(worker, policy, groups, controls)
    null, shuffled, random = (list(column) for column in zip(*scored, strict=True))
    baseline = [group.baseline or 0.0 for group in groups]
    real = [group.predicted[0] for group in groups]
    best = [max(values) for values in scored]
    every = [fmean(group.predicted) for group in groups]
    shaping = [fmean(group.shaping) for group in groups if group.shaping]
    return {
        "true_gain": _mean(every, start),
        "baseline_decay": _mean(start, baseline),
        "content_gain": _mean(real, best),
        "null_gain": _mean(null, baseline),
        "shuffled_gain": _mean(shuffled, baseline),
        "random_gain": _mean(random, baseline),
    } | ({"audited_shaping": fmean(shaping)} if shaping else {})


def _mean(first: Sequence[float], second: Sequence[float]) -> float:
    return fmean(a - b for a, b in zip(first, second, strict=True))


def _controls(
    worker: RolloutWorker, groups: Sequence[RolloutGroup], index: int, vocabulary: int
) -> list[list[int]]:
    """The empty, the shuffled and the random thought of a group, without delimiters."""
    group, marks = groups[index], worker.marks
    length = len(_bare(group, marks))
    other = _of_another_document(groups, index)
    ids = range(length)
    where = (group.step, group.position.document.number, group.position.index)
    drawn = [int(vocabulary * float(uniform(worker.seed, STREAM, *where, i))) for i in ids]
    allowed = [token if token not in (marks.open, marks.close) else 0 for token in drawn]
    return [[], _bare(other, marks), allowed]


def _of_another_document(groups: Sequence[RolloutGroup], index: int) -> RolloutGroup:
    """The nearest group behind this one that stands in another document; else the next group.

    A thought at a later position of the same document has read what is to be predicted here. Where
    the step reads one document alone there is no better one.
    """
    document = groups[index].position.document
    order = [*groups[index + 1 :], *groups[:index]]
    return next((g for g in order if g.position.document is not document), (order or groups)[0])


def _bare(group: RolloutGroup, marks: Delimiters) -> list[int]:
    return [token for token in group.tokens[0] if token != marks.close]


@torch.no_grad()
def _score(
    worker: RolloutWorker,
    policy: PreTrainedModel,
    groups: Sequence[RolloutGroup],
    controls: Sequence[Sequence[Sequence[int]]],
) -> list[list[float]]:
    """S of the text after each control."""
    marks = worker.marks
    trunks, index = trunks_of([group.position for group in groups], marks.lead)
    branches = [
        Branch(trunk, group.position.index + len(marks.lead),
               [marks.open, *control, marks.close, *group.position.following[:-1]])
        for trunk, group, each in zip(index, groups, controls, strict=True)
        for control in each
    ]  # fmt: skip
    hidden = engine.states(policy, trunks, branches)
    begins = engine.starts_of((len(b.tokens) for b in branches), sum(map(len, trunks)))
    rows: list[int] = []
    tokens: list[int] = []
    for i, (begin, branch) in enumerate(zip(begins, branches, strict=True)):
        following = groups[i // 3].position.following
        end = begin + len(branch.tokens)
        rows += range(end - len(following), end)
        tokens += following
    at = torch.tensor(rows, device=hidden.device)
    flat = token_logprobs(policy, hidden[at], torch.tensor(tokens, device=hidden.device)).tolist()
    count_tree(worker.ledger, "audit", trunks, branches, len(rows))
    values = iter(flat)
    return [
        [discounted(islice(values, len(g.position.targets)), worker.discount) for _ in range(3)]
        for g in groups
    ]
