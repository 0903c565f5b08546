"""SIGTERM inside and outside of a loop."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from rlp_core.errors import TryAgainError
from rlp_core.interruption import deferring_sigterm, end_at_sigterm


@pytest.fixture(autouse=True)
def _own_handler() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def ask() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_outside_of_a_loop_it_ends_at_once() -> None:
    end_at_sigterm()
    with pytest.raises(TryAgainError, match="SIGTERM"):
        ask()


def test_inside_the_first_is_noted_and_the_second_ends() -> None:
    end_at_sigterm()
    handler = signal.getsignal(signal.SIGTERM)
    reached = []
    with pytest.raises(TryAgainError), deferring_sigterm() as request:
        assert not request.asked
        ask()
        assert request.asked
        reached.append("after the first")
        ask()
        reached.append("after the second")
    assert reached == ["after the first"]
    assert signal.getsignal(signal.SIGTERM) is handler


def test_a_request_that_nobody_answered_is_not_lost() -> None:
    reached = []
    with pytest.raises(TryAgainError), deferring_sigterm():
        ask()
        reached.append("end of the block")
    assert reached == ["end of the block"]


def test_an_error_in_the_block_comes_out_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError), deferring_sigterm():
        ask()
        raise ZeroDivisionError


def test_other_threads_cannot_defer_and_are_not_disturbed() -> None:
    seen = []

    def work() -> None:
        with deferring_sigterm() as request:
            seen.append(request.asked)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
