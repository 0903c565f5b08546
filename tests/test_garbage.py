"""The collector rests while a process starts, and works again afterwards."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from rlp_core.garbage import collection_paused


class Cycle:
    def __init__(self) -> None:
        self.own = self


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    was_on = gc.isenabled()
    yield
    gc.unfreeze()
    (gc.enable if was_on else gc.disable)()


def test_nothing_is_collected_within_and_later_garbage_is() -> None:
    with collection_paused():
        assert not gc.isenabled()
        kept = [[] for _ in range(10)]
    assert gc.isenabled()
    assert gc.get_freeze_count() > len(kept)
    lost = weakref.ref(Cycle())
    gc.collect()
    assert lost() is None


def test_the_collector_goes_on_after_an_error() -> None:
    with pytest.raises(ValueError, match="no import"), collection_paused():
        raise ValueError("no import")
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    with collection_paused():
        pass
    assert not gc.isenabled()
