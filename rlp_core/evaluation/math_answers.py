"""Whether two answers are the same mathematics, judged by `math-verify` in a process of its own.

Its own limits of time are signals: they work in the main thread alone and do not stop a
computation inside a library of C. So it runs in a child process, which is ended when it exceeds
`SECONDS`. What could take long is refused before: the verdict must not depend on how busy the
machine is.
"""

from __future__ import annotations

import atexit
import multiprocessing
import re
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from rlp_core.errors import MissingInputError, RlpError, TryAgainError

SECONDS = 20.0
"""After which a comparison is given up: far more than what `tame` lets through needs."""

START_SECONDS = 120.0
LONGEST = 200
"""Characters of an answer at most."""

_POWER = re.compile(r"(?:\^|\*\*)\s*(?:\{(?P<braced>[^{}]*)\}|\(?\s*[-+]?\s*(?P<bare>[0-9]+|.?))")
_POWER_OF_MANY = re.compile(r"[)\]}]\s*(?:\^|\*\*)|(?:\^|\*\*)\s*[{(][^})]*(?:\^|\*\*)")
_LONG_NUMBER = re.compile(r"[0-9]{16,}")


def same_mathematics(answer: str, expected: str) -> bool:
    r"""Whether both parse as mathematics and are equal: `\frac{1}{2}` and `0.5`.

    Raises:
        MissingInputError: `math-verify` is not installed.
        TryAgainError: its process ended, or the comparison took longer than `SECONDS`.
    """
    if not answer.strip() or not tame(answer) or not tame(expected):
        return False
    with _LOCK:
        return _judge().same(answer, expected)


def tame(text: str) -> bool:
    """Whether a text can be judged at once, whatever it means.

    Not so: texts beyond `LONGEST`; exponents of more than two digits; a power of a bracket, or in
    an exponent, beside another power; factorials, sums, products, integrals, limits and binomials;
    numbers of 16 digits or more; brackets nested more than eight deep.
    """
    if len(text) > LONGEST or _LONG_NUMBER.search(text):
        return False
    if "!" in text.replace(r"\!", "") or re.search(r"\\(sum|prod|int|lim|binom)", text):
        return False
    powers = [found["braced"] or found["bare"] or "" for found in _POWER.finditer(text)]
    if any(len(re.sub(r"[^0-9]", "", power)) > 2 for power in powers):
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


@dataclass
class _Judge:
    """The child process and the end of the pipe to it."""

    process: BaseProcess
    pipe: Connection

    def same(self, answer: str, expected: str) -> bool:
        try:
            self.pipe.send((answer, expected))
            if self.pipe.poll(SECONDS):
                return bool(self.pipe.recv())
        except (EOFError, OSError) as error:
            end()
            raise _gone("ended", answer, expected) from error
        end()
        raise _gone(f"took longer than {SECONDS:g} s", answer, expected)


_LOCK = threading.Lock()
_running: list[_Judge] = []


def _judge() -> _Judge:
    if not _running:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs,), daemon=True)
        process.start()
        theirs.close()
        _running.append(_Judge(process, ours))
        _started(ours)
    return _running[0]


def _started(pipe: Connection) -> None:
    try:
        told = pipe.recv() if pipe.poll(START_SECONDS) else "nothing within the time to start"
    except EOFError:
        told = "its process ended"
    if told:
        end()
        raise MissingInputError(
            f"math-verify does not start: {told}",
            where="a benchmark with `answer: math`",
            fix="install the project with its extra `eval`",
        )


def end() -> None:
    """End the child process; the next comparison starts another."""
    while _running:
        judge = _running.pop()
        judge.process.kill()
        judge.process.join()
        judge.pipe.close()


atexit.register(end)


def _gone(what: str, answer: str, expected: str) -> RlpError:
    return TryAgainError(
        f"the comparison of two answers {what}",
        where=f"{answer!r} and {expected!r}",
        fix="run the stage again; if it comes back, let the benchmark mark by `exact`",
    )


def _serve(pipe: Connection) -> None:
    """What the child does: answer pairs until the pipe closes. Says once that it is there."""
    import logging
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    try:
        from math_verify import parse, verify
    except ImportError as error:
        pipe.send(str(error))
        return
    logging.disable(logging.CRITICAL)
    pipe.send("")

    def read(text: str) -> list[object]:
        dressed = text if re.search(r"\$|\\boxed|\\\(|\\\[", text) else f"${text}$"
        return list(parse(dressed, fallback_mode="no_fallback", parsing_timeout=None))

    while True:
        try:
            answer, expected = pipe.recv()
        except EOFError:
            return
        left, right = read(answer), read(expected)
        pipe.send(bool(left and right and verify(right, left, timeout_seconds=None)))
