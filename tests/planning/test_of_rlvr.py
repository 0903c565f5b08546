"""The plan of `rlvr` follows its settings."""

from __future__ import annotations

from rlp_core.planning import memory
from rlp_core.planning.plan import stage_plan
from tests.planning.plans import TINY, changed, shape


def test_rlvr_is_planned_by_its_completions_and_costs_nothing_without_steps() -> None:
    model = shape()
    none = stage_plan(TINY, "rlvr@rlp", model, on_gpu=False)
    assert (none.peak.total, none.work.total) == (0, 0)
    some = changed(TINY, rlvr__steps=3)
    plan = stage_plan(some, "rlvr@rlp", model, on_gpu=False)
    assert {"prefill", "thoughts", "answers", "update: head"} <= {m.name for m in plan.moments}
    assert "reference" not in plan.work.flops
    assert memory.START not in plan.peak.lines or not plan.peak.lines[memory.START]
    held = stage_plan(changed(some, rlvr__kl_weight=0.1), "rlvr@rlp", model, on_gpu=False)
    assert held.work.flops["reference"] * 3 == held.work.flops["update"]
    assert held.peak.lines[memory.START] == 4 * model.trainable
    twice = stage_plan(changed(some, rlvr__steps=6), "rlvr@rlp", model, on_gpu=False)
    assert twice.work.total == 2 * plan.work.total
    longer = stage_plan(changed(some, rlvr__answer_tokens=40), "rlvr@rlp", model, on_gpu=False)
    assert longer.peak.total > plan.peak.total
