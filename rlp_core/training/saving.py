"""When a run saves, and how it goes on meanwhile: in the background, for a bounded share of time.

A save copies what the next step will change, and a thread brings the copy to the disk. What both
took decides when the next one is due: with a share of 5 %, one that took 6 seconds is followed by
none for 2 minutes. The time of writing counts in full, since it takes processor and disk from the
training. So all saves but the last together take at most that share of the time since the start.
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rlp_core.training.checkpoint import Checkpoints, State

SHARE = 0.05
"""Of a run's time, at most, by default."""


@dataclass
class _Save:
    """One save on its way to the disk.

    Attributes:
        step: steps that are done in it.
        begun: on the clock.
        ended: on the clock; None: it is being written.
        error: what went wrong.
    """

    step: int
    begun: float
    ended: float | None = None
    error: BaseException | None = None
    thread: threading.Thread = field(default_factory=threading.Thread)


class Saver:
    """Saves a run's state now and then."""

    def __init__(
        self,
        checkpoints: Checkpoints,
        every_seconds: float,
        share: float = SHARE,
        told: Callable[[int], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin; the time to the first save counts from here.

        Args:
            checkpoints: where state is kept.
            every_seconds: between saves, at least; 0: after every step, whatever that costs.
            share: of the time that saving may take, in (0, 1].
            told: is called with the steps of every save, in the thread of the training, once it
                lies on the disk.
            clock: in seconds.
        """
        self.checkpoints, self.every, self.share = checkpoints, every_seconds, share
        self.told, self.clock = told, clock
        self.last = self.clock()
        self.interval = every_seconds
        self.going: _Save | None = None

    def poll(self) -> None:
        """See whether a save has come to its end.

        Raises:
            BaseException: what it failed with, such as `OutputError` where the disk is full.
        """
        if self.going is None or self.going.ended is None:
            return
        ended, self.going = self.going, None
        ended.thread.join()
        self._settle(ended)
        if ended.error is not None:
            raise ended.error

    def due(self) -> bool:
        """Whether to save now: no save is on its way, and the last one has been paid for."""
        return self.going is None and self.clock() - self.last >= self.interval

    def save(self, step: int, state: State) -> None:
        """Copy a state, and let it be written; with 0 seconds between saves it is awaited.

        Call it when one is due.

        Raises:
            OutputError: it was awaited, and the disk is full or cannot be written.
        """
        going = _Save(step, self.clock())
        going.thread = threading.Thread(
            target=self._write, args=(going, _copy(state)), name="checkpoint", daemon=True
        )
        self.going = going
        going.thread.start()
        if not self.every:
            self.wait()
            self.poll()

    def save_now(self, step: int, state: State) -> None:
        """Write a state before anything else happens; one that is on its way is awaited first.

        What that one failed with is of no matter any more.

        Raises:
            OutputError: the disk is full or cannot be written.
        """
        self.wait()
        if self.going is not None and self.going.error is None:
            self.poll()
        self.going = None
        self.checkpoints.save(step, state)
        if self.told is not None:
            self.told(step)

    def wait(self) -> None:
        """Until nothing is being written; an impatient interruption is let through."""
        if self.going is not None:
            self.going.thread.join()

    def finish(self) -> None:
        """The run has its end: await what is being written, and say what failed.

        A failure is no error any more: what it would have saved is done.
        """
        self.wait()
        try:
            self.poll()
        except Exception as error:
            print(f"warning: the last checkpoint was not saved, and is not needed: {error}")

    def _write(self, going: _Save, state: State) -> None:
        try:
            self.checkpoints.save(going.step, state)
        except BaseException as error:  # it is raised in the thread of the training
            going.error = error
        going.ended = self.clock()

    def _settle(self, ended: _Save) -> None:
        """The next save is due when the time since this one's begin has paid for it."""
        assert ended.ended is not None
        self.last = ended.begun
        if self.every:
            self.interval = max(self.every, (ended.ended - ended.begun) / self.share)
        if ended.error is None and self.told is not None:
            self.told(ended.step)


def _copy(state: State) -> State:
    """A state that the next step does not touch; fixed parts are what they are."""
    tensors = {name: tensor.detach().to("cpu", copy=True) for name, tensor in state.tensors.items()}
    return State(tensors, copy.deepcopy(state.values), state.fixed)
