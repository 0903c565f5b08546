"""The RLP loop: sample thoughts, reward them by information gain, update (design, 4.2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from rlp_core.data.thought import ThoughtConfig
from rlp_core.errors import RewardTermError
from rlp_core.objective import advantage, reward_terms
from rlp_core.objective.estimators import ema_reaches_gradient
from rlp_core.objective.reward import clip_reward
from rlp_core.policy.compute import Compute
from rlp_core.policy.ema import EmaTarget
from rlp_core.policy.sharing import copy_sharing, trained_names
from rlp_core.policy.value import ValueHead
from rlp_core.rollout.sampling import SamplingParams
from rlp_core.training.audit import audit
from rlp_core.training.batches import batch_indices
from rlp_core.training.checkpoint import State, module_state, restore_module
from rlp_core.training.config import LearnerConfig
from rlp_core.training.curriculum import Curriculum
from rlp_core.training.finished import finished_thoughts
from rlp_core.training.groups import (
    Delimiters,
    RolloutGroup,
    RolloutWorker,
    ThinkPosition,
)
from rlp_core.training.ledger import Ledger
from rlp_core.training.loop import StepResult
from rlp_core.training.metrics import replay_metrics, speed, thought_metrics
from rlp_core.training.optim import Stepper, optimizer_state, restore_optimizer
from rlp_core.training.positions import TokenizedDocument, select_positions
from rlp_core.training.replay_buffer import ReplayBuffer
from rlp_core.training.timers import PhaseTimer
from rlp_core.training.update import (
    Models,
    SamplingConstraints,
    Update,
    UpdateMetrics,
    accumulate,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from rlp_core.data.tokenizer import Codec
    from rlp_core.monitoring.roofline import Peak

HELDOUT = -1
"""The number of the step whose draws are on held-out texts."""

STREAM = 3
"""Keeps the order of documents apart from other stages' of the same seed."""


def needs_start(settings: LearnerConfig) -> bool:
    """Whether a step itself uses the frozen start: for its KL term, or in its audit."""
    return settings.kl_weight > 0 or settings.audit.every > 0


