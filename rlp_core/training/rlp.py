"""The RLP loop: sample thoughts, reward them by information gain, update (design, 4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from rlp_core.objective import rlp as objective
from rlp_core.params import Rlp, Thought
from rlp_core.policy.ema import EmaTarget
from rlp_core.rollout.rng import uniform
from rlp_core.rollout.sampler import Sample, sample
from rlp_core.rollout.scoring import gather_logprobs, hidden_states, score
from rlp_core.training.batches import batch_indices
from rlp_core.training.ledger import TRAINING, Ledger
from rlp_core.training.optim import Stepper
from rlp_core.training.places import Text, choose

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from rlp_core.data.tokenizer import Codec
    from rlp_core.training.progress import StepLog

STREAM = 3
"""Keeps the order of documents apart from other stages' of the same seed."""


@dataclass(frozen=True)
class Place:
    """One position of one text, and the tokens whose gain is rewarded there."""

    text: Text
    position: int
    targets: range

    @property
    def context(self) -> list[int]:
        return self.text.tokens[: self.position]


@dataclass(frozen=True)
class Row:
    """A reasoned text: context, thought, targets; and which of its tokens are which."""

    tokens: list[int]
    thought: range
    targets: range


class RlpTrainer:
    """Holds what changes during the run: policy, EMA target, optimizer, ledger."""

    def __init__(
        self,
        policy: PreTrainedModel,
        codec: Codec,
        settings: Rlp,
        thought: Thought,
        seed: int,
        micro_batch: int,
    ) -> None:
        self.policy, self.codec, self.settings, self.thought = policy, codec, settings, thought
        self.seed, self.micro_batch = seed, micro_batch
        self.ema = EmaTarget(policy, settings.ema_decay)
        self.stepper = Stepper(policy, settings.optimizer, settings.steps)
        self.ledger = Ledger(policy)

    def train(self, texts: Sequence[Text], log: StepLog) -> None:
        """Run all steps on texts that each have a place to think."""
        for step in range(self.settings.steps):
            chosen = batch_indices(len(texts), self.settings.documents, step, self.seed, STREAM)
            flops, tokens = self.ledger.total_flops, sum(self.ledger.tokens.values())
            metrics = self.step([texts[i] for i in chosen], step)
            log.step(
                metrics,
                sum(self.ledger.tokens.values()) - tokens,
                self.ledger.total_flops - flops,
            )

    def step(self, texts: Sequence[Text], step: int) -> dict[str, float]:
        """One update; returns its metrics."""
        places = self.places(texts, step)
        thoughts = self.sample(places, step)
        baseline = self.baseline(places)
        metrics = self.accumulate(places, thoughts, baseline)
        metrics["grad_norm"] = self.stepper.step()
        self.ema.update(self.policy)
        return metrics

    def places(self, texts: Sequence[Text], step: int) -> list[Place]:
        """Choose K positions per document; each is rewarded for up to H tokens."""
        found = []
        for text in texts:
            for position in choose(text, self.settings.positions, self.seed, step):
                end = min(position + self.settings.horizon, len(text.tokens))
                found.append(Place(text, position, range(position, end)))
        return found

    def sample(self, places: Sequence[Place], step: int) -> Sample:
        """Draw G thoughts at every place under the policy."""
        group = self.settings.group_size
        document = np.repeat([p.text.number for p in places], group)
        position = np.repeat([p.position for p in places], group)
        rollout = np.tile(np.arange(group), len(places))
        contexts = [[*p.context, self.codec.open_id] for p in places]
        drawn = sample(
            self.policy,
            contexts,
            copies=group,
            uniforms=lambda t: uniform(self.seed, step, document, position, rollout, t),
            stop=self.codec.close_id,
            max_tokens=self.thought.max_tokens,
            temperature=self.settings.temperature,
            micro_batch=self.micro_batch,
        )
        self.ledger.rows("prefill", map(len, contexts), len(contexts))
        before = [len(c) for c in contexts for _ in range(group)]
        # the first token comes from the prefill's logits: its head row is counted there
        self.ledger.decoded("decode", before, map(len, drawn.tokens))
        return drawn

    def baseline(self, places: Sequence[Place]) -> Tensor:
        """S_ema per place: every document is read once, whatever the number of its places."""
        targets: dict[int, list[int]] = {}
        rows: dict[int, list[int]] = {}
        for place in places:
            rows[id(place.text)] = place.text.tokens
            targets.setdefault(id(place.text), []).extend(place.targets)
        flat = score(
            self.ema.model, list(rows.values()), [targets[key] for key in rows], self.micro_batch
        )
        queue = {key: iter(values) for key, values in zip(rows, flat, strict=True)}
        sums = [
            sum(self._discount(h) * next(queue[id(p.text)]) for h in range(len(p.targets)))
            for p in places
        ]
        self.ledger.rows("ema", map(len, rows.values()), sum(map(len, targets.values())))
        return torch.tensor(sums, device=self.policy.device)

    def accumulate(
        self, places: Sequence[Place], thoughts: Sample, baseline: Tensor
    ) -> dict[str, float]:
        """Gradients of equation 8 over all places; returns the metrics of the rollouts.

        The reasoned score S_pred comes from the update's own forward pass: with one update per
        rollout the parameters are those that sampled. Groups stay whole in a micro-batch.
        """
        group = self.settings.group_size
        rows = [
            self._row(places[i // group], tokens, stopped)
            for i, (tokens, stopped) in enumerate(
                zip(thoughts.tokens, thoughts.stopped, strict=True)
            )
        ]
        self.policy.train()
        losses, rewards, entropy = [], [], 0.0
        per_batch = max(1, self.micro_batch // group)
        for start in range(0, len(places), per_batch):
            part = rows[start * group : (start + per_batch) * group]
            loss, reward, surprise = self._update_part(
                part, baseline[start : start + per_batch], len(rows)
            )
            loss.backward()
            losses.append(float(loss.detach()))
            rewards.append(reward)
            entropy += surprise
        lengths = [len(row.thought) for row in rows]
        scored = sum(len(row.thought) + len(row.targets) for row in rows)
        self.ledger.rows("update", (len(row.tokens) for row in rows), scored, TRAINING)
        reward = torch.cat(rewards)
        return {
            "information_gain": float(reward.mean()),
            "reward_std": float(reward.std(dim=1).mean()),
            "positive": float((reward > 0).float().mean()),
            "thought_tokens": sum(lengths) / len(lengths),
            "forced": 1 - sum(thoughts.stopped) / len(rows),
            "entropy": entropy / sum(lengths),
            "loss": sum(losses),
        }

    def _row(self, place: Place, drawn: list[int], stopped: bool) -> Row:
        """Lay a thought out in its text; a forced delimiter is context and no thought token."""
        head = [*place.context, self.codec.open_id]
        thought = [*head, *drawn, *([] if stopped else [self.codec.close_id])]
        targets = [place.text.tokens[t] for t in place.targets]
        return Row(
            thought + targets,
            range(len(head), len(head) + len(drawn)),
            range(len(thought), len(thought) + len(targets)),
        )

    def _update_part(
        self, rows: Sequence[Row], baseline: Tensor, total: int
    ) -> tuple[Tensor, Tensor, float]:
        """Loss with gradient, rewards [places, G], and the summed surprise of the thoughts."""
        group = self.settings.group_size
        tokens = [row.tokens for row in rows]
        states = hidden_states(self.policy, tokens)
        thought = gather_logprobs(
            self.policy, states, tokens, [row.thought for row in rows], self.settings.temperature
        )
        with torch.no_grad():
            target = gather_logprobs(
                self.policy, states.detach(), tokens, [row.targets for row in rows], 1.0
            )
        device = states.device
        weights = [self._discount(h) for row in rows for h in range(len(row.targets))]
        owner = torch.repeat_interleave(
            torch.arange(len(rows)), torch.tensor([len(row.targets) for row in rows])
        ).to(device)
        predicted = torch.zeros(len(rows), device=device).index_add_(
            0, owner, target * torch.tensor(weights, device=device)
        )
        reward = objective.information_gain(predicted.view(-1, group), baseline)
        advantage = objective.advantages(reward).flatten()
        lengths = torch.tensor([len(row.thought) for row in rows], device=device)
        loss = objective.clipped_surrogate(
            thought,
            thought.detach(),
            advantage.repeat_interleave(lengths),
            (1 / (lengths * total)).repeat_interleave(lengths),
            self.settings.clip_low,
            self.settings.clip_high,
        )
        return loss, reward, -float(thought.detach().sum())

    def _discount(self, h: int) -> float:
        return float(self.settings.discount**h)
