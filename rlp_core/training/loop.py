"""The loop around every training stage: restore, step, log, save, and end when told to.

A trainer's step is a pure function of its state and the step's number, so a run that was killed
and goes on from a checkpoint ends with the same bytes as one that was left alone.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from rlp_core.errors import TryAgainError
from rlp_core.interruption import deferring_sigterm
from rlp_core.training.checkpoint import Checkpoints, State

if TYPE_CHECKING:
    from rlp_core.monitoring.progress import StepLog


@dataclass(frozen=True)
class StepResult:
    """What one step gave.

    Attributes:
        metrics: by name, the same names at every step; one row of `steps.csv`.
        tokens: tokens that it read or drew, for the speed that is shown.
        flops: model FLOPs that it took.
        speed: seconds and shares of the machine's limits by phase; for the tracker alone, since
            no file that is tracked may hold a time.
    """

    metrics: dict[str, float]
    tokens: int
    flops: int
    speed: dict[str, float] = field(default_factory=dict)


class Trainable(Protocol):
    """What `run` can train."""

    def step(self, number: int) -> StepResult | None:
        """Do step `number`, counted from 0; None: nothing was done, and nothing is left to do."""
        ...

    def state(self) -> State:
        """All that `step` depends on beside what the trainer was built from."""
        ...

    def restore(self, state: State) -> None:
        """Take up a state that `state` gave, perhaps in another process."""
        ...


def run(
    trainable: Trainable,
    steps: int,
    log: StepLog,
    checkpoints: Checkpoints | None = None,
    every_seconds: float = 60.0,
) -> None:
    """Train for `steps` steps, less those that a checkpoint holds already.

    Args:
        trainable: restored from the latest checkpoint, if there is one.
        steps: steps of the whole run.
        log: takes each step's metrics; its rows are part of a checkpoint.
        checkpoints: where state is kept; None: nowhere, and a killed run begins anew.
        every_seconds: seconds between saves; 0: after every step.

    Raises:
        TryAgainError: SIGTERM came; the state after the step that ran then is saved.
    """
    with deferring_sigterm() as request:
        done = _restore(trainable, steps, log, checkpoints)
        saved = time.monotonic()
        while done < steps and not request.asked:
            result = trainable.step(done)
            if result is None:
                break
            done += 1
            log.step(result.metrics, result.tokens, result.flops, result.speed)
            due = request.asked or time.monotonic() - saved >= every_seconds
            if checkpoints is not None and due:
                log.flush()
                checkpoints.save(
                    done, State.join({"trainer": trainable.state(), "log": log.state()})
                )
                saved = time.monotonic()
        if request.asked:
            kept = "it goes on from there" if checkpoints is not None else "it begins anew"
            raise TryAgainError(
                "the stage was told to end (SIGTERM)",
                where=f"{log.name}, after step {done} of {steps}",
                fix=f"run it again: {kept}",
            )


def _restore(
    trainable: Trainable, steps: int, log: StepLog, checkpoints: Checkpoints | None
) -> int:
    """Take up the latest checkpoint; returns the steps that are done."""
    found = checkpoints.latest() if checkpoints is not None else None
    if found is None:
        return 0
    done, state = found
    trainable.restore(state.part("trainer"))
    log.restore(state.part("log"))
    print(f"{log.name}: goes on after step {done} of {steps}, from a checkpoint", flush=True)
    return done
