"""Optimizers and schedules, and the one function that steps them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rlp_core.policy.model import embeddings
from rlp_core.training.checkpoint import State
from rlp_core.training.config import OptimizerConfig
from rlp_core.training.muon import Muon

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Stepper:
    """Clips the gradient, sets the rates of this step, and steps.

    With `muon` the matrices inside the blocks are stepped by Muon (orthogonalised momentum), and
    embeddings, norms and biases by AdamW, as Muon's author advises.
    """

    def __init__(self, model: PreTrainedModel, settings: OptimizerConfig, total_steps: int) -> None:
        """Build the optimizers for the model's parameters.

        Args:
            model: what to train; its parameters stay where they are, in fp32.
            settings: rates and schedule.
            total_steps: where a linear schedule reaches zero.
        """
        self.settings, self.total_steps, self.step_number = settings, total_steps, 0
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        tables = {id(weight) for weight in embeddings(model)}
        matrices = [p for p in self.parameters if p.ndim == 2 and id(p) not in tables]
        if settings.name == "adamw":
            matrices = []
        chosen = {id(p) for p in matrices}
        rest = [p for p in self.parameters if id(p) not in chosen]
        decay = settings.weight_decay
        self.optimizers: list[torch.optim.Optimizer] = [
            # fused is one pass over memory, on a CPU too, where foreach is slower than neither
            torch.optim.AdamW(
                rest, lr=settings.lr, betas=settings.betas, weight_decay=decay, fused=True
            )
        ]
        if matrices:
            self.optimizers.append(Muon(matrices, lr=settings.matrix_lr, weight_decay=decay))
        self.base_rates = [settings.lr, settings.matrix_lr]

    def rate(self, step: int) -> float:
        """The share of the full learning rate at a step, counted from 0."""
        warm = (
            min(1.0, (step + 1) / self.settings.warmup_steps) if self.settings.warmup_steps else 1
        )
        if self.settings.schedule == "constant":
            return float(warm)
        rest = max(1, self.total_steps - self.settings.warmup_steps)
        done = max(0, step - self.settings.warmup_steps)
        return float(warm * max(0.0, 1 - done / rest))

    def norm(self) -> Tensor:
        """The norm of all gradients together."""
        return torch.nn.utils.get_total_norm(
            [p.grad for p in self.parameters if p.grad is not None]
        )

    def step(self, norm: Tensor | None = None) -> Tensor:
        """Step all parameters from their gradients, clear these, and return their norm.

        Args:
            norm: what `norm` gave, where it was asked for already.
        """
        norm = self.norm() if norm is None else norm
        torch.nn.utils.clip_grads_with_norm_(self.parameters, self.settings.clip_norm, norm)
        for optimizer, base in zip(self.optimizers, self.base_rates, strict=False):
            for group in optimizer.param_groups:
                group["lr"] = base * self.rate(self.step_number)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.step_number += 1
        return norm

    def skip(self) -> None:
        """Pass over a step: clear the gradients and leave the parameters as they are."""
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        self.step_number += 1

    def state(self) -> State:
        """The moments of every optimizer, and the number of the next step."""
        parts = {str(i): optimizer_state(optimizer) for i, optimizer in enumerate(self.optimizers)}
        return State.join({**parts, "schedule": State(values={"step_number": self.step_number})})

    def restore(self, state: State) -> None:
        """Take up a copy of what `state` gave; rates and decay are the settings' own."""
        for i, optimizer in enumerate(self.optimizers):
            restore_optimizer(optimizer, state.part(str(i)))
        step_number = state.part("schedule").values["step_number"]
        assert isinstance(step_number, int)
        self.step_number = step_number


def optimizer_state(optimizer: torch.optim.Optimizer) -> State:
    """The moments of an optimizer, by parameter."""
    tensors: dict[str, Tensor] = {}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"{index}.{name}": value for name, value in moments.items()}
    return State(tensors)


def restore_optimizer(optimizer: torch.optim.Optimizer, state: State) -> None:
    """Take up a copy of what `optimizer_state` gave, for the same parameters."""
    found: dict[int, dict[str, Tensor]] = {}
    for key, value in state.tensors.items():
        index, name = key.split(".", 1)
        found.setdefault(int(index), {})[name] = value.clone()
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": found, "param_groups": groups})
