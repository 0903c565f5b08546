"""Reinforcement learning with verifiable rewards: the loop of stage `rlvr`.

The same engine as RLP's: thoughts drawn as branches of a text, advantages within a group, the
clipped surrogate. What differs is where the reward comes from, a verifier instead of the likelihood
of a text, and that the answer is learnt with the thought (GRPO, arXiv 2402.03300, section 4.1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import TYPE_CHECKING

import torch

from rlp_core.objective import advantage
from rlp_core.policy.compute import Compute
from rlp_core.policy.sharing import copy_sharing, trained_names
from rlp_core.training.answered import AnsweredGroup, Answering, AskedProblem, Judge
from rlp_core.training.batches import batch_indices
from rlp_core.training.checkpoint import State, module_state, restore_module
from rlp_core.training.config import Rlvr
from rlp_core.training.groups import Delimiters, RolloutWorker
from rlp_core.training.ledger import Ledger
from rlp_core.training.loop import StepResult
from rlp_core.training.optim import Stepper
from rlp_core.training.timers import PhaseTimer
from rlp_core.training.update import (
    Models,
    SamplingConstraints,
    Update,
    UpdateMetrics,
    accumulate,
    counts_of,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from rlp_core.data.tokenizer import Codec

STREAM = 5
"""Keeps the order of problems apart from other stages' of the same seed."""


class RlvrLearner:
    """Holds what changes during a run, and steps it; `loop.run` drives it.

    Attributes:
        policy: theta, fp32.
        compute: theta in the type that computes.
        reference: the policy as it began, frozen, where the KL has a weight.
        ledger: what was spent.
    """

    def __init__(
        self,
        policy: PreTrainedModel,
        codec: Codec,
        settings: Rlvr,
        thought_tokens: int,
        seed: int,
        problems: Sequence[AskedProblem],
        judge: Judge,
        *,
        decode_batch_size: int = 512,
        update_token_budget: int = 16384,
    ) -> None:
        """Begin.

        Args:
            policy: fp32, on its device; trained in place, without dropout.
            codec: knows the delimiters, and reads answers.
            settings: section `rlvr`.
            thought_tokens: L.
            seed: the run's.
            problems: that are asked.
            judge: says which answers are right.
            decode_batch_size: completions in flight at once.
            update_token_budget: tokens through the network at once in the update.
        """
        self.policy, self.settings, self.seed = policy.eval(), settings, seed
        self.problems, self.update_token_budget = problems, update_token_budget
        self.trained = trained_names(policy)
        self.compute = Compute(policy, getattr(torch, settings.precision))
        self.reference: PreTrainedModel | None = None
        if settings.kl_weight:  # a process that goes on has read the same model anew
            self.reference = copy_sharing(self.compute.model).requires_grad_(False)
        self.stepper = Stepper(policy, settings.optimizer, settings.steps)
        self.ledger = Ledger(policy)
        marks = Delimiters(codec.open_id, codec.close_id, codec.lead)
        worker = RolloutWorker(marks, 1.0, seed, decode_batch_size, 1, self.ledger)
        self.answering = Answering(worker, codec, thought_tokens, settings.answer_tokens, judge)
        device = policy.device
        wait = None if device.type == "cpu" else torch.get_device_module(device).synchronize
        self.watch = PhaseTimer(wait)

    def step(self, number: int) -> StepResult:
        """One update; a pure function of the state and the number.

        A step whose loss or gradient is not finite changes no parameter: its metric `skipped` is 1.
        One in which no problem tells right from wrong has nothing to learn from, and changes none
        either.
        """
        flops, tokens = self.ledger.total_flops, sum(self.ledger.tokens.values())
        self.watch.begin("rest")
        groups = self.groups(number)
        metrics = completion_metrics(groups)
        metrics |= self._learn(groups, number)
        self.watch.end()
        seconds = self.watch.steps.pop()
        return StepResult(
            metrics,
            sum(self.ledger.tokens.values()) - tokens,
            self.ledger.total_flops - flops,
            {f"seconds_{name}": value for name, value in seconds.items()},
        )

    def chosen(self, number: int) -> list[AskedProblem]:
        """The problems of a step, in an order of their own."""
        many, seed = self.settings.problems, self.seed
        indices = batch_indices(len(self.problems), many, number, seed, STREAM)
        return [self.problems[i] for i in sorted(indices)]

    def groups(self, number: int) -> list[AnsweredGroup]:
        """Ask the problems of a step, judge what is answered, and set the advantages."""
        settings = self.settings
        with self.watch.phase("decode"):
            groups = self.answering.draw(
                self.compute.model,
                self.chosen(number),
                settings.group_size,
                settings.temperature,
                number,
            )
        rewards = torch.tensor([group.rewards for group in groups])
        steered = advantage.advantages(settings.estimator, rewards).tolist()
        for group, values in zip(groups, steered, strict=True):
            group.advantages = values
        return groups

    def accumulate(self, groups: Sequence[AnsweredGroup], number: int) -> UpdateMetrics | None:
        """Gradients of the objective over all groups; None where none has any.

        A group that is all right or all wrong has advantages of 0, and is read only where KL or
        entropy are part of the loss; the means are over all groups in either case.
        """
        settings = self.settings
        everywhere = settings.kl_weight > 0 or settings.entropy_weight > 0
        read = [group for group in groups if everywhere or any(group.advantages)]
        if not read:
            return None
        update = Update(
            Models(self.compute, self.reference, None),
            settings.objective,
            SamplingConstraints(self.answering.worker.marks, 0),
            number,
            self.ledger,
        )
        return accumulate(update, read, self.update_token_budget, counts_of(groups))

    def _learn(self, groups: Sequence[AnsweredGroup], number: int) -> dict[str, float]:
        """Update the policy, and tell of it."""
        with self.watch.phase("update"):
            sums = self.accumulate(groups, number)
        objective = self.settings.objective
        terms = {"surrogate": 0.0} if sums is None else sums.terms
        told = {"loss": sum(objective.coefficients[name] * terms[name] for name in terms)}
        told |= {f"loss_{name}": value for name, value in terms.items()} if len(terms) > 1 else {}
        told["mismatch"] = 0.0 if sums is None else sums.mismatch
        with self.watch.phase("optimizer"):
            return told | self._apply(told, sums is not None)

    def _apply(self, told: dict[str, float], learnt: bool) -> dict[str, float]:
        """Step the parameters; or leave them, where nothing was learnt or it is not finite."""
        if not learnt:
            self.stepper.skip()
            return {"grad_norm": 0.0, "updated": 0.0, "skipped": 0.0}
        total = self.stepper.norm()
        norm = float(total)
        if not all(map(math.isfinite, (norm, *told.values()))):
            self.stepper.skip()
            return {"grad_norm": norm, "updated": 0.0, "skipped": 1.0}
        self.stepper.step(total)
        self.compute.refresh()
        return {"grad_norm": norm, "updated": 1.0, "skipped": 0.0}

    def state(self) -> State:
        """All that the next step depends on."""
        return State.join(
            {
                "policy": module_state(self.policy, self.trained),
                "stepper": self.stepper.state(),
                "ledger": self.ledger.state(),
            }
        )

    def restore(self, state: State) -> None:
        """Take up what `state` gave."""
        restore_module(self.policy, state.part("policy"), self.trained)
        self.stepper.restore(state.part("stepper"))
        self.ledger.restore(state.part("ledger"))
        self.compute.refresh()


