"""One small step, and its loss by the pure functions: one forward pass per thought, packed."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import Tensor, nn

from rlp_core.objective import advantage, loss, reward
from rlp_core.objective.config import ObjectiveConfig
from rlp_core.objective.reference import ReferenceModels, ReferencePosition, ReferenceThought
from tests import models

CLOSE = models.codec().close_id
PLACES = [
    ReferencePosition(
        [40, 51, 62, 73, 84, 95],
        3,
        [
            ReferenceThought([30, 41], True),
            ReferenceThought([52, CLOSE], False),
            ReferenceThought([63], True),
        ],
    ),
    ReferencePosition(
        [45, 56, 67, 78],
        2,
        [
            ReferenceThought([CLOSE], False),
            ReferenceThought([33, 44, 55, 66], True),
            ReferenceThought([77, 88], True),
        ],
    ),
]
"""Two places of three thoughts: forced and closed, of one to four tokens. The second document
ends before a horizon of 3 does."""


def stale() -> list[ReferencePosition]:
    """The same thoughts, as an older policy drew them: some likelier now, some less likely."""
    made = []
    for position in PLACES:
        thoughts = [
            ReferenceThought(
                c.sampled,
                c.forced,
                behaviour=[-6.0 + 1.5 * t + g for t in range(len(c.sampled))],
                old_values=[0.3 * g - 0.2 * t for t in range(len(c.sampled))],
            )
            for g, c in enumerate(position.thoughts)
        ]
        made.append(ReferencePosition(position.document, position.position, thoughts))
    return made


class Head(nn.Module):
    """A value head with weights that matter."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.line = nn.Linear(width, 1)
        with torch.no_grad():
            self.line.weight.copy_(torch.linspace(-0.5, 0.5, width))

    def forward(self, state: Tensor) -> Tensor:
        return self.line(state)


class Toy(nn.Module):
    """A recurrent model, double precision throughout: finite differences of it are exact to 1e-6.

    Transformers compute norms and softmax in single precision whatever their parameters are.
    """

    device = torch.device("cpu")

    def __init__(self, seed: int, vocabulary: int = 280, width: int = 6) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.embed = nn.Embedding(vocabulary, width)
        self.body = nn.RNN(width, width, batch_first=True)
        self.head = nn.Linear(width, vocabulary)
        self.double()

    def base_model(self, input_ids: Tensor) -> SimpleNamespace:
        return SimpleNamespace(last_hidden_state=self.body(self.embed(input_ids))[0])

    def forward(self, input_ids: Tensor) -> SimpleNamespace:
        return SimpleNamespace(logits=self.head(self.base_model(input_ids).last_hidden_state))


def toys() -> ReferenceModels:
    """The same as `scorers`, of toys."""
    policy, ema, frozen = (Toy(seed) for seed in (0, 1, 2))
    return ReferenceModels(policy, ema, 7, CLOSE, frozen, Head(6).double())


def scorers() -> ReferenceModels:
    """Policy, EMA, reference and value head, all apart, with parameters in double precision."""
    policy, ema, frozen = (models.model(seed, spread=4.0).double() for seed in (0, 1, 2))
    head = Head(policy.config.hidden_size).double()
    return ReferenceModels(policy, ema, models.codec().open_id, CLOSE, frozen, head)


def parameters(m: ReferenceModels) -> list[nn.Parameter]:
    """All that the loss can move."""
    return [*m.policy.parameters(), *m.value.parameters()]


def gradients(m: ReferenceModels, of: Tensor) -> list[Tensor]:
    found = torch.autograd.grad(of, parameters(m), allow_unused=True)
    return [
        torch.zeros_like(p) if g is None else g for p, g in zip(parameters(m), found, strict=True)
    ]


def distributions(model: nn.Module, row: list[int], positions: range, temperature: float) -> Tensor:
    """[places, vocabulary]: log-probabilities of what stands at the places of one row."""
    logits = model(input_ids=torch.tensor([row])).logits[
        0, positions.start - 1 : positions.stop - 1
    ]
    return (logits / temperature).log_softmax(1)


def pick(logprobs: Tensor, tokens: list[int]) -> Tensor:
    return logprobs[torch.arange(len(tokens)), torch.tensor(tokens, dtype=torch.long)]


