"""Next-token prediction on chosen places: the loop of `base`, `bootstrap`, `cpt`, `finetune`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rlp_core.params import Optimizer
from rlp_core.rollout.scoring import logprobs_in
from rlp_core.training.batches import Example, batch_indices
from rlp_core.training.ledger import TRAINING, Ledger
from rlp_core.training.optim import Stepper

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from rlp_core.training.progress import StepLog


def train(
    model: PreTrainedModel,
    data: Sequence[Example],
    *,
    steps: int,
    batch: int,
    optimizer: Optimizer,
    seed: int,
    stream: int,
    micro_batch: int,
    log: StepLog,
    flops_budget: int | None = None,
) -> Ledger:
    """Train a model in place.

    Args:
        model: fp32, on its device.
        data: what to learn.
        steps: optimizer steps.
        batch: examples per step; the loss is the mean over all their places.
        optimizer: how to step.
        seed: the run's seed.
        stream: keeps the order of this stage apart from others of the same seed.
        micro_batch: examples through the network at once.
        log: takes each step's metrics.
        flops_budget: stop before the step that would exceed it; None: no budget.

    Returns:
        What was spent, under the phase `train`.
    """
    ledger, stepper = Ledger(model), Stepper(model, optimizer, steps)
    model.train()
    for step in range(steps):
        chosen = [data[i] for i in batch_indices(len(data), batch, step, seed, stream)]
        before = ledger.total_flops
        ledger.rows(
            "train", (len(e.tokens) for e in chosen), sum(len(e.places) for e in chosen), TRAINING
        )
        if flops_budget is not None and ledger.total_flops > flops_budget:
            ledger.flops["train"] = before
            ledger.tokens["train"] -= sum(len(e.tokens) for e in chosen)
            break
        loss = _accumulate(model, chosen, micro_batch)
        norm = stepper.step()
        log.step(
            {"loss": loss, "grad_norm": norm},
            sum(len(e.tokens) for e in chosen),
            ledger.total_flops - before,
        )
    model.eval()
    return ledger


def steps_within(model: PreTrainedModel, data: Sequence[Example], batch: int, budget: int) -> int:
    """How many steps of average examples a FLOP budget pays for, rounded down, plus one.

    `train` stops by the budget itself; this only tells the schedule and the progress bar.
    """
    ledger = Ledger(model)
    ledger.rows("train", (len(e.tokens) for e in data), sum(len(e.places) for e in data), TRAINING)
    return int(budget * len(data) / (ledger.total_flops * batch)) + 1


def _accumulate(model: PreTrainedModel, chosen: Sequence[Example], micro_batch: int) -> float:
    """Gradients of the mean loss over all places of the step; returns the loss, in nats."""
    total, places = 0.0, sum(len(example.places) for example in chosen)
    for start in range(0, len(chosen), micro_batch):
        part = chosen[start : start + micro_batch]
        logprobs = logprobs_in(model, [e.tokens for e in part], [e.places for e in part])
        loss = -logprobs.sum() / places
        loss.backward()
        total += float(loss.detach())
    return total
