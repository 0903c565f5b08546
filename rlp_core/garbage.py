"""Python's garbage collector, while a process starts.

To import torch, transformers and MLflow makes millions of objects that stay. Python looks through
them again and again for cycles that nobody needs, and finds next to none: a fifth of the time that
a stage takes to start.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def collection_paused() -> Iterator[None]:
    """Collect nothing within the block; what was made by its end is never looked through again.

    A collector that was off stays off.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()
