"""`rlp` and `python -m rlp_core`: the command line, or what to install for it."""

from __future__ import annotations

import sys

from rlp_core.extras import missing


def main() -> None:
    """Start `rlp_core.cli`, which needs click: a package of the extra `pipeline`."""
    try:
        from rlp_core.cli import main as command
    except ModuleNotFoundError as error:
        told = missing(error)
        if told is None:
            raise
        print(f"error: {told}", file=sys.stderr)
        sys.exit(told.exit_code)
    command(prog_name="rlp")


if __name__ == "__main__":
    main()
