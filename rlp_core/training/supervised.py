"""Next-token prediction on chosen places: the loop of `base`, `bootstrap`, `cpt`, `finetune`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from rlp_core.policy.compute import Compute
from rlp_core.policy.recompute import recomputing
from rlp_core.policy.sharing import trained_names
from rlp_core.rollout.rng import generator
from rlp_core.rollout.scoring import logprobs_in
from rlp_core.training.batches import Example, batch_indices
from rlp_core.training.checkpoint import State, module_state, restore_module
from rlp_core.training.config import OptimizerConfig
from rlp_core.training.ledger import TRAINING, Ledger
from rlp_core.training.loop import StepResult
from rlp_core.training.optim import Stepper

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_DRAWS = 1
"""Keeps what a model draws apart from the order of the records."""


class SupervisedTrainer:
    """Next-token prediction, step by step; `loop.run` drives it."""

    def __init__(
        self,
        model: PreTrainedModel,
        data: Sequence[Example],
        *,
        steps: int,
        batch: int,
        optimizer: OptimizerConfig,
        seed: int,
        stream: int,
        micro_batch: int,
        flops_budget: int | None = None,
        recompute: bool = False,
        precision: str = "float32",
    ) -> None:
        """Begin.

        Args:
            model: fp32, on its device; trained in place.
            data: what to learn.
            steps: optimizer steps of the whole run, for the schedule.
            batch: examples per step; the loss is the mean over all their places.
            optimizer: how to step.
            seed: the run's seed.
            stream: keeps the order of this stage apart from others of the same seed.
            micro_batch: examples through the network at once.
            flops_budget: end before the step that would exceed it; None: no budget.
            recompute: keep the activations of no layer for the backward pass, and make them again
                there: less memory, a third more arithmetic, the same gradients.
            precision: `float32`, or `bfloat16`: what computes; the parameters stay float32.
        """
        self.model, self.data, self.batch, self.micro_batch = model, data, batch, micro_batch
        self.seed, self.stream, self.flops_budget = seed, stream, flops_budget
        self.recompute = recompute
        self.compute = Compute(model, getattr(torch, precision))
        self.trained = trained_names(model)
        self.stepper = Stepper(model, optimizer, steps)
        self.ledger = Ledger(model)
        """What was spent, under the phase `train`."""

    def step(self, number: int) -> StepResult | None:
        """One optimizer step; None where the budget does not pay for it.

        What the model itself draws (dropout, if it has any) depends on the step alone.
        """
        chosen = [
            self.data[i]
            for i in batch_indices(len(self.data), self.batch, number, self.seed, self.stream)
        ]
        spent = self.ledger.state()
        before = self.ledger.total_flops
        tokens, places = sum(len(e.tokens) for e in chosen), sum(len(e.places) for e in chosen)
        self.ledger.rows("train", (len(e.tokens) for e in chosen), places, TRAINING)
        if self.flops_budget is not None and self.ledger.total_flops > self.flops_budget:
            self.ledger.restore(spent)
            return None
        torch.manual_seed(int(generator(self.seed, self.stream, number, _DRAWS).integers(2**63)))
        self.compute.model.train()
        with recomputing(self.compute.model, self.recompute):
            loss = _accumulate(self.compute, chosen, self.micro_batch)
        norm = self.stepper.step()
        self.compute.refresh()
        self.compute.model.eval()
        return StepResult(
            {"loss": loss, "grad_norm": norm}, tokens, self.ledger.total_flops - before
        )

    def state(self) -> State:
        """Parameters, optimizer and ledger."""
        return State.join(
            {
                "model": module_state(self.model, self.trained),
                "stepper": self.stepper.state(),
                "ledger": self.ledger.state(),
            }
        )

    def restore(self, state: State) -> None:
        """Take up what `state` gave."""
        restore_module(self.model, state.part("model"), self.trained)
        self.stepper.restore(state.part("stepper"))
        self.ledger.restore(state.part("ledger"))
        self.compute.refresh()


def steps_within(model: PreTrainedModel, data: Sequence[Example], batch: int, budget: int) -> int:
    """How many steps of average examples a FLOP budget pays for, rounded down, plus one.

    The trainer ends by the budget itself; this only tells the schedule and the progress bar.
    """
    ledger = Ledger(model)
    ledger.rows("train", (len(e.tokens) for e in data), sum(len(e.places) for e in data), TRAINING)
    return int(budget * len(data) / (ledger.total_flops * batch)) + 1


def _accumulate(compute: Compute, chosen: Sequence[Example], micro_batch: int) -> float:
    """Gradients of the mean loss over all places of the step; returns the loss, in nats."""
    total, places = 0.0, sum(len(example.places) for example in chosen)
    for start in range(0, len(chosen), micro_batch):
        part = chosen[start : start + micro_batch]
        logprobs = logprobs_in(compute.model, [e.tokens for e in part], [e.places for e in part])
        loss = -logprobs.sum() / places
        loss.backward()
        compute.collect()
        total += float(loss.detach())
    return total
