"""The update of RLP: gradients of the objective over groups of thoughts, within a token budget."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rlp_core.objective import advantage, loss
from rlp_core.objective.config import ObjectiveConfig
from rlp_core.objective.packing import steps
from rlp_core.objective.reward import clip_reward
from rlp_core.policy.logits import token_logprobs, token_statistics
from rlp_core.rollout import engine
from rlp_core.rollout.shared_trunks import SharedTrunks, can_share
from rlp_core.training.groups import Delimiters, RolloutGroup, branches_of, count_tree, trunks_of
from rlp_core.training.ledger import TRAINING, Ledger
from rlp_core.training.packed import BranchReading, PackedRows

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from rlp_core.policy.compute import Compute
    from rlp_core.policy.value import ValueHead


@dataclass(frozen=True)
class Models:
    """What takes part in an update.

    Attributes:
        policy: trained.
        reference: frozen, for the KL; None where its weight is 0.
        value: the value head; None unless the estimator is one of a token.
    """

    policy: Compute
    reference: PreTrainedModel | None
    value: ValueHead | None


@dataclass(frozen=True)
class SamplingConstraints:
    """What of the drawing the update must know, so that it sees the same probabilities.

    Attributes:
        marks: what stands around a thought.
        min_tokens: tokens of a thought before which its close could not be drawn.
    """

    marks: Delimiters
    min_tokens: int

    def banned(self, lengths: Tensor, total: int) -> tuple[Tensor, int] | None:
        """[M] tokens in whose place the close could not be drawn, and the close.

        `total` is the sum of the lengths.
        """
        if not self.min_tokens:
            return None
        return steps(lengths, total) < self.min_tokens, self.marks.close


@dataclass(frozen=True)
class Update:
    """What one update is made with.

    Attributes:
        models: policy, reference and value head.
        config: the objective, with the temperature of this step.
        constraints: how thoughts are drawn in this step.
        step: the present one; groups of older ones are replayed.
        ledger: takes the cost.
    """

    models: Models
    config: ObjectiveConfig
    constraints: SamplingConstraints
    step: int
    ledger: Ledger


@dataclass(frozen=True)
class UpdateMetrics:
    """What an update tells of itself; of its parts, the sum.

    Attributes:
        tokens: thought tokens.
        terms: of the loss, weighted means over the whole step.
        surprise: -log p of the thought tokens, added up, in nats.
        mismatch: largest difference between a fresh token's log-probability when it was drawn and
            in the update, in nats.
        ratios: importance ratios of replayed tokens, before the limit.
        values: of the value head, part by part.
        returns: what these were to predict.
    """

    tokens: int
    terms: dict[str, float]
    surprise: float
    mismatch: float
    ratios: list[float]
    values: list[Tensor]
    returns: list[Tensor]


@dataclass(frozen=True)
class PartMetrics:
    """What a part of an update tells of itself, before the host has read it.

    Attributes:
        tokens: thought tokens.
        terms: of the loss.
        surprise: as in `UpdateMetrics`, and so `mismatch`.
        mismatch: its largest in this part.
        ratios: [S] of replayed tokens.
        values: [M] of the value head, or None.
        returns: [M] what these were to predict, or None.
    """

    tokens: int
    terms: dict[str, Tensor]
    surprise: Tensor
    mismatch: Tensor
    ratios: Tensor
    values: Tensor | None
    returns: Tensor | None


def told(parts: Sequence[PartMetrics]) -> UpdateMetrics:
    """All parts together, read from the device at once."""
    names = list(parts[0].terms)
    rows = [torch.stack([*p.terms.values(), p.surprise, p.mismatch]) for p in parts]
    read = torch.cat([*rows, *(part.ratios for part in parts)]).tolist()
    width = len(names) + 2
    columns = [read[i : len(parts) * width : width] for i in range(width)]
    return UpdateMetrics(
        sum(part.tokens for part in parts),
        {name: sum(column) for name, column in zip(names, columns[:-2], strict=True)},
        sum(columns[-2]),
        max(columns[-1]),
        read[len(parts) * width :],
        [part.values for part in parts if part.values is not None],
        [part.returns for part in parts if part.returns is not None],
    )


@dataclass(frozen=True)
class GlobalCounts:
    """Denominators of the whole step, so that micro-batches add up to it."""

    thoughts: int
    tokens: int


def counts_of(groups: Sequence[RolloutGroup]) -> GlobalCounts:
    """The denominators of a step that these groups are the whole of."""
    return GlobalCounts(
        sum(len(group.tokens) for group in groups),
        sum(len(group.learnt(i)) for group in groups for i in range(len(group.tokens))),
    )


def accumulate(
    update: Update,
    groups: Sequence[RolloutGroup],
    budget: int,
    whole: GlobalCounts | None = None,
) -> UpdateMetrics:
    """Add the gradient of the loss over all groups to the parameters.

    The ratio is taken to the policy before this update, which is the policy itself: it is 1 for
    thoughts drawn in this step, and no second scoring pass is made. Replayed thoughts carry a
    truncated importance weight to the policy that drew them.

    Args:
        update: what it is made with.
        groups: drawn in this step or replayed; those of one text stand together.
        budget: tokens through the network at once. A document that exceeds it alone is read once,
            and its thoughts go in micro-batches (`rollout.shared_trunks`); a thought stays whole.
        whole: denominators of the step, where groups that have no gradient are left out of it;
            None: these groups are all.
    """
    whole = whole or counts_of(groups)
    told_by: list[PartMetrics] = []
    lead = len(update.constraints.marks.lead)
    for part in parts(groups, budget, lead):
        if cost(part, lead) > budget and can_share(update.models.policy.model):
            told_by += _in_micro_batches(update, part, whole, budget)
            continue
        read = _reading(update, part)
        count_tree(update.ledger, "update", read.trunks, read.branches, 0, TRAINING)
        states = partial(engine.states, trunks=read.trunks, branches=read.branches)
        told_by.append(_backward(update, part, whole, read, states))
    return told(told_by)


def _in_micro_batches(
    update: Update, groups: Sequence[RolloutGroup], whole: GlobalCounts, budget: int
) -> list[PartMetrics]:
    """Gradients of one trunk's thoughts, some of them at a time; the trunk is read once."""
    policy, reference = update.models.policy.model, update.models.reference
    trunks, _ = trunks_of([group.position for group in groups], update.constraints.marks.lead)
    shared = {id(policy): SharedTrunks(policy, trunks)}
    count_tree(update.ledger, "update", trunks, (), 0, TRAINING)
    if reference is not None and update.config.kl_weight:
        with torch.no_grad():
            shared[id(reference)] = SharedTrunks(reference, trunks)
        count_tree(update.ledger, "reference", trunks, (), 0)
    told_by = []
    for some in micro_batches(groups, budget):
        read = replace(_reading(update, some), trunks=[])
        count_tree(update.ledger, "update", (), read.branches, 0, TRAINING)

        def states(model: PreTrainedModel, read: BranchReading = read) -> Tensor:
            return shared[id(model)].states(read.branches)

        told_by.append(_backward(update, some, whole, read, states))
    shared[id(policy)].backward()
    update.models.policy.collect()
    return told_by