def completion_metrics(groups: Sequence[AnsweredGroup]) -> dict[str, float]:
    """What the completions of a step were like, the same names at every step.

    Shares are of completions, those of groups named so; `entropy` is the mean surprise of a drawn
    token at the sampling temperature, in nats.
    """
    rewards = [group.rewards for group in groups]
    thoughts = [close + stop for group in groups for close, stop in _lengths(group)]
    answers = [
        len(tokens) - close - 1
        for group in groups
        for tokens, close in zip(group.tokens, group.closes, strict=True)
    ]
    drawn = [
        group.logprobs[i][k]
        for group in groups
        for i in range(len(group.tokens))
        for k in group.learnt(i)
    ]
    spread = torch.tensor(rewards, dtype=torch.float64)
    return {
        "reward": fmean(map(fmean, rewards)),
        "reward_std": float(spread.std(dim=1).mean()),
        "all_right": fmean(all(group.right) for group in groups),
        "all_wrong": fmean(not any(group.right) for group in groups),
        "no_signal": fmean(not group.tells_apart for group in groups),
        "unended": fmean(not ended for group in groups for ended in group.ended),
        "empty_answer": fmean(
            ended and not answer
            for group in groups
            for ended, answer in zip(group.ended, group.answers, strict=True)
        ),
        "thought_tokens": fmean(thoughts),
        "thought_tokens_std": stdev(thoughts),
        "forced": fmean(not closed for group in groups for closed in group.stopped),
        "answer_tokens": fmean(answers),
        "entropy": -fmean(drawn),
    }


def _lengths(group: AnsweredGroup) -> list[tuple[int, int]]:
    """Of each completion the index of its close, and 1 where it was drawn: a token of the thought.

    As everywhere, a close that was fed by force is no token of the thought.
    """
    return [(c, int(s)) for c, s in zip(group.closes, group.stopped, strict=True)]
