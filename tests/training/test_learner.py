"""The trainer against the textbook: rewards, loss and gradients of fresh random rollouts."""

from __future__ import annotations

import copy
from statistics import pstdev
from typing import Any

import pytest
import torch

from rlp_core.monitoring.monitored import HELDOUT
from rlp_core.objective import estimators
from rlp_core.objective.config import ValueConfig
from rlp_core.policy.config import LoraConfig
from rlp_core.training.config import AuditConfig, OptimizerConfig, ReplayConfig
from rlp_core.training.metrics import thought_metrics
from tests import models
from tests.training import steps
from tests.training.steps import distance, gradients, stopping, textbook, trainer

LORA = LoraConfig(rank=3, alpha=6.0)
ADDED: dict[str, Any] = {"kl_weight": 0.3, "entropy_weight": 0.2, "ntp_weight": 0.4}
VALUE = ValueConfig(weight=0.7, gae_lambda=0.8, gae_discount=0.9)
CASES: dict[str, dict[str, Any]] = {
    **{name: {"estimator": name} for name in estimators.names()},
    "token-mean": {"estimator": "grpo", "token_mean": "token"},
    "reward-clip": {"reward_clip": 0.5},
    "horizon": {"horizon": 3, "discount": 0.7},
    "kl": {"kl_weight": 0.3},
    "entropy": {"entropy_weight": 0.2},
    "next-token": {"ntp_weight": 0.4, "horizon": 3, "discount": 0.5},
    "prompt": {"lead": steps.LEAD},
    "lora": {"lora": LORA},
    "lora-and-more": {"lora": LORA, "horizon": 2} | ADDED,
    "prompt-and-more": {"lead": steps.LEAD, "positions": 3, "horizon": 2} | ADDED,
    "everything": ADDED
    | {
        "estimator": "gae", "value": VALUE, "token_mean": "token",
        "horizon": 3, "discount": 0.7, "reward_clip": 1.0,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_step_is_that_of_the_textbook(name: str) -> None:
    made = stopping(**CASES[name])
    groups = made.groups(0)
    closed = [stopped for group in groups for stopped in group.stopped]
    assert any(closed)
    assert not all(closed)
    expected, gradient = textbook(made, groups)
    for group, rewards in zip(groups, expected.rewards, strict=True):
        assert group.rewards == pytest.approx(rewards, abs=2e-5)
    sums = made.accumulate(groups, 0)
    for term, value in sums.terms.items():
        assert value == pytest.approx(float(expected.parts[term].detach()), abs=2e-5, rel=2e-5), (
            term
        )
    assert thought_metrics(groups, sums, made.settings)["loss"] == pytest.approx(
        float(expected.total.detach()), abs=1e-4
    )
    assert {term for term, factor in made.settings.coefficients.items() if factor} == set(
        sums.terms
    )
    assert distance(gradients(made), gradient) < 1e-4


def test_an_empty_thought_and_an_end_of_text_within_one_are_read_as_the_textbook_does() -> None:
    made = stopping()
    groups = made.groups(0)
    end = models.tokenizer().eos_token_id
    for group in groups:
        group.tokens[0], group.stopped[0] = [made.worker.marks.close], True
        group.tokens[1], group.stopped[1] = [end, 40, end, 41], False
        group.logprobs = [[-1.0] * len(tokens) for tokens in group.tokens]
    for group, rewards in zip(groups, textbook(made, groups)[0].rewards, strict=True):
        group.predicted = [value + (group.baseline or 0.0) for value in rewards]
    made.reward(groups, 0)
    made.accumulate(groups, 0)
    assert distance(gradients(made), textbook(made, groups)[1]) < 1e-4


def test_the_gradient_is_that_of_advantage_times_log_probability() -> None:
    """The ratio to the policy before the update is 1: no clip acts."""
    made = stopping()
    groups = made.groups(0)
    policy = steps.plain(made.policy)
    loss = torch.zeros(())
    for group in groups:
        logprobs = steps.thought_logprobs(policy, group, made.worker.marks.open, 0.7)
        for advantage, tokens in zip(group.advantages, logprobs, strict=True):
            loss = loss - advantage * tokens.mean() / 12  # 2 texts, 2 places, 3 thoughts
    expected = torch.autograd.grad(loss, list(policy.parameters()))
    made.accumulate(groups, 0)
    assert distance(gradients(made), expected) < 1e-4


@pytest.mark.parametrize(
    ("estimator", "reaches"), [("rloo", False), ("grpo", False), ("raw", True)]
)
def test_another_baseline_changes_the_reward_but_not_every_gradient(
    estimator: str, reaches: bool
) -> None:
    made, other = (trainer(estimator=estimator) for _ in range(2))
    other.ema.model.load_state_dict(models.model(99).state_dict())
    found = []
    for each in (made, other):
        groups = each.groups(0)
        each.accumulate(groups, 0)
        found.append((groups[0].rewards, gradients(each)))
    assert found[0][0] != pytest.approx(found[1][0], abs=0.01)
    if reaches:
        assert distance(found[0][1], found[1][1]) > 0.01
    else:
        assert all(map(torch.equal, found[0][1], found[1][1]))


@pytest.mark.parametrize("estimator", ["rloo", "grpo"])
def test_a_baseline_that_only_measures_may_be_measured_now_and_then(estimator: str) -> None:
    always, seldom = (trainer(estimator=estimator, ema_every=every) for every in (1, 3))
    for number in range(4):
        full, part = (each.step(number).metrics for each in (always, seldom))
        assert ("information_gain" in part) == (number % 3 == 0)
        assert part["loss"] == full["loss"]
    for part in ("policy", "ema", "stepper"):
        assert steps.same(always.state().part(part), seldom.state().part(part))
    assert seldom.ledger.flops["ema"] < always.ledger.flops["ema"]


RESUMED: dict[str, dict[str, Any]] = {
    "rloo": {
        "optimizer": OptimizerConfig(name="adamw", lr=1e-3, warmup_steps=2, schedule="linear")
    },
    "gae": {"estimator": "gae"},
    "replay": {"replay": ReplayConfig(groups=2, capacity=5), "kl_weight": 0.1},
    "muon": {"optimizer": OptimizerConfig(name="muon", lr=1e-3)},
    "surprising": {"position_selection": "surprising", "final_temperature": 1.0},
    "bfloat16": {"precision": "bfloat16"},
}


@pytest.mark.parametrize("name", RESUMED)
def test_a_step_is_a_function_of_the_state_and_the_number(name: str, tmp_path) -> None:
    unbroken = trainer(audit=AuditConfig(every=2, positions=4), **RESUMED[name])
    for number in range(2):
        unbroken.step(number)
    state = steps.saved(unbroken.state(), tmp_path)
    resumed = trainer(audit=AuditConfig(every=2, positions=4), **RESUMED[name])
    resumed.restore(state)
    assert steps.same(resumed.state(), state)
    for number in range(2, 4):
        assert resumed.step(number).metrics == unbroken.step(number).metrics
    assert steps.same(resumed.state(), unbroken.state())


def test_a_step_depends_on_its_number_and_on_the_seed() -> None:
    def first(made, number):
        return made.groups(number)[0].tokens

    assert first(trainer(), 0) != first(trainer(), 1)
    other = trainer()
    other.seed += 1
    assert first(trainer(), 0) != first(other, 0)


def test_a_step_is_one_clipped_step_of_the_optimizer_and_one_of_the_baseline() -> None:
    """Not two, and the baseline averages the parameters after the step."""
    optimizer = OptimizerConfig(
        name="adamw", lr=0.01, clip_norm=0.5, warmup_steps=4, weight_decay=0.1
    )
    made, twin = (trainer(optimizer=optimizer) for _ in range(2))
    twin.accumulate(twin.groups(0), 0)
    by_hand = [torch.nn.Parameter(p.detach().clone()) for p in twin.policy.parameters()]
    for parameter, gradient in zip(by_hand, gradients(twin), strict=True):
        parameter.grad = gradient
    norm = torch.nn.utils.clip_grad_norm_(by_hand, 0.5)
    torch.optim.AdamW(by_hand, lr=0.01 / 4, betas=(0.9, 0.95), weight_decay=0.1).step()
    baseline = [p.clone() for p in made.ema.model.parameters()]
    metrics = made.step(0).metrics
    assert metrics["grad_norm"] == pytest.approx(float(norm), rel=1e-5)
    assert float(norm) > 0.5
    for moved, expected in zip(made.policy.parameters(), by_hand, strict=True):
        torch.testing.assert_close(moved, expected, rtol=1e-6, atol=1e-7)
    averages = zip(made.ema.model.parameters(), baseline, made.policy.parameters(), strict=True)
    for average, before, moved in averages:
        torch.testing.assert_close(average, 0.9 * before + 0.1 * moved, rtol=1e-5, atol=1e-7)


def test_the_baseline_begins_as_the_policy() -> None:
    made = trainer()
    fresh = type(made)(
        made.policy, made.codec, made.settings, made.thought, made.seed, made.documents
    )  # fmt: skip
    pairs = zip(fresh.ema.model.parameters(), made.policy.parameters(), strict=True)
    assert all(torch.equal(a, b) and a.dtype == torch.float32 for a, b in pairs)
    assert not any(p.requires_grad for p in fresh.ema.model.parameters())


def test_the_temperature_goes_from_one_end_to_the_other() -> None:
    made = trainer(temperature=0.8, final_temperature=0.2)
    assert [made.temperature(n) for n in range(4)] == pytest.approx([0.8, 0.6, 0.4, 0.2])
    assert made.temperature(99) == pytest.approx(0.2)
    assert made.temperature(HELDOUT) == 0.8
    assert trainer(final_temperature=0.2, steps=1).temperature(0) == 0.7
    assert {trainer().temperature(n) for n in range(4)} == {0.7}


def test_thoughts_are_drawn_and_learnt_at_the_step_s_temperature() -> None:
    made = trainer(final_temperature=2.0)
    group = made.groups(3)[0]
    found = steps.thought_logprobs(steps.plain(made.policy), group, made.worker.marks.open, 2.0)
    for drawn, expected in zip(group.logprobs, found, strict=True):
        assert drawn == pytest.approx(expected.tolist(), abs=2e-5)
    assert made.accumulate([group], 3).mismatch < 2e-5
    assert made.accumulate([group], 0).mismatch == 0.0  # of another step: not fresh


def test_dropout_is_off() -> None:
    made = trainer()
    policy = made.policy.train()
    for module in policy.modules():
        if hasattr(module, "attention_dropout"):
            module.attention_dropout = 0.5
    again = type(made)(policy, made.codec, made.settings, made.thought, made.seed, made.documents)
    assert again.step(0).metrics["mismatch"] < 2e-5
    assert not policy.training


def test_a_policy_that_is_all_but_certain_gives_finite_numbers() -> None:
    made = trainer(**ADDED, estimator="grpo", min_thought_tokens=2)
    made.policy.load_state_dict(models.model(5, spread=300.0).state_dict())
    metrics = made.step(0).metrics
    assert not metrics["skipped"]
    assert metrics["entropy"] < 0.5
    assert all(p.isfinite().all() for p in made.policy.parameters())


def test_one_thought_a_place_can_be_learnt_from() -> None:
    made = trainer(group_size=1, estimator="raw")
    rewards = [group.rewards[0] for group in made.groups(0)]
    before = copy.deepcopy(made.policy.state_dict())
    metrics = made.step(0).metrics
    assert metrics["reward_std"] == pytest.approx(pstdev(rewards)) != 0  # that of the places
    assert not metrics["skipped"]
    assert any(not torch.equal(before[k], v) for k, v in made.policy.state_dict().items())