def _backward(
    update: Update,
    groups: Sequence[RolloutGroup],
    whole: GlobalCounts,
    read: BranchReading,
    states: Callable[[PreTrainedModel], Tensor],
) -> PartMetrics:
    """Add the gradient of some groups' loss to the parameters."""
    part_loss, metrics = _part(update, groups, whole, read, states)
    part_loss.backward()
    update.models.policy.collect()
    return metrics


def parts(
    groups: Sequence[RolloutGroup], budget: int, lead: int = 0
) -> Iterator[list[RolloutGroup]]:
    """Groups for one forward and backward pass each; those of one trunk stay together.

    A trunk that exceeds the budget with its thoughts is a part of its own; `lead` as in `cost`.
    """

    def trunk(group: RolloutGroup) -> tuple[int, int]:
        return id(group.position.document), group.position.index if lead else 0

    part: list[RolloutGroup] = []
    size = 0
    for _, same in groupby(groups, key=trunk):
        together = list(same)
        more = cost(together, lead)
        if part and size + more > budget:
            yield part
            part, size = [], 0
        part += together
        size += more
    if part:
        yield part


def cost(groups: Sequence[RolloutGroup], lead: int = 0) -> int:
    """Tokens of some groups of one trunk: the text to its last position, and all thoughts.

    A prompt of `lead` tokens before the thoughts belongs to the trunk, which then has one position.
    """
    thoughts = sum(len(tokens) for group in groups for tokens in group.tokens)
    return max(group.position.index for group in groups) + lead + thoughts


def micro_batches(groups: Sequence[RolloutGroup], budget: int) -> Iterator[list[RolloutGroup]]:
    """The thoughts of some groups, a budget of tokens at a time; equal ones stay together.

    A thought that exceeds the budget alone is a micro-batch of its own.
    """
    part: list[RolloutGroup] = []
    size = 0
    for group in groups:
        chosen: list[int] = []
        for same in group.equal_thoughts():
            more = len(group.tokens[same[0]]) + len(group.position.targets) + 1
            if size and size + more > budget:
                yield [*part, *([group.part(chosen)] if chosen else [])]
                part, chosen, size = [], [], 0
            chosen += same
            size += more
        if chosen:
            part.append(group.part(chosen))
    if part:
        yield part


