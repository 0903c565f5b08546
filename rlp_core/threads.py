"""How many CPU threads a stage takes.

In a flow two stages run side by side, so each takes `runtime.threads`. One beside which nothing can
run takes the threads of all: the flow says so by the variable `RLP_THREADS`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rlp_core.errors import UsageError

if TYPE_CHECKING:
    from rlp_core.params import Params

VARIABLE = "RLP_THREADS"


def threads_of(params: Params) -> int:
    """`RLP_THREADS` where it is set, else `runtime.threads`.

    Raises:
        UsageError: the variable is no whole number of at least 1.
    """
    given = os.environ.get(VARIABLE)
    if given is None:
        return params.runtime.threads
    if not given.isascii() or not given.isdigit() or int(given) < 1:
        raise UsageError(
            f"{given!r} is no whole number of at least 1",
            where=f"environment variable {VARIABLE}",
            fix="set it to a number of CPU threads, or unset it",
        )
    return int(given)


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
