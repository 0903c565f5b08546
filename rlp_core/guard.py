"""Becomes the command given to it, after asking the kernel to kill it with its parent (Linux).

Started as `python -I -S guard.py PARENT COMMAND...`. It imports no more than it must: it stands in
the way of every stage. A `preexec_fn` would do the same, but is not safe beside threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

GUARDED = "RLP_GUARDED"
"""Variable that tells what the command starts the number of its process: see `rlp_core.stage`."""


def main() -> None:
    """Replace this process with the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the kernel knew
            sys.exit(1)
    os.environ[GUARDED] = str(os.getpid())
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
