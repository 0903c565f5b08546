"""The process in which `math-verify` judges: a pair of answers a line in, `true` or `false` out.

Started by `rlp_core.evaluation.math_answers` as a script, so it imports nothing of the project.
The first line that it writes says what hinders it; empty: nothing.
"""

from __future__ import annotations

import json
import logging
import re
import signal
import sys


def main() -> None:
    """Answer until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    try:
        from math_verify import parse, verify  # type: ignore[import-untyped]
    except ImportError as error:
        _say(str(error))
        return
    logging.disable(logging.CRITICAL)
    _say("")

    def read(text: str) -> list[object]:
        dressed = text if re.search(r"\$|\\boxed|\\\(|\\\[", text) else f"${text}$"
        # Without a limit of its own, which is a signal; the parent ends what takes too long.
        return list(parse(dressed, fallback_mode="no_fallback", parsing_timeout=None))

    for line in sys.stdin:
        answer, expected = map(read, json.loads(line))
        same = answer and expected and verify(expected, answer, timeout_seconds=None)
        _say(bool(same))


def _say(value: object) -> None:
    print(json.dumps(value), flush=True)


if __name__ == "__main__":
    main()
