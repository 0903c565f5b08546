"""The textbook: the loss of RLP for one step, one thought and one token after another.

No cache, no batch, no padding: every log-probability comes from its own forward pass over a plain
token list, with the model's own `logits`, and every average is a mean over a list. It shares the
`ObjectiveConfig` with the fast path and no formula: `reference_formulas` holds its own. Slow,
short, and read against the paper (arXiv 2510.01265, section 3); every fast path is tested against
it, forward and gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rlp_core.objective import estimators
from rlp_core.objective import reference_formulas as formulas
from rlp_core.objective.config import ObjectiveConfig

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class ReferenceThought:
    """One sampled thought.

    Attributes:
        sampled: tokens drawn after the opening delimiter, a drawn closing delimiter included.
        forced: whether the closing delimiter had to be added; it is context, and no choice.
        behaviour: log-probability of each token when an older policy drew it; None: the policy
            itself did, just now.
        old_values: value of each token at that time; None: as now.
        shaping: what reward terms add to its reward, in nats.
    """

    sampled: list[int]
    forced: bool
    behaviour: list[float] | None = None
    old_values: list[float] | None = None
    shaping: float = 0.0


@dataclass(frozen=True)
class ReferencePosition:
    """A document x, a position t in it, and the thoughts c_1..c_G sampled after x_<t."""

    document: list[int]
    position: int
    thoughts: list[ReferenceThought]

    def targets(self, horizon: int) -> list[int]:
        """The tokens that the thoughts are to predict: x_t and what follows, H at most."""
        if not 0 < self.position < len(self.document):
            raise ValueError(
                f"position {self.position} has no text before it or none after it: it must lie in "
                f"[1, {len(self.document) - 1}]"
            )
        return self.document[self.position : self.position + horizon]


@dataclass(frozen=True)
class ReferenceModels:
    """What scores. The loss is differentiable in `policy` and in `value`'s parameters.

    Attributes:
        policy: theta.
        ema: phi, of the baseline.
        frozen: the reference of KL; needed where its weight is above 0.
        value: the value head, from the policy's last hidden state [width] to one number; needed
            for an estimator of a token. The value loss reaches the policy's trunk through it.
        open_id: opens a thought.
        close_id: closes it.
        lead: the prompt before `open_id`, where there is one.
    """

    policy: PreTrainedModel
    ema: PreTrainedModel
    open_id: int
    close_id: int
    frozen: PreTrainedModel | None = None
    value: Callable[[Tensor], Tensor] | None = None
    lead: tuple[int, ...] = ()


@dataclass(frozen=True)
class Result:
    """What a step came to.

    Attributes:
        total: what is minimised.
        parts: its terms before their coefficients; 0 where a term needs a model that is missing.
        rewards: per place and thought, before any clip.
        advantages: per place, thought and token.
    """

    total: Tensor
    parts: dict[str, Tensor]
    rewards: list[list[float]]
    advantages: list[list[list[float]]]


def log_probabilities(model: PreTrainedModel, context: list[int], temperature: float) -> Tensor:
    """log p(. | context) at a temperature, [vocabulary], in fp32 or better."""
    logits = model(input_ids=torch.tensor([context], device=model.device)).logits[0, -1]
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return torch.log_softmax(logits / temperature, dim=0)


def logprob(model: PreTrainedModel, context: list[int], token: int, temperature: float) -> Tensor:
    """log p(token | context) at a temperature, from one forward pass."""
    return log_probabilities(model, context, temperature)[token]


def reward(
    policy: PreTrainedModel,
    ema: PreTrainedModel,
    document: list[int],
    position: int,
    reasoned: list[int],
    horizon: int,
    discount: float,
) -> float:
    """Equation 4, summed over `horizon` tokens: S_pred - S_ema at temperature 1."""
    total = 0.0
    for h, target in enumerate(ReferencePosition(document, position, []).targets(horizon)):
        seen = document[position : position + h]
        with torch.no_grad():
            predicted = logprob(policy, reasoned + seen, target, 1.0)
            baseline = logprob(ema, document[:position] + seen, target, 1.0)
        total += discount**h * float(predicted - baseline)
    return total


def next_token_loss(policy: PreTrainedModel, reasoned: list[int], targets: list[int]) -> Tensor:
    """Mean cross-entropy of the targets after the closed thought, at temperature 1."""
    losses = [-logprob(policy, reasoned + targets[:h], t, 1.0) for h, t in enumerate(targets)]
    return torch.stack(losses).mean()


def token_values(
    models: ReferenceModels, start: list[int], thought: ReferenceThought
) -> list[Tensor]:
    """V before each thought token is drawn, from the state that predicts it."""
    if models.value is None:
        raise ValueError("an estimator of a token needs a value head")
    result = []
    for t in range(len(thought.sampled)):
        ids = torch.tensor([start + thought.sampled[:t]], device=models.policy.device)
        state = models.policy.base_model(input_ids=ids).last_hidden_state[0, -1]
        result.append(models.value(state).reshape(()))
    return result


def thought_terms(
    models: ReferenceModels,
    start: list[int],
    thought: ReferenceThought,
    advantage: list[float],
    o: ObjectiveConfig,
) -> dict[str, list[Tensor]]:
    """Each token's terms; the forced delimiter has none."""
    terms: dict[str, list[Tensor]] = {"surrogate": [], "kl": [], "entropy": [], "value": []}
    for t, token in enumerate(thought.sampled):
        context = start + thought.sampled[:t]
        all_tokens = log_probabilities(models.policy, context, o.temperature)
        current = all_tokens[token]
        old = thought.behaviour[t] if thought.behaviour else None
        terms["surrogate"].append(formulas.surrogate(current, old, advantage[t], o))
        terms["entropy"].append(-(all_tokens.exp() * all_tokens).sum())
        if models.frozen is not None:
            with torch.no_grad():
                kept = logprob(models.frozen, context, token, o.temperature)
            terms["kl"].append(formulas.k3(current, kept))
    if o.per_token:
        for t, value in enumerate(token_values(models, start, thought)):
            old = thought.old_values[t] if thought.old_values else None
            target = advantage[t] + float(value.detach())
            terms["value"].append(formulas.value_error(value, old, target, o.value.clip))
    return terms