class RLPLearner:
    """Holds what changes during a run, and steps it; `loop.run` drives it.

    Attributes:
        policy: theta, fp32.
        compute: theta in the type that computes.
        ema: phi, fp32.
        ema_compute: phi in the type that computes, so that S_ema differs from S_pred by what the
            models know and not by how they round.
        start: a frozen copy of the policy as it began, in the type that computes, where something
            uses it (`keep_start`).
        ledger: what was spent.
    """

    def __init__(
        self,
        policy: PreTrainedModel,
        codec: Codec,
        settings: LearnerConfig,
        thought: ThoughtConfig,
        seed: int,
        documents: Sequence[TokenizedDocument],
        *,
        decode_batch_size: int = 512,
        update_token_budget: int = 16384,
        ema_device: str = "",
        chosen: Sequence[int] = (),
    ) -> None:
        """Begin.

        Args:
            policy: fp32, on its device; trained in place, without dropout.
            codec: knows the delimiters.
            settings: the objective and the loop.
            thought: how a thought is written.
            seed: the run's.
            documents: each with a position to think at.
            decode_batch_size: thoughts in flight at once.
            update_token_budget: tokens through the network at once in the update.
            ema_device: where the baseline lies; empty: beside the policy.
            chosen: indices of what every step reads, for a step that is run again; empty: each
                chooses among all documents.
        """
        self.policy, self.settings, self.seed = policy.eval(), settings, seed
        self.documents, self.chosen = documents, chosen
        self.curriculum: Curriculum | None = None
        if settings.curriculum.strength and not chosen:
            self.curriculum = Curriculum(documents, settings.curriculum, seed)
        self.codec, self.thought = codec, thought
        self.decode_batch_size, self.update_token_budget = decode_batch_size, update_token_budget
        self.runtime = {
            "decode_batch_size": decode_batch_size,
            "update_token_budget": update_token_budget,
        }
        for name in settings.reward_terms:
            reward_terms.get(name, settings.reward_folder)  # those of a user's own are found now
        self.vocabulary = len(codec.tokenizer)
        self.trained = trained_names(policy)
        self.compute = Compute(policy, getattr(torch, settings.precision))
        self.ema = EmaTarget(policy, settings.ema_decay, ema_device)
        self.ema_compute = Compute(self.ema.model, getattr(torch, settings.precision), self.compute)
        self.start: PreTrainedModel | None = None
        self._start_state = State()  # the same tensors at every save, so that it knows them again
        if needs_start(settings):
            self.keep_start()
        self.stepper = Stepper(policy, settings.optimizer, settings.steps)
        self.value: ValueHead | None = None
        if settings.per_token:
            self.value = ValueHead(policy.config.hidden_size).to(policy.device)
            self.value_optimizer = torch.optim.AdamW(
                self.value.parameters(), lr=settings.value.lr, weight_decay=0.0
            )
        self.buffer = ReplayBuffer(settings.replay.capacity, settings.replay.max_age, seed)
        self.ledger = Ledger(policy)
        self.worker = RolloutWorker(
            Delimiters(codec.open_id, codec.close_id, codec.lead),
            settings.discount,
            seed,
            decode_batch_size,
            max(1, update_token_budget // settings.max_tokens),
            self.ledger,
        )
        device = policy.device
        wait = None if device.type == "cpu" else torch.get_device_module(device).synchronize
        self.watch = PhaseTimer(wait)
        self.peak: Peak | None = None

    def keep_start(self) -> None:
        """Keep a frozen copy of the policy as it is now: call this before the first step.

        The objective and the audit have it done by their settings; whoever evaluates on held-out
        texts asks for it. A second call changes nothing.
        """
        if self.start is None:
            # nobody trains it, so it needs no master: it is the copy that computes
            self.start = copy_sharing(self.compute.model).requires_grad_(False)
            self._start_state = self._fixed(self.start)

    @property
    def began_as(self) -> PreTrainedModel:
        """The frozen start.

        Raises:
            ValueError: the run keeps none.
        """
        if self.start is None:
            raise ValueError("this run keeps no copy of the model that it began with")
        return self.start

    def step(self, number: int) -> StepResult:
        """One update; a pure function of the state and the number.

        A step whose loss, reward or gradient is not finite changes no parameter: its metric
        `skipped` is 1.

        Raises:
            RewardTermError: a reward term failed; the state is that before the step.
        """
        before, tokens = dict(self.ledger.flops), sum(self.ledger.tokens.values())
        spent = self.ledger.state()
        self.watch.begin("rest")
        try:
            metrics = self._step(number)
        except RewardTermError:
            self.ledger.restore(spent)  # nothing was learnt: the state is that before the step
            raise
        self.watch.end()
        flops = {name: value - before.get(name, 0) for name, value in self.ledger.flops.items()}
        return StepResult(
            metrics,
            sum(self.ledger.tokens.values()) - tokens,
            sum(flops.values()),
            speed(
                self.watch.steps.pop(),
                flops,
                self.ledger,
                self.peak,
                self.settings.precision,
            ),
        )

    def _step(self, number: int) -> dict[str, float]:
        groups = self.groups(number)
        replayed = self.buffer.draw(self.settings.replay.groups, number)
        everything = sorted([*groups, *replayed], key=lambda group: group.position.document.number)
        with self.watch.phase("update"):
            sums = self.accumulate(everything, number)
        metrics = thought_metrics(groups, sums, self.settings)
        if self.settings.replay.groups:
            metrics |= replay_metrics(replayed, sums, number)
        audited: dict[str, float] = {}
        if self._due(self.settings.audit.every, number):
            with self.watch.phase("audit"):  # by the policy that drew the thoughts
                audited = self.audit(groups)
        with self.watch.phase("optimizer"):
            metrics |= self._apply(metrics)
        if self.settings.replay.groups and not metrics["skipped"]:
            self.buffer.add(groups)
        if self.curriculum is not None:
            metrics |= self._learn_levels(self.curriculum, groups, number, metrics["skipped"])
        return metrics | audited

    def _learn_levels(
        self, curriculum: Curriculum, groups: Sequence[RolloutGroup], number: int, skipped: float
    ) -> dict[str, float]:
        """Tell the curriculum how the step went; a step that was skipped taught nothing."""
        indices = self.indices(number)
        if not skipped:
            curriculum.learn(indices, groups)
        return curriculum.metrics([self.documents[i] for i in indices])

    def indices(self, number: int) -> list[int]:
        """Which texts a step reads, in an order of their own."""
        if self.chosen:
            return list(self.chosen)
        if self.curriculum is not None:
            return self.curriculum.indices(self.settings.documents, number)
        return sorted(
            batch_indices(len(self.documents), self.settings.documents, number, self.seed, STREAM)
        )

    def positions(self, documents: Sequence[TokenizedDocument], number: int) -> list[ThinkPosition]:
        """Choose K positions per document; each is rewarded for up to H tokens."""
        surprise = None
        if self.settings.position_selection == "surprising":
            # held-out texts are thought in at the same positions whatever the baseline has become
            held = number == HELDOUT
            surprise = self._surprise(documents, self.began_as if held else self.ema_compute.model)
        found = []
        for index, document in enumerate(documents):
            chosen = select_positions(
                document,
                self.settings.positions,
                self.settings.position_selection,
                self.seed,
                number,
                surprise[index] if surprise is not None else None,
            )
            for position in chosen:
                end = min(position + self.settings.horizon, len(document.tokens))
                found.append(ThinkPosition(document, position, range(position, end)))
        return found

    def groups(self, number: int) -> list[RolloutGroup]:
        """Choose places, draw G thoughts at each under the policy, and say what they are worth."""
        documents = [self.documents[i] for i in self.indices(number)]
        positions = self.positions(documents, number)
        with self.watch.phase("decode"):
            groups = self.draw(positions, number)
        with self.watch.phase("baseline"):
            self.reward(groups, number)
        return groups

    def draw(self, positions: Sequence[ThinkPosition], number: int) -> list[RolloutGroup]:
        """Draw G thoughts at every place."""
        params = SamplingParams(
            self.settings.group_size,
            self.worker.marks.close,
            self.thought.max_tokens,
            self.temperature(number),
            self.settings.min_thought_tokens,
        )
        return self.worker.sample(self.compute.model, positions, params, number)

    def temperature(self, number: int) -> float:
        """The sampling temperature of a step: constant, or linear to the final one.

        Draws on held-out texts have a number below 0 and the first temperature.
        """
        first, last = self.settings.temperature, self.settings.final_temperature
        if last is None or self.settings.steps < 2:
            return first
        done = number / (self.settings.steps - 1)
        return first + (last - first) * min(1.0, max(0.0, done))

    def reward(self, groups: Sequence[RolloutGroup], number: int) -> None:
        """Score the baseline where this step measures it, and set the advantages."""
        if number % self.settings.ema_every == 0:
            positions = [group.position for group in groups]
            scores = self.worker.score(self.ema_compute.model, positions, "ema")
            for group, value in zip(groups, scores, strict=True):
                group.baseline = value
        if self.settings.reward_terms:
            self._shape(groups)
        if self.settings.per_token:
            return
        steers = ema_reaches_gradient(self.settings.estimator, self.settings.reward_clip)
        rewards = torch.tensor([group.rewards if steers else group.compared for group in groups])
        steered = advantage.advantages(
            self.settings.estimator, clip_reward(rewards, self.settings.reward_clip)
        )
        for group, values in zip(groups, steered.tolist(), strict=True):
            group.advantages = values

    def _shape(self, groups: Sequence[RolloutGroup]) -> None:
        """Measure the reward terms of every thought, and what they add to its reward."""
        weights, folder = self.settings.reward_terms, self.settings.reward_folder
        for group in groups:
            measured = [
                {name: reward_terms.measure(name, thought, folder) for name in weights}
                for thought in finished_thoughts(group, self.codec, self.thought.max_tokens)
            ]
            group.terms = {name: [values[name] for values in measured] for name in weights}
            group.shaping = [reward_terms.shaping(weights, values) for values in measured]

    def accumulate(self, groups: Sequence[RolloutGroup], number: int) -> UpdateMetrics:
        """Gradients of the objective over all groups."""
        reference = self.start if self.settings.kl_weight else None
        update = Update(
            Models(self.compute, reference, self.value),
            self.settings.model_copy(update={"temperature": self.temperature(number)}),
            SamplingConstraints(self.worker.marks, self.settings.min_thought_tokens),
            number,
            self.ledger,
        )
        return accumulate(update, groups, self.update_token_budget)

    def audit(self, groups: Sequence[RolloutGroup]) -> dict[str, float]:
        """Controls and the split of the reward, on the first places of the step."""
        if groups[0].baseline is None:
            return {}
        return audit(
            self.worker,
            self.compute.model,
            self.began_as,
            groups[: self.settings.audit.positions],
            self.vocabulary,
        )

    def state(self) -> State:
        """All that the next step depends on."""
        parts = {
            "policy": module_state(self.policy, self.trained),
            "ema": module_state(self.ema.model, self.trained),
            "start": self._start_state,
            "stepper": self.stepper.state(),
            "ledger": self.ledger.state(),
            "buffer": self.buffer.state(),
        }
        if self.curriculum is not None:
            parts["curriculum"] = self.curriculum.state()
        if self.value is not None:
            parts["value"] = module_state(self.value)
            parts["value_optimizer"] = optimizer_state(self.value_optimizer)
        return State.join(parts)

    def restore(self, state: State) -> None:
        """Take up what `state` gave."""
        restore_module(self.policy, state.part("policy"), self.trained)
        restore_module(self.ema.model, state.part("ema"), self.trained)
        self._restore_start(state.part("start"))
        self.stepper.restore(state.part("stepper"))
        self.ledger.restore(state.part("ledger"))
        known = {document.number: document for document in self.documents}
        self.buffer.restore(state.part("buffer"), known)
        if self.curriculum is not None:
            self.curriculum.restore(state.part("curriculum"))
        if self.value is not None:
            restore_module(self.value, state.part("value"))
            restore_optimizer(self.value_optimizer, state.part("value_optimizer"))
        self.compute.refresh()
        self.ema_compute.refresh()

    def _restore_start(self, state: State) -> None:
        """Take up the frozen start, where this learner uses one.

        A run that began to use one between two processes has the right one already: the model
        that both began with.
        """
        if self.start is None:
            return
        if "model" in state.fixed:
            restore_module(self.start, State(state.fixed["model"]), self.trained)
            self._start_state = self._fixed(self.start)
        elif needs_start(self.settings):
            raise ValueError("the state lacks the model that the run began with")

    def _due(self, every: int, number: int) -> bool:
        """Whether something is done at this step that is done now and then."""
        return every > 0 and number % every == 0

    def _surprise(
        self, documents: Sequence[TokenizedDocument], model: PreTrainedModel
    ) -> list[list[float]]:
        """-log p of the first target at every candidate position, in nats."""
        positions = [
            ThinkPosition(document, position, range(position, position + 1))
            for document in documents
            for position in document.candidates
        ]
        worker = replace(self.worker, discount=1.0)  # one target each
        scores = iter(worker.score(model, positions, "ema"))
        return [[-next(scores) for _ in document.candidates] for document in documents]

    def _apply(self, metrics: dict[str, float]) -> dict[str, float]:
        """Step the parameters and the baseline, or skip what is not finite."""
        total = self.stepper.norm()
        norm = float(total)
        if self.value is not None:
            clip = self.settings.optimizer.clip_norm
            of_head = torch.nn.utils.clip_grad_norm_(self.value.parameters(), clip)
            metrics["value_grad_norm"] = float(of_head)
        if not all(map(math.isfinite, (norm, *metrics.values()))):
            self.stepper.skip()
            if self.value is not None:
                self.value_optimizer.zero_grad(set_to_none=True)
            return {"grad_norm": norm, "skipped": 1.0}
        self.stepper.step(total)
        if self.value is not None:
            self.value_optimizer.step()
            self.value_optimizer.zero_grad(set_to_none=True)
        self.compute.refresh()
        self.ema.update(self.policy)
        self.ema_compute.refresh()
        return {"grad_norm": norm, "skipped": 0.0}

    def _fixed(self, model: PreTrainedModel) -> State:
        """A model that nobody changes."""
        return State(fixed={"model": module_state(model, self.trained).tensors})
