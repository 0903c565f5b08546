"""A step of decoding, recorded once and repeated without the host's saying every kernel anew.

A decoded token is some thousand small kernels. A GPU does them faster than the host can launch them
one by one; recorded as a CUDA graph they are launched together. What a recorded step works on must
stay where it is: every tensor that changes from token to token is written in place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch


class Recording(Protocol):
    """What a step did, to be done again on the same memory."""

    def replay(self) -> None:
        """Do it again."""
        ...


class CudaRecording:
    """A step as a CUDA graph."""

    def __init__(self, step: Callable[[], None], last: CudaRecording | None) -> None:
        """Record a step without running it.

        Args:
            step: launches kernels and reads nothing; what it allocates may hold anything after.
            last: one that is not replayed any more; what it worked in is used again.
        """
        self.graph = torch.cuda.CUDAGraph()
        stream, here = torch.cuda.Stream(), torch.cuda.current_stream()
        stream.wait_stream(here)
        pool = None if last is None else last.graph.pool()
        with torch.cuda.stream(stream):
            # another thread may copy a checkpoint meanwhile: that is no part of this
            self.graph.capture_begin(pool, capture_error_mode="thread_local")
            try:
                step()
            finally:
                self.graph.capture_end()
        here.wait_stream(stream)

    def replay(self) -> None:
        """Launch the graph."""
        self.graph.replay()


RECORDERS: dict[str, Callable[[Callable[[], None], Any], Recording]] = {"cuda": CudaRecording}
"""By the type of a device; where there is none, steps are run as they are."""


class Repeater:
    """Runs one step again and again: as it is, where nothing is known to stay as it was.

    The first run after `forget` loads what its kernels need, the second is recorded. The step is
    given at each run and not kept: its owner keeps the repeater, and a ring of the two would hold
    all that they work on until the garbage collector comes by.
    """

    def __init__(self, device: torch.device) -> None:
        """Take the device that the step runs on."""
        self._record = RECORDERS.get(device.type)
        self._recording: Recording | None = None
        self._known = 0

    def forget(self) -> None:
        """What the step works on lies elsewhere now, or the step does something else."""
        self._known = 0

    def __call__(self, step: Callable[[], None]) -> None:
        """Run the step once; it is the same one each time."""
        self._known += 1
        if self._record is None or self._known == 1:
            step()
            return
        if self._known == 2:
            self._recording = self._record(step, self._recording)
        assert self._recording is not None
        self._recording.replay()