def step_loss(
    models: ReferenceModels, positions: Sequence[ReferencePosition], o: ObjectiveConfig
) -> Result:
    """The objective of a whole step, as its settings say it, at the first update after sampling.

    Args:
        models: what scores.
        positions: every position of the step, with its thoughts.
        o: the objective.

    Raises:
        ValueError: a position with no text before it or after it, a KL weight without a frozen
            reference, or an estimator of a token without a value head.
    """
    if o.kl_weight and models.frozen is None:
        raise ValueError("a KL weight above 0 needs a frozen reference")
    rewards: list[list[float]] = []
    every: list[tuple[list[int], ReferenceThought]] = []
    ntp: list[Tensor] = []
    for position in positions:
        start = [*position.document[: position.position], *models.lead, models.open_id]
        rewards.append([])
        for c in position.thoughts:
            reasoned = start + c.sampled + [models.close_id] * c.forced
            gain = reward(
                models.policy, models.ema, position.document, position.position, reasoned,
                o.horizon, o.discount,
            )  # fmt: skip
            rewards[-1].append(gain + c.shaping)
            every.append((start, c))
            ntp.append(next_token_loss(models.policy, reasoned, position.targets(o.horizon)))
    advantages = _advantages(models, positions, rewards, o)
    flat = [tokens for group in advantages for tokens in group]
    terms = [
        thought_terms(models, start, c, a, o) for (start, c), a in zip(every, flat, strict=True)
    ]
    parts = {name: formulas.average([t[name] for t in terms], o.token_mean) for name in terms[0]}
    parts["ntp"] = torch.stack(ntp).mean()
    used = [factor * parts[name] for name, factor in o.coefficients.items() if factor]
    total = torch.stack(used).sum()
    return Result(total, parts, rewards, advantages)


def _advantages(
    models: ReferenceModels,
    positions: Sequence[ReferencePosition],
    rewards: list[list[float]],
    o: ObjectiveConfig,
) -> list[list[list[float]]]:
    """Per position, thought and token; most estimators give each token of a thought the same."""
    limit = float("inf") if o.reward_clip is None else o.reward_clip
    clipped = [[max(-limit, min(limit, r)) for r in group] for group in rewards]
    estimator = estimators.get(o.estimator)
    if not estimator.per_token:
        return [
            [[a] * len(c.sampled) for a, c in zip(group, position.thoughts, strict=True)]
            for group, position in zip(estimator.textbook(clipped), positions, strict=True)
        ]
    result: list[list[list[float]]] = []
    for position, group in zip(positions, clipped, strict=True):
        start = [*position.document[: position.position], *models.lead, models.open_id]
        result.append([])
        for c, final in zip(position.thoughts, group, strict=True):
            with torch.no_grad():
                values = [float(v) for v in token_values(models, start, c)]
            result[-1].append(
                estimator.textbook(final, values, o.value.gae_discount, o.value.gae_lambda)
            )
    return result


def loss(
    policy: PreTrainedModel,
    ema: PreTrainedModel,
    document: list[int],
    thoughts: dict[int, list[ReferenceThought]],
    *,
    open_id: int,
    close_id: int,
    temperature: float,
    clip_low: float,
    clip_high: float,
    horizon: int = 1,
    discount: float = 1.0,
) -> tuple[Tensor, dict[int, list[float]]]:
    """The paper's own loss for one document: `step_loss` with nothing added.

    Args:
        policy: theta.
        ema: phi.
        document: x, token ids.
        thoughts: for each position t the thoughts c_1..c_G sampled after x_<t.
        open_id: opens a thought.
        close_id: closes it.
        temperature: the thoughts were sampled at it.
        clip_low: eps_low.
        clip_high: eps_high.
        horizon: H.
        discount: weight of each further token.

    Returns:
        The loss, and the rewards per position.
    """
    options = ObjectiveConfig(
        temperature=temperature, clip_low=clip_low, clip_high=clip_high,
        horizon=horizon, discount=discount,
    )  # fmt: skip
    positions = [
        ReferencePosition(document, position, group) for position, group in thoughts.items()
    ]
    result = step_loss(ReferenceModels(policy, ema, open_id, close_id), positions, options)
    return result.total, dict(zip(thoughts, result.rewards, strict=True))
