"""Activation checkpointing: layers whose activations are made again in the backward pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rlp_core.errors import ConfigError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@contextmanager
def recomputing(model: PreTrainedModel, wanted: bool) -> Iterator[None]:
    """Checkpoint the layers of a model within a block, by transformers' own switch.

    Transformers let it act in training mode alone, and say nothing where it does not.

    Args:
        model: in training mode.
        wanted: False: the block is left as it is.

    Raises:
        ConfigError: the model has no layers that can be checkpointed.
        ValueError: it is in evaluation mode.
    """
    if not wanted:
        yield
        return
    if not model.training:
        raise ValueError("layers are checkpointed in training mode alone")
    if not model.supports_gradient_checkpointing:
        raise ConfigError(
            f"{type(model).__name__} has no layers that can be made again",
            where="params.yaml: runtime.recompute",
            fix="set it to false, and lower runtime.micro_batch instead",
        )
    # the first name is that of later 5.x, which warn of the second
    new = hasattr(model, "activation_checkpointing_enable")
    name = "activation_checkpointing" if new else "gradient_checkpointing"
    getattr(model, f"{name}_enable")()
    try:
        yield
    finally:
        getattr(model, f"{name}_disable")()