def packed(
    m: ReferenceModels, positions: list[ReferencePosition], o: ObjectiveConfig
) -> dict[str, Tensor]:
    """Per row: what the terms are made of, in packed tensors."""
    parts: dict[str, list[Tensor]] = {
        name: [] for name in ("now", "kept", "entropy", "value", "target", "baseline", "targets")
    }
    for position in positions:
        targets = position.targets(o.horizon)
        end = position.position + len(targets)
        with torch.no_grad():
            plain = distributions(m.ema, position.document, range(position.position, end), 1.0)
        for c in position.thoughts:
            head = [*position.document[: position.position], m.open_id]
            closed = head + c.sampled + [m.close_id] * c.forced
            row, thought = closed + targets, range(len(head), len(head) + len(c.sampled))
            now = distributions(m.policy, row, thought, o.temperature)
            after = distributions(m.policy, row, range(len(closed), len(row)), 1.0)
            with torch.no_grad():
                kept = distributions(m.frozen, row, thought, o.temperature)
            states = m.policy.base_model(input_ids=torch.tensor([row])).last_hidden_state[0]
            parts["now"].append(pick(now, c.sampled))
            parts["kept"].append(pick(kept, c.sampled))
            parts["entropy"].append(-(now.exp() * now).sum(1))
            parts["value"].append(m.value(states[thought.start - 1 : thought.stop - 1])[:, 0])
            parts["target"].append(pick(after, targets))
            parts["baseline"].append(pick(plain, targets))
            parts["targets"].append(torch.tensor([len(targets)]))
    return {name: torch.cat(tensors) for name, tensors in parts.items()}


def rewards(p: dict[str, Tensor], o: ObjectiveConfig, group: int) -> Tensor:
    """[N, G], clipped as asked."""
    s_pred, s_ema = (
        reward.discounted_sum(p[name], p["targets"], o.discount).view(-1, group)
        for name in ("target", "baseline")
    )
    return reward.clip_reward(reward.information_gain(s_pred, s_ema[:, 0]), o.reward_clip)


def token_advantages(
    p: dict[str, Tensor], gain: Tensor, sizes: Tensor, o: ObjectiveConfig
) -> Tensor:
    """[M]."""
    if o.per_token:
        return advantage.token_advantages(
            o.estimator, gain.flatten(), p["value"], sizes, o.value.gae_discount, o.value.gae_lambda
        )[0]
    return advantage.advantages(o.estimator, gain).flatten().repeat_interleave(sizes)


def terms(
    m: ReferenceModels, positions: list[ReferencePosition], o: ObjectiveConfig
) -> dict[str, Tensor]:
    """The terms of a step by the pure functions, as `reference.step_loss` names them."""
    p = packed(m, positions, o)
    thoughts = [c for position in positions for c in position.thoughts]
    sizes = torch.tensor([len(c.sampled) for c in thoughts])
    weight = loss.token_weights(
        sizes, o.token_mean, thoughts=len(thoughts), tokens=int(sizes.sum())
    ).double()
    gain = rewards(p, o, len(positions[0].thoughts))
    judged = token_advantages(p, gain, sizes, o)
    old, old_value = p["now"].detach(), p["value"].detach()
    importance = torch.ones_like(old)
    if thoughts[0].behaviour is not None:
        drawn = torch.tensor([b for c in thoughts for b in c.behaviour]).double()
        importance = loss.importance_weight(old, drawn, o.importance_limit)
        old_value = torch.tensor([v for c in thoughts for v in c.old_values]).double()
    returns = judged + p["value"].detach()
    per_thought = loss.token_weights(p["targets"], "thought", thoughts=len(thoughts), tokens=0)
    return {
        "surrogate": loss.clipped_surrogate(
            p["now"], old, judged, weight * importance, o.clip_low, o.clip_high
        ),
        "kl": (weight * loss.kl_k3(p["now"], p["kept"])).sum(),
        "entropy": (weight * p["entropy"]).sum(),
        "ntp": -(per_thought.double() * p["target"]).sum(),
        "value": loss.value_loss(p["value"], old_value, returns, o.value.clip, weight),
    }
