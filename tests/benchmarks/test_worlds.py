"""The benchmark of worlds makes what it counts."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from benchmarks import worlds
from rlp_core import environments


def test_every_world_with_an_expert_is_timed() -> None:
    done = CliRunner().invoke(worlds.main, ["--problems", "3"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.output.splitlines()[-1])
    assert set(found["rates"]) == set(environments.with_experts())
    assert min(found["rates"].values()) > 0
    assert found["problems"] == 3


def test_a_wrong_expert_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    world = environments.get("arithmetic")
    monkeypatch.setattr(world, "verify", lambda _task, _answer: False)
    with pytest.raises(AssertionError, match="the expert is wrong"):
        worlds.measured("arithmetic", 2)
