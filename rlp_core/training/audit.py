"""Is it thinking? Controls and the split of the reward (design, 4.8).

Beside the reward stand what other thoughts earn at the same places:

- null: the delimiters alone, an empty thought;
- shuffled: a thought that was drawn in another document;
- random: random tokens, as many as the thought has.

The content gain is S_pred minus the best of these: what only this thought's content can explain.
And since the baseline is a moving average of the same network, which may forget how to predict
without thinking, the reward is split against the frozen model that the run began with:

    r = [S_pred - S_frozen] + [S_frozen - S_ema] = true gain + baseline decay.
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
    count_tree,
    discounted,
    score_positions,
    trunks_of,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from rlp_core.training.ledger import Ledger

STREAM = 11
"""Keeps the random thoughts apart from other draws of the same seed and step."""


def audit(
    policy: PreTrainedModel,
    frozen: PreTrainedModel,
    groups: Sequence[RolloutGroup],
    marks: Delimiters,
    vocabulary: int,
    discount: float,
    seed: int,
    micro_batch: int,
    ledger: Ledger,
) -> dict[str, float]:
    """Look at the first thought of each group.

    Args:
        policy: drew the thoughts.
        frozen: the model that the run began with.
        groups: with baselines; a shuffled thought comes from the nearest
            one in another document.
        marks: the delimiters.
        vocabulary: random tokens are drawn below it.
        discount: weight of each further target.
        seed: the run's.
        micro_batch: documents through the network at once.
        ledger: takes the cost, under `audit`.

    Returns:
        Means over the groups, in nats: `true_gain`, `baseline_decay`, `content_gain`, and the
        reward of the controls, `null_gain`, `shuffled_gain`, `random_gain`.
    """
    positions = [group.position for group in groups]
    start = score_positions(frozen, positions, discount, micro_batch, ledger, "audit")
    controls = [_controls(groups, i, marks, vocabulary, seed) for i in range(len(groups))]
    scored = _score(policy, groups, controls, marks, discount, ledger)
    null, shuffled, random = (list(column) for column in zip(*scored, strict=True))
    baseline = [group.baseline or 0.0 for group in groups]
    real = [group.predicted[0] for group in groups]
    best = [max(values) for values in scored]
    every = [fmean(group.predicted) for group in groups]
    return {
        "true_gain": _mean(every, start),
        "baseline_decay": _mean(start, baseline),
        "content_gain": _mean(real, best),
        "null_gain": _mean(null, baseline),
        "shuffled_gain": _mean(shuffled, baseline),
        "random_gain": _mean(random, baseline),
    }


def _mean(first: Sequence[float], second: Sequence[float]) -> float:
    return fmean(a - b for a, b in zip(first, second, strict=True))


def _controls(
    groups: Sequence[RolloutGroup], index: int, marks: Delimiters, vocabulary: int, seed: int
) -> list[list[int]]:
    """The empty, the shuffled and the random thought of a group, without delimiters."""
    group = groups[index]
    length = len(_bare(group, marks))
    other = _of_another_document(groups, index)
    ids = range(length)
    drawn = [
        int(vocabulary * float(uniform(seed, STREAM, group.step, group.position.document.number,
                                       group.position.index, i)))
        for i in ids
    ]  # fmt: skip
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
    policy: PreTrainedModel,
    groups: Sequence[RolloutGroup],
    controls: Sequence[Sequence[Sequence[int]]],
    marks: Delimiters,
    discount: float,
    ledger: Ledger,
) -> list[list[float]]:
    """S of the text after each control."""
    trunks, index = trunks_of([group.position for group in groups])
    branches = [
        Branch(trunk, group.position.index,
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
    count_tree(ledger, "audit", trunks, branches, len(rows))
    values = iter(flat)
    return [
        [discounted(islice(values, len(g.position.targets)), discount) for _ in range(3)]
        for g in groups
    ]
