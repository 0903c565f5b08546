"""Whether two answers are the same mathematics, judged by `math-verify` in a process of its own.

Its own limits of time are signals: they work in the main thread alone and do not stop a
computation inside a library of C. So it runs in a child process, which is ended when it exceeds
`SECONDS`. What could take long is refused before: the verdict must not depend on how busy the
machine is. A comparison that takes longer all the same counts as wrong, and is told.
"""

from __future__ import annotations

import atexit
import json
import re
import select
import subprocess
import sys
import threading
from pathlib import Path

from rlp_core.errors import MissingInputError

SECONDS = 20.0
"""After which a comparison is given up: far more than what `tame` lets through needs."""

START_SECONDS = 120.0
LONGEST = 200
"""Characters of an answer at most."""

_POWER = re.compile(r"(?:\^|\*\*)\s*(?:\{(?P<braced>[^{}]*)\}|\(?\s*[-+]?\s*(?P<bare>[0-9]+|.?))")
_HIGH_POWER_OF_BRACKET = re.compile(r"[)\]}]\s*(?:\^|\*\*)\s*[{(]?\s*[-+]?\s*[0-9]{2}")
_POWER_OF_MANY = re.compile(r"[)\]}]\s*(?:\^|\*\*)|(?:\^|\*\*)\s*[{(][^})]*(?:\^|\*\*)")
_LONG_NUMBER = re.compile(r"[0-9]{16,}")


def same_mathematics(answer: str, expected: str) -> bool:
    r"""Whether both parse as mathematics and are equal: `\frac{1}{2}` and `0.5`.

    A comparison that ends its process, or does not end, counts as wrong and is told.

    Raises:
        MissingInputError: `math-verify` is not installed.
    """
    if not answer.strip() or not tame(answer) or not tame(expected):
        return False
    with _LOCK:
        judge = _judge()
        assert judge.stdin is not None
        try:
            judge.stdin.write(json.dumps([answer, expected]).encode() + b"\n")
            judge.stdin.flush()
            return bool(_told(judge, SECONDS))
        except (OSError, ValueError) as error:
            end()
            print(
                f"warning: answer {answer!r}, expected {expected!r}: counted as wrong, because "
                f"math-verify came to no end ({error})",
                flush=True,
            )
            return False


def tame(text: str) -> bool:
    """Whether a text can be judged at once, whatever it means.

    Not so: texts beyond `LONGEST`; exponents of more than two digits, a bracket's of more than
    one; a power of a bracket, or in an exponent, beside another power; factorials, sums, products,
    integrals, limits and binomials; numbers of 16 digits or more; brackets nested more than eight
    deep.
    """
    if len(text) > LONGEST or _LONG_NUMBER.search(text):
        return False
    if "!" in text.replace(r"\!", "") or re.search(r"\\(sum|prod|int|lim|binom)", text):
        return False
    powers = [found["braced"] or found["bare"] or "" for found in _POWER.finditer(text)]
    if any(len(re.sub(r"[^0-9]", "", power)) > 2 for power in powers):
        return False
    if _HIGH_POWER_OF_BRACKET.search(text):
        return False
    if len(powers) > 1 and _POWER_OF_MANY.search(text):
        return False
    return _depth(text) <= 8


def _depth(text: str) -> int:
    deepest = now = 0
    for sign in text:
        now += (sign in "([{") - (sign in ")]}")
        deepest = max(deepest, now)
    return deepest


_LOCK = threading.Lock()
_running: list[subprocess.Popen[bytes]] = []


def _judge() -> subprocess.Popen[bytes]:
    """The child process, started where there is none."""
    if not _running:
        script = Path(__file__).with_name("math_judge.py")
        command = [sys.executable, str(script)]
        _running.append(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        )
        try:
            hindered = _told(_running[0], START_SECONDS)
        except (OSError, ValueError) as error:
            hindered = str(error)
        if hindered:
            end()
            raise MissingInputError(
                f"math-verify does not start: {hindered}",
                where="a benchmark with `answer: math`",
                fix="install the project with its extra `eval`",
            )
    return _running[0]


def _told(judge: subprocess.Popen[bytes], seconds: float) -> object:
    """The next line of the child, or TimeoutError; ValueError where it ended."""
    assert judge.stdout is not None
    ready, _, _ = select.select([judge.stdout], [], [], seconds)
    if not ready:
        raise TimeoutError(f"nothing within {seconds:g} s")
    return json.loads(judge.stdout.readline())


def end() -> None:
    """End the child process; the next comparison starts another."""
    while _running:
        judge = _running.pop()
        judge.kill()
        judge.communicate()


atexit.register(end)
