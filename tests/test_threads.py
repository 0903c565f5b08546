"""A stage's threads: its parameter's, or what the flow gives it."""

from __future__ import annotations

import pytest

from rlp_core.errors import UsageError
from rlp_core.threads import cores, threads_of
from tests.stages.test_training import params


def test_the_parameter_decides_unless_the_variable_does(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = params(runtime__threads=3)
    monkeypatch.delenv("RLP_THREADS", raising=False)
    assert threads_of(chosen) == 3
    monkeypatch.setenv("RLP_THREADS", "5")
    assert threads_of(chosen) == 5


@pytest.mark.parametrize("given", ["", "0", "-1", "two", "1.5", "\u0664"])
def test_nonsense_is_named(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("RLP_THREADS", given)
    with pytest.raises(UsageError, match="RLP_THREADS"):
        threads_of(params())


def test_there_is_a_core() -> None:
    assert cores() >= 1
