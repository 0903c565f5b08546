"""Where in a step a number stops being finite: the first layer, and the first gradient.

Hooks watch every module's output and every gradient, so the probe knows nothing of how a trainer
works, and a step runs through it unchanged.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn


@dataclass
class Trace:
    """What the probe saw.

    Attributes:
        forward: for each model and kind of pass the first module whose output was not finite:
            `("policy", True)` is the policy's pass with gradient, the update.
        gradients: parameters whose gradient was not finite, in the order of the backward pass.
        parameters: how many gradients were looked at.
    """

    forward: dict[tuple[str, bool], str] = field(default_factory=dict)
    gradients: list[str] = field(default_factory=list)
    parameters: int = 0


@contextlib.contextmanager
def watching(models: Mapping[str, nn.Module]) -> Iterator[Trace]:
    """Watch models while the block runs.

    Args:
        models: by the names that the trace tells.
    """
    trace, handles = Trace(), []
    looked: set[str] = set()

    def outputs(model: str, name: str) -> Any:
        def look(_module: nn.Module, _inputs: Any, output: Any) -> None:
            key = (model, torch.is_grad_enabled())
            if key not in trace.forward and not all(map(finite, _tensors(output))):
                trace.forward[key] = name or "output"

        return look

    def gradient(name: str) -> Any:
        def look(parameter: Tensor) -> None:
            looked.add(name)
            trace.parameters = len(looked)
            bad = parameter.grad is not None and not finite(parameter.grad)
            if bad and name not in trace.gradients:
                trace.gradients.append(name)

        return look

    for model, module in models.items():
        handles += [
            part.register_forward_hook(outputs(model, name))
            for name, part in module.named_modules()
        ]
        handles += [
            parameter.register_post_accumulate_grad_hook(gradient(name))
            for name, parameter in module.named_parameters()
            if parameter.requires_grad
        ]
    try:
        yield trace
    finally:
        for handle in handles:
            handle.remove()


def finite(tensor: Tensor) -> bool:
    """Whether no value is NaN or infinite; true of integers."""
    return not tensor.is_floating_point() or bool(torch.isfinite(tensor).all())


def _tensors(value: Any) -> Iterator[Tensor]:
    """The tensors in a module's output, which may be a tuple or a mapping of them."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _tensors(inner)
    elif isinstance(value, tuple | list):
        for inner in value:
            yield from _tensors(inner)
