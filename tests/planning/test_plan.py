"""Plans follow the settings."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rlp_core.errors import UsageError
from rlp_core.evaluation.config import Robustness, Shots
from rlp_core.evaluation.reward_audit.config import RewardAudit
from rlp_core.planning import memory
from rlp_core.planning.memory import (
    CACHE,
    COPY,
    EMA,
    GRADIENTS,
    KEPT,
    LINES,
    OPTIMIZER,
    START,
    TRUNKS,
    WEIGHTS,
)
from rlp_core.planning.plan import PLANNED, stage_plan
from rlp_core.planning.stage import Plan
from rlp_core.training.ledger import TRAINING, Ledger
from rlp_core.training.positions import TokenizedDocument
from rlp_core.training.update import cost, micro_batches
from tests.planning import plans
from tests.planning.plans import TINY, changed, shape

MODEL = shape()
SIZE = MODEL.parameters


def plan(stage: str = "rlp", *, on_gpu: bool = False, **changes: Any) -> Plan:
    return stage_plan(changed(TINY, **changes), stage, MODEL, on_gpu=on_gpu)


def line(found: Plan, name: str) -> int:
    """The most of a line at any moment."""
    return max(moment.lines.get(name, 0) for moment in found.moments)


@pytest.mark.parametrize("stage", PLANNED)
def test_every_stage_has_a_plan_of_known_lines(stage: str) -> None:
    found = plan(stage, rlvr__steps=3)  # without steps it only passes files on
    assert found.peak.total > 4 * SIZE
    assert found.work.total > 0
    assert found.assumed
    assert {name for moment in found.moments for name in moment.lines} <= set(LINES)


def test_what_stays_is_counted_by_its_numbers() -> None:
    found = plan(rlp__precision="bfloat16", runtime__update_token_budget=300)
    assert line(found, WEIGHTS) == line(found, EMA) == 4 * SIZE
    assert line(found, START) == 2 * SIZE  # nobody trains it: it needs no master
    assert line(found, COPY) == 4 * SIZE  # the policy's and the EMA's
    assert line(found, OPTIMIZER) == 8 * SIZE
    assert line(found, GRADIENTS) == 6 * SIZE  # the masters', and the copy's while it goes backward
    assert line(found, KEPT) == 4 * SIZE
    assert line(plan(), COPY) == 0


def test_muon_keeps_one_number_of_a_matrix() -> None:
    expected = 4 * (2 * (SIZE - MODEL.matrices) + MODEL.matrices)
    assert line(plan("base"), OPTIMIZER) == expected
    assert 0 < MODEL.matrices < SIZE - MODEL.table


def test_on_a_gpu_what_the_watch_keeps_lies_elsewhere() -> None:
    found = plan(on_gpu=True)
    assert line(found, KEPT) == 0
    assert any("machine's memory" in text for text in found.assumed)


@pytest.mark.parametrize(("where", "beside"), [("", True), ("cpu", False), ("cuda:1", True)])
def test_the_ema_counts_where_it_lies(where: str, beside: bool) -> None:
    assert (line(plan(on_gpu=True, runtime__ema_device=where), EMA) > 0) is beside


@settings(max_examples=15)
@given(
    st.sampled_from(
        [
            ("rlp", "runtime__decode_batch_size"),
            ("rlp", "runtime__update_token_budget"),
            ("base", "runtime__micro_batch"),
            ("evaluate", "runtime__decode_batch_size"),
        ]
    ),
    st.integers(1, 40),
    st.integers(1, 40),
)
def test_more_at_once_never_takes_less(which: tuple[str, str], few: int, more: int) -> None:
    stage, key = which
    one, other = (
        plan(stage, **{key: n * (64 if "budget" in key else 1)}).peak.total
        for n in sorted((few, few + more))
    )
    assert one <= other * 1.01


def test_a_document_that_exceeds_the_budget_is_read_once() -> None:
    whole, cut = plan(), plan(runtime__update_token_budget=120)
    assert "each with its thoughts" in whole.passes[0]
    assert "a document is read once, its 8 thoughts 4 at a time: 2 passes" in cut.passes
    update = next(moment for moment in cut.moments if moment.name == "update: head")
    assert update.lines[TRUNKS] > 0
    assert cut.peak.total < whole.peak.total


def test_thoughts_are_cut_as_the_update_cuts_them() -> None:
    from rlp_core.training.groups import RolloutGroup, ThinkPosition

    tokens, most = TINY.rlp.max_tokens, TINY.thought.max_tokens
    document = TokenizedDocument(0, [0] * tokens, [tokens - 1])
    position = ThinkPosition(document, tokens - 1, range(tokens - 1, tokens))
    thoughts = [[i + 1] * most for i in range(8)]
    zeros = [[0.0] * most] * 8
    group = RolloutGroup(
        position, 0, thoughts, [False] * 8, zeros, [0.0] * 8, 0.0, {}, [], [0.0] * 8
    )
    for budget in (30, 60, 120, 200):
        assert cost([group]) > budget
        parts = list(micro_batches([group], budget))
        found = plan(runtime__update_token_budget=budget)
        assert found.passes[0].endswith(
            f" {len(parts[0][0].tokens)} at a time: {len(parts)} passes"
        )


def test_documents_are_drawn_at_as_the_sampler_batches_them() -> None:
    from rlp_core.rollout.sampler import _batches
    from rlp_core.rollout.sampling import Prompt

    for rows in (1, 7, 8, 16, 25, 64, 1000):
        for each in (1, 2, 8):
            for positions in (1, 2, 3):
                prompts = [Prompt(d, 5 + p, 0) for d in range(9) for p in range(positions)]
                _, batches = _batches(prompts, each, rows)
                trunks, places = memory.batch_of(rows, each, positions, 9)
                assert max(map(len, batches)) == places == trunks * positions


def test_the_cache_holds_every_row_at_its_longest() -> None:
    found = plan(runtime__decode_batch_size=32)
    room = TINY.thought.max_tokens + 2 + TINY.rlp.horizon
    assert line(found, CACHE) == 32 * room * MODEL.keys * MODEL.layers * 4


@pytest.mark.parametrize(
    ("change", "moment"),
    [
        ({"rlp__kl_weight": 0.1}, "reference"),
        ({"runtime__verify": "warn"}, "self-check"),
        ({}, "audit"),
    ],
)
def test_what_is_asked_for_has_a_moment(change: dict[str, Any], moment: str) -> None:
    without = {"rlp__kl_weight": 0.0, "runtime__verify": "off"}
    without["rlp__audit"] = TINY.rlp.audit.model_copy(update={"every": 0})
    names = {found.name for found in plan(**without).moments}
    assert moment not in names
    asked = {key: value for key, value in without.items() if moment != "audit"} | change
    assert moment in {found.name for found in plan(**asked).moments}


def test_a_stage_without_steps_holds_the_model_alone() -> None:
    found = plan("bootstrap", bootstrap__steps=0)
    assert found.peak.total == 4 * SIZE
    assert found.work.total == 0


def test_work_is_the_ledger_s() -> None:
    ledger = Ledger(MODEL.model)
    batch, tokens = TINY.bootstrap.batch, TINY.bootstrap.max_tokens
    ledger.rows("train", [tokens] * batch, batch * (tokens - 1), TRAINING)
    assert plan("bootstrap").work.total == TINY.bootstrap.steps * ledger.total_flops


def test_cpt_spends_what_rlp_spends() -> None:
    assert plan("cpt").work.total == pytest.approx(plan("rlp").work.total, rel=0.05)


@pytest.mark.parametrize(
    ("stage", "told"),
    [
        ("finetun@rlp", "did you mean `finetune`?"),
        ("prepare", "holds no model"),
        ("compare", "holds no model"),
        ("", "no stage is called ''"),
    ],
)
def test_a_stage_that_cannot_be_planned_is_told(stage: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        plan(stage)
    assert told in str(caught.value)


def test_adapters_take_no_memory_for_what_is_frozen() -> None:
    """Gradients, optimizer, EMA and start are of the adapters alone; the base stands there once."""
    whole, some = (plans.shape(rank=rank) for rank in (0, 2))
    assert (whole.trainable, whole.shared) == (whole.parameters, 0)
    assert some.shared == whole.parameters
    assert 0 < some.trainable < whole.parameters
    for precision, size in (("float32", 4), ("bfloat16", 2)):
        params = plans.changed(plans.TINY, rlp__precision=precision)
        for model in (whole, some):
            lines = stage_plan(params, "rlp", model, on_gpu=False).peak.lines
            assert lines[memory.EMA] == 4 * model.trainable
            assert lines[memory.START] == size * model.trainable
            assert lines[memory.OPTIMIZER] == 8 * model.trainable
            assert lines[memory.SAVED] == 16 * model.trainable
            copies = 0 if size == 4 else 2 * (model.parameters + model.trainable)
            assert lines[memory.COPY] == copies


def test_a_plan_moves_no_random_number() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    stage_plan(plans.TINY, "rlp", plans.shape(rank=3), on_gpu=False)
    assert torch.equal(torch.rand(2), expected)


def test_a_prompt_before_thoughts_is_counted_and_said() -> None:
    led = plans.changed(plans.TINY, thought__prompt="look-ahead")
    plain, found = (stage_plan(p, "rlp", plans.shape(), on_gpu=False) for p in (plans.TINY, led))
    assert found.peak.total > plain.peak.total
    assert any("the prompt before each thought is" in told for told in found.assumed)
    assert not any("prompt" in told for told in plain.assumed)


def test_examples_and_controls_are_counted_where_they_are_asked_for() -> None:
    off = {"evaluate__controls": False, "evaluate__audit": RewardAudit()}
    bare = plan("evaluate", **off)
    few, more = (
        plan("evaluate", evaluate__shots=Shots(count=3, max_tokens=limit), **off)
        for limit in (90, 98)
    )
    assert bare.work.total < few.work.total < more.work.total
    assert "work after examples" in {moment.name for moment in few.moments}
    assert bare.peak.total <= few.peak.total
    assert "3 examples in prompts of up to 90 tokens" in few.passes
    others = Shots(count=3, arms=("no-such-arm",), max_tokens=90)
    assert plan("evaluate", evaluate__shots=others, **off) == bare
    one, far = (
        plan("evaluate", **off | {"evaluate__controls": True, "evaluate__horizon": h})
        for h in (1, 9)
    )
    assert bare.work.total < one.work.total < far.work.total
    places = TINY.evaluate.heldout_documents * TINY.evaluate.heldout_positions
    texts = places * (2 + 3 * TINY.evaluate.samples)
    least = TINY.evaluate.max_tokens + TINY.thought.max_tokens
    layers = SIZE - MODEL.table  # two operations a weight and token, the head apart
    assert one.work.flops["score"] - bare.work.flops["score"] > 2 * layers * texts * least


def test_perturbed_problems_are_counted_where_they_are_asked_for() -> None:
    bare = plan("evaluate")
    assert plan("evaluate", evaluate__robustness=Robustness(samples=9)) == bare
    one, two = (
        plan("evaluate", evaluate__robustness=Robustness(perturbations=names, samples=2))
        for names in (("typo",), ("typo", "spacing"))
    )
    assert bare.work.total < one.work.total < two.work.total
    assert "answers to be weighed" in {moment.name for moment in one.moments}
    times = (two.work.total - bare.work.total) / (one.work.total - bare.work.total)
    assert times == pytest.approx(3 / 2, rel=0.02)  # clean and one; clean and two
