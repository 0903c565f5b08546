"""What a program may do while `RLPTrainer` trains, in the way of transformers' callbacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from rlp_core.errors import PluginError, RlpError


class RunningTrainer(Protocol):
    """What a callback may use of the `RLPTrainer` that calls it.

    Attributes:
        model: the policy, as it is after the step.
        tokenizer: its tokenizer.
    """

    model: Any
    tokenizer: Any

    @property
    def history(self) -> list[dict[str, float]]:
        """The metrics of every step before this one."""
        ...

    def stop(self) -> None:
        """End training after the present step."""
        ...

    def evaluate(self) -> dict[str, float]:
        """Information gain on the held-out documents."""
        ...

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the model as it is."""
        ...


class RLPCallback:
    """Derive from it, and override what is needed; `trainer.stop()` ends a run after its step.

    A callback changes no result unless it changes the model. One that raises ends the run with an
    error that names it.
    """

    def on_train_begin(self, trainer: RunningTrainer) -> None:
        """Training begins, or goes on from a checkpoint."""

    def on_step_end(self, trainer: RunningTrainer, step: int, metrics: Mapping[str, float]) -> None:
        """An update was made.

        Args:
            trainer: whose.
            step: its number, counted from 1.
            metrics: by name; gains and rewards in nats.
        """

    def on_evaluate(self, trainer: RunningTrainer, step: int, metrics: Mapping[str, float]) -> None:
        """The model was evaluated on held-out documents; arguments as in `on_step_end`."""

    def on_save(self, trainer: RunningTrainer, step: int, folder: Path) -> None:
        """A checkpoint was written.

        Args:
            trainer: whose.
            step: updates that it holds.
            folder: where.
        """

    def on_train_end(self, trainer: RunningTrainer, metrics: Mapping[str, float]) -> None:
        """Training is done; `metrics` are those that `train` returns."""


class Callbacks:
    """Several callbacks as one."""

    def __init__(self, trainer: RunningTrainer, callbacks: Sequence[RLPCallback]) -> None:
        for callback in callbacks:
            if not isinstance(callback, RLPCallback):
                raise PluginError(
                    f"{callback!r} is no callback",
                    where="RLPTrainer(callbacks=...)",
                    fix="give objects of classes that derive from rlp_core.RLPCallback",
                )
        self.trainer, self.callbacks = trainer, tuple(callbacks)

    def call(self, event: str, *arguments: Any) -> None:
        """Tell every callback of an event.

        Raises:
            PluginError: one of them raised; the message names it.
        """
        for callback in self.callbacks:
            try:
                getattr(callback, event)(self.trainer, *arguments)
            except RlpError:
                raise
            except Exception as error:
                name = type(callback).__name__
                raise PluginError(
                    f"the callback `{name}` raised {type(error).__name__}: {error}",
                    where=f"{name}.{event}",
                    fix="mend the callback; the run can go on from its last checkpoint",
                ) from error
