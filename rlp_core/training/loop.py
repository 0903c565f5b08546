"""The loop around every training stage: restore, step, log, save, and end when told to.

A trainer's step is a pure function of its state and the step's number, so a run that was killed
and goes on from a checkpoint ends with the same bytes as one that was left alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from rlp_core.errors import RewardTermError, TryAgainError
from rlp_core.interruption import deferring_sigterm
from rlp_core.training.checkpoint import Checkpoints, State
from rlp_core.training.saving import SHARE, Saver

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
    share: float = SHARE,
    saved: Callable[[int], None] | None = None,
) -> None:
    """Train for `steps` steps, less those that a checkpoint holds already.

    Args:
        trainable: restored from the latest checkpoint, if there is one.
        steps: steps of the whole run.
        log: takes each step's metrics; its rows are part of a checkpoint.
        checkpoints: where state is kept; None: nowhere, and a killed run begins anew.
        every_seconds: seconds between saves, at least; 0: after every step, and it is awaited.
        share: of the time that saving may take; saves are fewer where they would exceed it.
        saved: is told the steps of every checkpoint once it lies on the disk.

    Raises:
        TryAgainError: SIGTERM came; the state after the step that ran then is saved.
        RewardTermError: a reward term failed; the state before that step is saved.
        OutputError: a checkpoint could not be written; at the next step where it was written in
            the background.
    """
    with deferring_sigterm() as request:
        begun = done = _restore(trainable, steps, log, checkpoints)
        saver = None if checkpoints is None else Saver(checkpoints, every_seconds, share, saved)

        def state() -> State:
            log.flush()  # a checkpoint is never ahead of what the sink has
            return State.join({"trainer": trainable.state(), "log": log.state()})

        try:
            while done < steps and not request.asked:
                if saver is not None:
                    saver.poll()
                result = trainable.step(done)
                if result is None:
                    break
                done += 1
                log.step(result.metrics, result.tokens, result.flops, result.speed)
                if saver is not None and not request.asked and saver.due():
                    saver.save(done, state())
            if saver is not None and request.asked and done > begun:
                saver.save_now(done, state())
        except TryAgainError:
            raise  # a second SIGTERM: whoever sent it does not wait
        except RewardTermError:
            if saver is not None and done > begun:
                saver.save_now(done, state())  # the step that failed has changed nothing
            raise
        except BaseException:
            if saver is not None:
                saver.wait()  # whoever goes on from here finds nobody else writing
            raise
        if saver is not None:
            saver.finish()
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