def _part(
    update: Update,
    groups: Sequence[RolloutGroup],
    whole: GlobalCounts,
    read: BranchReading,
    states: Callable[[PreTrainedModel], Tensor],
) -> tuple[Tensor, PartMetrics]:
    """The loss of some groups, as a share of the whole step's, and what is told of it.

    `states` gives the last hidden states of what `read` names: its trunks, then its branches.
    """
    config, models = update.config, update.models
    model = models.policy.model
    rows = PackedRows.of(groups, read, update.step, model.device)
    hidden = states(model)
    # equal thoughts share their rows: the head is applied to each row once
    distinct, of = rows.distinct, rows.row
    scored = len(distinct) + (len(rows.following) if config.ntp_weight else 0)
    count_tree(update.ledger, "update", (), (), scored, TRAINING)
    tokens = _distinct(rows.tokens, of, len(distinct))
    banned = update.constraints.banned(rows.lengths, len(rows.tokens))
    if banned is not None:
        banned = (_distinct(banned[0], of, len(distinct)), banned[1])
    once = hidden.index_select(0, distinct)
    found = token_statistics(
        model, once, tokens, config.temperature, banned, config.entropy_weight > 0
    )
    logprobs, entropy = (part[of] if len(part) else part for part in found)
    weight = loss.token_weights(
        rows.lengths,
        config.token_mean,
        thoughts=whole.thoughts,
        tokens=whole.tokens,
        total=len(rows.tokens),
    )
    trust = _importance_weights(rows, logprobs.detach(), config.importance_limit)
    terms: dict[str, Tensor] = {}
    values = returns = None
    if models.value is None:
        steered = _thought_advantages(groups, rows)
    else:
        values = models.value(once)[of]
        steered, returns = _token_advantages(values, groups, config, rows)
        terms["value"] = loss.value_loss(
            values, values.detach(), returns, config.value.clip, weight
        )
    terms["surrogate"] = loss.clipped_surrogate(
        logprobs, logprobs.detach(), steered, weight * trust, config.clip_low, config.clip_high
    )
    if models.reference is not None and config.kl_weight:
        with torch.no_grad():
            other = states(models.reference)[distinct]
            expected = token_logprobs(models.reference, other, tokens, config.temperature, banned)
        count_tree(update.ledger, "reference", read.trunks, read.branches, len(distinct))
        terms["kl"] = (weight * loss.kl_k3(logprobs, expected[of])).sum()
    if config.entropy_weight:
        terms["entropy"] = (weight * entropy).sum()
    if config.ntp_weight:
        after = token_logprobs(model, hidden.index_select(0, rows.target), rows.following)
        share = 1 / (rows.targets * whole.thoughts)
        share = share.repeat_interleave(rows.targets, output_size=len(after))
        terms["ntp"] = -(after * share).sum()
    total = torch.stack([config.coefficients[name] * terms[name] for name in terms]).sum()
    return total, _metrics(rows, logprobs.detach(), terms, values, returns)


def _reading(update: Update, groups: Sequence[RolloutGroup]) -> BranchReading:
    """The documents and distinct thoughts of some groups."""
    marks, learnt = update.constraints.marks, update.config.ntp_weight > 0
    trunks, _ = trunks_of([group.position for group in groups], marks.lead)
    return BranchReading(trunks, *branches_of(groups, marks, learnt))


def _distinct(values: Tensor, of: Tensor, count: int) -> Tensor:
    """[M] values, equal where `of` is, to one of each: [count]."""
    return values.new_zeros(count).index_put((of,), values)


def _importance_weights(rows: PackedRows, old: Tensor, limit: float) -> Tensor:
    """[M] importance weights: 1 for fresh tokens, truncated for those of an older policy."""
    return torch.where(rows.fresh, 1.0, loss.importance_weight(old, rows.behaviour, limit))


def _thought_advantages(groups: Sequence[RolloutGroup], rows: PackedRows) -> Tensor:
    """[M] advantages: each token has that of its thought."""
    known = [value for group in groups for value in group.advantages]
    each = torch.tensor(known, device=rows.lengths.device)
    return each.repeat_interleave(rows.lengths, output_size=len(rows.tokens))


def _token_advantages(
    values: Tensor, groups: Sequence[RolloutGroup], config: ObjectiveConfig, rows: PackedRows
) -> tuple[Tensor, Tensor]:
    """[M] advantages of tokens by their values, and [M] what the values are to predict."""
    reward = torch.tensor([r for group in groups for r in group.rewards], device=values.device)
    return advantage.token_advantages(
        config.estimator,
        clip_reward(reward, config.reward_clip),
        values,
        rows.lengths,
        config.value.gae_discount,
        config.value.gae_lambda,
    )


def _metrics(
    rows: PackedRows,
    logprobs: Tensor,
    terms: dict[str, Tensor],
    values: Tensor | None,
    returns: Tensor | None,
) -> PartMetrics:
    """What a part tells of itself."""
    gap = logprobs - rows.behaviour
    return PartMetrics(
        len(rows.tokens),
        {name: term.detach() for name, term in terms.items()},
        -logprobs.sum(),
        torch.where(rows.fresh, gap.abs(), 0).max(),
        torch.exp(gap.index_select(0, rows.stale)),
        None if values is None else values.detach(),
        returns,
    )
