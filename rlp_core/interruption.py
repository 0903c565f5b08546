"""SIGTERM: a scheduler asks the process to end, and gives it some seconds to save its work.

Outside a loop the stage ends at once. Inside one the request is noted and the loop ends after its
current step, with the state saved. Whoever asks twice is in a hurry: the second SIGTERM ends it
at once, and what is on disk stays valid, because every file is written whole or not at all.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from rlp_core.errors import TryAgainError


@dataclass
class Request:
    """Whether the process was asked to end.

    Attributes:
        asked: True from the first SIGTERM on.
    """

    asked: bool = False


def end_at_sigterm() -> None:
    """From here on, SIGTERM raises `TryAgainError` wherever the main thread is."""
    signal.signal(signal.SIGTERM, _end)


@contextlib.contextmanager
def deferring_sigterm() -> Iterator[Request]:
    """Note the first SIGTERM instead of ending at it; the second ends the block at once.

    Only the main thread can take signals: elsewhere the block runs undisturbed.

    Raises:
        TryAgainError: at the second SIGTERM, or after the block if it left the first unanswered.
    """
    request = Request()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def note(number: int, frame: object) -> None:
        if request.asked:
            _end(number, frame)
        request.asked = True

    before = signal.signal(signal.SIGTERM, note)
    try:
        yield request
    finally:
        signal.signal(signal.SIGTERM, before)
    if request.asked:
        _end(signal.SIGTERM, None)


def _end(_number: int, _frame: object) -> None:
    raise TryAgainError(
        "the stage was told to end (SIGTERM)", where=f"process {os.getpid()}", fix="run it again"
    )
