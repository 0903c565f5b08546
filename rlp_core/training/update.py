"""The update of RLP: gradients of the objective over groups of thoughts, within a token budget."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rlp_core.objective import advantage, loss
from rlp_core.objective.options import Options
from rlp_core.objective.packing import steps
from rlp_core.objective.reward import clip_reward
from rlp_core.policy.logits import token_logprobs, token_statistics
from rlp_core.rollout import engine
from rlp_core.training.groups import Delimiters, RolloutGroup, branches_of, count_tree, trunks_of
from rlp_core.training.ledger import TRAINING, Ledger

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
        value: the value head; None unless the estimator is `gae`.
    """

    policy: Compute
    reference: PreTrainedModel | None
    value: ValueHead | None


@dataclass(frozen=True)
class SamplingConstraints:
    """What of the drawing the update must know, so that it sees the same probabilities.

    Attributes:
        marks: the delimiters.
        min_tokens: tokens of a thought before which its close could not be drawn.
    """

    marks: Delimiters
    min_tokens: int

    def banned(self, lengths: Tensor) -> tuple[Tensor, int] | None:
        """[M] tokens in whose place the close could not be drawn, and the close."""
        return (steps(lengths) < self.min_tokens, self.marks.close) if self.min_tokens else None


@dataclass
class UpdateMetrics:
    """What an update adds up for the metrics; the terms of the loss are weighted means already."""

    tokens: int
    terms: dict[str, float] = field(default_factory=dict)
    surprise: float = 0.0
    mismatch: float = 0.0
    """Largest difference between a token's log-probability when drawn and in the update."""
    ratios: list[float] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)
    returns: list[Tensor] = field(default_factory=list)


@dataclass(frozen=True)
class GlobalCounts:
    """Denominators of the whole step, so that micro-batches add up to it."""

    thoughts: int
    tokens: int


def accumulate(
    networks: Models,
    groups: Sequence[RolloutGroup],
    step: int,
    options: Options,
    exploring: SamplingConstraints,
    budget: int,
    ledger: Ledger,
) -> UpdateMetrics:
    """Add the gradient of the loss over all groups to the parameters.

    The ratio is taken to the policy before this update, which is the policy itself: it is 1 for
    thoughts drawn in this step, and no second scoring pass is made. Replayed thoughts carry a
    truncated importance weight to the policy that drew them.

    Args:
        networks: policy, reference and value head.
        groups: drawn in this step or replayed; those of one text stand together.
        step: the present one; older groups are replayed.
        options: the objective.
        exploring: how thoughts are drawn in this step.
        budget: tokens through the network at once; a document and its thoughts stay whole.
        ledger: takes the cost.
    """
    whole = GlobalCounts(
        sum(len(group.tokens) for group in groups),
        sum(len(tokens) for group in groups for tokens in group.tokens),
    )
    sums = UpdateMetrics(whole.tokens)
    for part in parts(groups, budget):
        part_loss = _part(networks, part, step, options, exploring, whole, ledger, sums)
        part_loss.backward()
        networks.policy.collect()
    return sums


def parts(groups: Sequence[RolloutGroup], budget: int) -> Iterator[list[RolloutGroup]]:
    """Groups for one forward and backward pass each; those of one text stay together.

    A text that exceeds the budget alone is a part of its own.
    """
    part: list[RolloutGroup] = []
    size = 0
    for _, same in groupby(groups, key=lambda group: id(group.position.document)):
        together = list(same)
        cost = max(group.position.index for group in together)
        cost += sum(len(tokens) for group in together for tokens in group.tokens)
        if part and size + cost > budget:
            yield part
            part, size = [], 0
        part += together
        size += cost
    if part:
        yield part


@dataclass(frozen=True)
class _Rows:
    """A part of the step as packed tensors. Letters: R thoughts, M thought tokens, C targets.

    Attributes:
        thought: [M] rows of the states that predict the thought tokens.
        tokens: [M] these tokens.
        behaviour: [M] their log-probabilities when they were drawn.
        fresh: [M] whether they were drawn in this step.
        lengths: [R] tokens of each thought.
        target: [C] rows of the states that predict the text after the thoughts.
        following: [C] that text.
        targets: [R] how much of it there is for each thought.
    """

    thought: Tensor
    tokens: Tensor
    behaviour: Tensor
    fresh: Tensor
    lengths: Tensor
    target: Tensor
    following: Tensor
    targets: Tensor

    @staticmethod
    def of(
        groups: Sequence[RolloutGroup],
        fed: Sequence[int],
        read_by: Sequence[int],
        first: int,
        step: int,
        device: torch.device,
    ) -> _Rows:
        """Lay out groups whose branches of `fed` tokens begin at row `first` of the states.

        `read_by` leads from each thought to its branch.
        """
        thoughts = [(g, i) for g in groups for i in range(len(g.tokens))]
        lengths = [len(g.tokens[i]) for g, i in thoughts]
        targets = [len(g.position.targets) for g, _ in thoughts]
        starts = engine.starts_of(fed, first)
        begins = [starts[branch] for branch in read_by]
        ends = [starts[branch] + fed[branch] for branch in read_by]
        columns: list[list[int] | list[float] | list[bool]] = [
            [b + i for b, n in zip(begins, lengths, strict=True) for i in range(n)],
            [token for g, i in thoughts for token in g.tokens[i]],
            [value for g, i in thoughts for value in g.logprobs[i]],
            [g.step == step for g, i in thoughts for _ in g.tokens[i]],
            lengths,
            [row for end, n in zip(ends, targets, strict=True) for row in range(end - n, end)],
            [token for g, _ in thoughts for token in g.position.following],
            targets,
        ]
        return _Rows(*(torch.tensor(column, device=device) for column in columns))


