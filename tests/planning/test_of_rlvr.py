"""The plan of `rlvr` follows its settings, and bounds what a run spends."""

from __future__ import annotations

from rlp_core.planning import memory
from rlp_core.planning.plan import stage_plan
from rlp_core.planning.shapes import ModelShape
from rlp_core.policy.config import LoraConfig
from tests.planning.plans import TINY, changed, shape
from tests.training.completions import THOUGHT, learner


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


def test_the_plan_of_rlvr_bounds_what_a_run_spends() -> None:
    made = learner(steps=2, problems=3, group_size=4)
    for number in range(2):
        made.step(number)
    longest = max(len(one.position.context) for one in made.problems)
    params = changed(
        TINY,
        rlvr__steps=2,
        rlvr__problems=3,
        rlvr__group_size=4,
        rlvr__max_tokens=longest,
        rlvr__answer_tokens=made.settings.answer_tokens,
        thought__max_tokens=THOUGHT,
    )
    model = ModelShape.of(made.policy.config, "small", LoraConfig())
    plan = stage_plan(params, "rlvr@rlp", model, on_gpu=False)
    for phase, spent in made.ledger.flops.items():
        assert 0 < spent <= plan.work.flops[phase], phase
