"""What cannot fit is refused, with the nearest settings that can."""

from __future__ import annotations

from typing import Any

import pytest

from rlp_core.errors import ConfigError
from rlp_core.params import Params
from rlp_core.planning.device import Memory
from rlp_core.planning.fit import Fit, _get, _set, nearest, require
from rlp_core.planning.plan import stage_plan
from rlp_core.planning.stage import Plan
from tests.planning.plans import TINY, changed, shape

MODEL = shape()


def plan(params: Params, stage: str) -> Plan:
    return stage_plan(params, stage, MODEL, on_gpu=False)


def fit(stage: str, share: float, **changes: Any) -> tuple[Params, Memory, Fit]:
    """The nearest settings within a share of what the stage would take."""
    params = changed(TINY, **changes)
    found = plan(params, stage)
    memory = Memory(int(share * found.peak.total / 0.95), "of a test")
    return params, memory, nearest(params, found, memory, on_gpu=False)


@pytest.mark.parametrize(
    ("stage", "key", "changes"),
    [
        ("rlp", "runtime.update_token_budget", {}),
        ("base", "runtime.micro_batch", {}),
        ("evaluate", "runtime.decode_batch_size", {"runtime__micro_batch": 8}),
    ],
)
def test_a_smaller_number_fits_and_hardly_a_larger_one_would(
    stage: str, key: str, changes: dict[str, Any]
) -> None:
    params, memory, found = fit(stage, 0.5, **changes)
    assert found.fits
    assert [change.key for change in found.changes] == [key]
    value = found.changes[0].value
    now = _set(params, found.changes[0])
    assert plan(now, stage).peak.total <= memory.usable
    assert value < _get(params, key)
    larger = value + max(1, value // 16)
    sizes = plan(changed(params, **{key.replace(".", "__"): larger}), stage).peak.total
    assert sizes > memory.usable


def test_several_settings_are_changed_where_one_is_not_enough() -> None:
    params = changed(TINY, runtime__decode_batch_size=256, rlp__documents=256)
    whole = plan(params, "rlp")
    largest = {moment.name: moment.total for moment in whole.moments}
    memory = Memory(int(0.9 * largest["decode"] / 0.95), "of a test")
    found = nearest(params, whole, memory, on_gpu=False)
    assert found.fits
    keys = {change.key for change in found.changes}
    assert {"runtime.update_token_budget", "runtime.decode_batch_size"} <= keys
    values = {change.key: change.value for change in found.changes}
    assert values["runtime.update_token_budget"] > 1


def test_the_message_says_what_where_and_what_to_set() -> None:
    params, memory, found = fit("base", 0.5)
    with pytest.raises(ConfigError) as caught:
        require(params, plan(params, "base"), memory, on_gpu=False)
    told = str(caught.value)
    assert "stage base needs" in told
    assert "of a test" in told
    assert "rlp plan --stage base" in told
    assert f"set {found.changes[0]} " in told
    assert "runtime.memory_limit" in told


def test_where_nothing_fits_that_is_said() -> None:
    params = changed(TINY, rlp__precision="float32")
    with pytest.raises(ConfigError, match="take a smaller model or a larger device"):
        require(params, plan(params, "rlp"), Memory(1000, "of a test"), on_gpu=False)


def test_what_fits_is_let_through() -> None:
    found = plan(TINY, "rlp")
    require(TINY, found, Memory(2 * found.peak.total, "of a test"), on_gpu=False)


def test_precision_is_given_up_last() -> None:
    _, _, found = fit("rlp", 0.025)
    keys = [change.key for change in found.changes]
    assert found.fits
    assert keys[0] == "runtime.update_token_budget"
    assert keys[-1] == "rlp.precision"


def test_layers_are_made_again_where_one_text_is_too_much() -> None:
    _, _, found = fit("base", 0.025)
    assert found.fits
    assert [str(change) for change in found.changes] == [
        "runtime.micro_batch: 1",
        "runtime.recompute: true",
    ]