def _part(
    networks: Models,
    groups: Sequence[RolloutGroup],
    step: int,
    options: Options,
    exploring: SamplingConstraints,
    whole: GlobalCounts,
    ledger: Ledger,
    sums: UpdateMetrics,
) -> Tensor:
    """The loss of some groups, as a share of the whole step's."""
    model = networks.policy.model
    trunks, _ = trunks_of([group.position for group in groups])
    branches, read_by = branches_of(groups, exploring.marks, options.ntp_weight > 0)
    fed = [len(branch.tokens) for branch in branches]
    rows = _Rows.of(groups, fed, read_by, sum(map(len, trunks)), step, model.device)
    hidden = engine.states(model, trunks, branches)
    # equal thoughts share their rows: the head is applied to each row once
    distinct, of = torch.unique(rows.thought, return_inverse=True)
    scored = len(distinct) + (len(rows.following) if options.ntp_weight else 0)
    count_tree(ledger, "update", trunks, branches, scored, TRAINING)
    tokens = _distinct(rows.tokens, of, len(distinct))
    banned = exploring.banned(rows.lengths)
    if banned is not None:
        banned = (_distinct(banned[0], of, len(distinct)), banned[1])
    once = hidden.index_select(0, distinct)
    found = token_statistics(
        model, once, tokens, options.temperature, banned, options.entropy_weight > 0
    )
    logprobs, entropy = (part[of] if len(part) else part for part in found)
    weight = loss.token_weights(
        rows.lengths, options.token_mean, thoughts=whole.thoughts, tokens=whole.tokens
    )
    trust = _importance_weights(rows, logprobs.detach(), options, sums)
    terms: dict[str, Tensor] = {}
    values = networks.value(once)[of] if networks.value is not None else None
    steered = _advantages(values, groups, options, rows, weight, terms, sums)
    terms["surrogate"] = loss.clipped_surrogate(
        logprobs, logprobs.detach(), steered, weight * trust, options.clip_low, options.clip_high
    )
    if networks.reference is not None and options.kl_weight:
        with torch.no_grad():
            other = engine.states(networks.reference, trunks, branches)[distinct]
            expected = token_logprobs(
                networks.reference, other, tokens, options.temperature, banned
            )[of]
        count_tree(ledger, "reference", trunks, branches, len(distinct))
        terms["kl"] = (weight * loss.kl_k3(logprobs, expected)).sum()
    if options.entropy_weight:
        terms["entropy"] = (weight * entropy).sum()
    if options.ntp_weight:
        after = token_logprobs(model, hidden.index_select(0, rows.target), rows.following)
        share = 1 / (rows.targets * whole.thoughts)
        terms["ntp"] = -(after * share.repeat_interleave(rows.targets)).sum()
    for name, term in terms.items():
        sums.terms[name] = sums.terms.get(name, 0.0) + float(term.detach())
    return torch.stack([options.coefficients[name] * terms[name] for name in terms]).sum()


def _distinct(values: Tensor, of: Tensor, count: int) -> Tensor:
    """[M] values, equal where `of` is, to one of each: [count]."""
    return values.new_zeros(count).index_put((of,), values)


def _importance_weights(rows: _Rows, old: Tensor, options: Options, sums: UpdateMetrics) -> Tensor:
    """[M] importance weights: 1 for fresh tokens, truncated for those of an older policy."""
    gap = old - rows.behaviour
    sums.surprise -= float(old.sum())
    if rows.fresh.any():
        sums.mismatch = max(sums.mismatch, float(gap[rows.fresh].abs().max()))
    sums.ratios += torch.exp(gap[~rows.fresh]).tolist()
    trusted = loss.importance_weight(old, rows.behaviour, options.importance_limit)
    return torch.where(rows.fresh, 1.0, trusted)


def _advantages(
    values: Tensor | None,
    groups: Sequence[RolloutGroup],
    options: Options,
    rows: _Rows,
    weight: Tensor,
    terms: dict[str, Tensor],
    sums: UpdateMetrics,
) -> Tensor:
    """[M] advantages; with values of the thought tokens, their loss is put among the terms."""
    if values is None:
        known = [value for group in groups for value in group.advantages]
        return torch.tensor(known, device=weight.device).repeat_interleave(rows.lengths)
    reward = torch.tensor([r for group in groups for r in group.rewards], device=weight.device)
    steered, returns = advantage.gae(
        clip_reward(reward, options.reward_clip),
        values,
        rows.lengths,
        options.gae_discount,
        options.gae_lambda,
    )
    terms["value"] = loss.value_loss(values, values.detach(), returns, options.value_clip, weight)
    sums.values.append(values.detach())
    sums.returns.append(returns)
    return steered
