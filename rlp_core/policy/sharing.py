"""Copies of a model that share what is frozen: one base under policy, EMA and start.

Where all weights are trained a copy is a copy. Where adapters are, only those are copied, and the
base stands in memory once.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def trained_names(model: torch.nn.Module) -> frozenset[str] | None:
    """Names of the parameters that are trained; None where all are.

    They are what a checkpoint of the model has to hold.
    """
    named = dict(model.named_parameters())
    trained = frozenset(name for name, parameter in named.items() if parameter.requires_grad)
    return None if len(trained) == len(named) else trained


def frozen(model: torch.nn.Module) -> dict[str, Tensor]:
    """The parameters that are not trained, each once, by name."""
    return {name: p.detach() for name, p in model.named_parameters() if not p.requires_grad}


def copy_sharing(
    model: PreTrainedModel, instead: dict[int, torch.nn.Parameter] | None = None
) -> PreTrainedModel:
    """A copy that shares the frozen parameters with its original.

    Args:
        model: its trained parameters and its buffers are copied.
        instead: parameters to take in place of others, by the `id` of those; None: the frozen
            ones themselves.
    """
    if instead is None:
        instead = {id(p): p for p in model.parameters() if not p.requires_grad}
    return copy.deepcopy(model, dict(instead))
