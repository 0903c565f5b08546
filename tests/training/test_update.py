"""The update: how it is cut changes nothing, what was banned stays banned, and bf16 computes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.rollout import engine
from rlp_core.training.config import OptimizerConfig
from rlp_core.training.groups import RolloutGroup, ThinkPosition
from rlp_core.training.positions import TokenizedDocument
from rlp_core.training.update import cost, parts
from tests import models
from tests.training import steps
from tests.training.steps import distance, gradients, stopping, textbook, trainer
from tests.training.test_learner import ADDED, VALUE


@pytest.mark.parametrize(
    "changes",
    [
        {"estimator": "batch_centred"},
        {"estimator": "grpo", "token_mean": "token"} | ADDED,
        {"estimator": "gae", "value": VALUE},
    ],
    ids=lambda changes: changes["estimator"],
)
def test_the_token_budget_and_the_order_change_nothing(changes) -> None:
    made = stopping(documents=3, **changes)
    groups = made.groups(0)
    whole = made.accumulate(groups, 0)
    expected = gradients(made)
    made.update_token_budget = 1
    by_text = made.accumulate(groups, 0)
    found = gradients(made)
    made.update_token_budget = 10**6
    turned = made.accumulate(groups[::-1], 0)
    for sums, gradient in ((by_text, found), (turned, gradients(made))):
        assert sums.terms == pytest.approx(whole.terms, abs=1e-5, rel=1e-5)
        assert sums.surprise == pytest.approx(whole.surprise, rel=1e-5)
        assert distance(gradient, expected) < 2e-5


def test_a_small_budget_makes_a_pass_for_each_text(monkeypatch) -> None:
    made = trainer(documents=3)
    groups = made.groups(0)
    read: list[int] = []
    states = engine.states
    monkeypatch.setattr(
        "rlp_core.training.update.engine.states",
        lambda model, trunks, branches: read.append(len(trunks)) or states(model, trunks, branches),
    )
    made.accumulate(groups, 0)
    texts = {id(g.position.document): [] for g in groups}
    for group in groups:
        texts[id(group.position.document)].append(group)
    made.update_token_budget = max(map(cost, texts.values()))
    made.accumulate(groups, 0)
    assert read == [3, 1, 1, 1]


def fed(groups: Sequence[RolloutGroup]) -> int:
    """Tokens that a part feeds: texts to their last place, and the thoughts."""
    ends: dict[int, int] = {}
    for group in groups:
        number = group.position.document.number
        ends[number] = max(ends.get(number, 0), group.position.index)
    return sum(ends.values()) + sum(len(t) for group in groups for t in group.tokens)


@given(
    st.lists(
        st.lists(st.tuples(st.integers(1, 20), st.integers(1, 9)), min_size=1, max_size=4),
        max_size=6,
    ),
    st.integers(1, 120),
)
def test_parts_keep_texts_whole_and_within_the_budget(drawn, budget: int) -> None:
    groups = [
        RolloutGroup(
            ThinkPosition(text, position, range(position, position + 1)),
            0,
            [[7] * n] * 2,
            [],
            [],
            [],
        )
        for number, positions in enumerate(drawn)
        for text in [TokenizedDocument(number, [5] * 30, [])]
        for position, n in positions
    ]
    found = list(parts(groups, budget))
    assert [group for part in found for group in part] == groups
    numbers = [{group.position.document.number for group in part} for part in found]
    assert all(not first & second for first, second in pairwise(numbers))
    assert all(fed(part) <= budget or len(n) == 1 for part, n in zip(found, numbers, strict=True))
    assert all(fed([*a, *_first_text(b)]) > budget for a, b in pairwise(found))


def _first_text(part: Sequence[RolloutGroup]) -> list[RolloutGroup]:
    return [group for group in part if group.position.document is part[0].position.document]


def test_log_probabilities_of_drawing_and_of_the_update_agree() -> None:
    made = stopping()
    assert made.accumulate(made.groups(0), 0).mismatch < 5e-6
    groups = made.groups(0)
    gradients(made)
    made.accumulate(groups, 0)
    expected = gradients(made)
    groups[0].logprobs[0][0] += 0.25
    assert made.accumulate(groups, 0).mismatch == pytest.approx(0.25, abs=1e-4)
    # fresh thoughts are not weighed: a mismatch is told, and changes nothing
    assert all(map(torch.equal, gradients(made), expected))


def test_a_thought_is_not_closed_early_and_the_update_knows() -> None:
    made = stopping(min_thought_tokens=3)
    close = made.worker.marks.close
    groups = [group for number in range(3) for group in made.groups(number)]
    drawn = [tokens for group in groups for tokens in group.tokens]
    assert all(close not in tokens[:3] for tokens in drawn)
    assert any(close in tokens for tokens in drawn)
    freely = [t for n in range(3) for g in stopping().groups(n) for t in g.tokens]
    assert any(close in tokens[:3] for tokens in freely)

    groups = made.groups(0)
    sums = made.accumulate(groups, 0)
    found = gradients(made)
    assert sums.mismatch < 5e-6
    policy, loss = steps.plain(made.policy), torch.zeros(())
    for group in groups:
        for advantage, tokens in zip(group.advantages, group.tokens, strict=True):
            row = torch.tensor([[*group.position.context, made.worker.marks.open, *tokens]])
            logits = policy(row).logits[0, group.position.index : -1] / 0.7
            ban = torch.zeros_like(logits)
            ban[:3, close] = -math.inf
            logprobs = (logits + ban).log_softmax(1)[range(len(tokens)), tokens]
            loss = loss - advantage * logprobs.mean() / 12
    assert distance(found, torch.autograd.grad(loss, list(policy.parameters()))) < 1e-4
    made.settings = made.settings.model_copy(update={"min_thought_tokens": 0})
    assert made.accumulate(groups, 0).mismatch > 1e-3


@pytest.mark.parametrize("limit", [1.0, 1.6])
def test_replayed_thoughts_are_weighed_as_in_the_textbook(limit: float) -> None:
    made = stopping(**ADDED, estimator="grpo")
    made.settings = made.settings.model_copy(update={"importance_limit": limit})
    groups = made.groups(0)
    fresh = made.accumulate(groups, 0)
    gradients(made)
    for group in groups[::2]:
        group.step = -2
        group.logprobs = [
            [value + 0.5 * (-1) ** (j + (i == 0)) for i, value in enumerate(thought)]
            for j, thought in enumerate(group.logprobs)
        ]
    expected, gradient = textbook(made, groups)
    sums = made.accumulate(groups, 0)
    assert distance(gradients(made), gradient) < 1e-4
    assert sums.terms["surrogate"] == pytest.approx(
        float(expected.parts["surrogate"].detach()), abs=2e-5
    )
    assert sums.terms["surrogate"] != pytest.approx(fresh.terms["surrogate"], abs=1e-3)
    for name in ("kl", "entropy", "ntp"):
        assert sums.terms[name] == pytest.approx(fresh.terms[name], rel=1e-6)
    stale = sum(len(tokens) for group in groups[::2] for tokens in group.tokens)
    assert len(sums.ratios) == stale
    assert sorted({round(ratio, 3) for ratio in sums.ratios}) == [0.607, 1.649]


def test_bf16_computes_and_fp32_remembers() -> None:
    optimizer = OptimizerConfig(name="adamw", lr=1e-5)
    made = trainer(precision="bfloat16", optimizer=optimizer, documents=3)
    before = [p.clone() for p in made.policy.parameters()]
    baseline = [p.clone() for p in made.ema.model.parameters()]
    metrics = made.step(0).metrics
    assert 0 < metrics["mismatch"] < 0.5
    assert {p.dtype for p in made.policy.parameters()} == {torch.float32}
    assert {p.dtype for p in made.compute.model.parameters()} == {torch.bfloat16}
    assert all(p.isfinite().all() for p in made.policy.parameters())
    for old, new in zip(before, made.policy.parameters(), strict=True):
        assert not torch.equal(old, new)  # a step of 1e-5, which bf16 would round away
    for old, new in zip(baseline, made.ema.model.parameters(), strict=True):
        assert new.dtype == torch.float32
        assert not torch.equal(old, new)
    pairs = zip(made.compute.model.parameters(), made.policy.parameters(), strict=True)
    assert all(torch.equal(own, master.bfloat16()) for own, master in pairs)


def test_bf16_s_gradient_points_where_fp32_s_does() -> None:
    exact, rough = (trainer(precision=c) for c in ("float32", "bfloat16"))
    groups = exact.groups(0)
    found = []
    for each in (exact, rough):
        each.accumulate(groups, 0)
        found.append(torch.cat([g.flatten() for g in gradients(each)]))
    assert found[1].dtype == torch.float32
    assert torch.cosine_similarity(found[0], found[1], dim=0) > 0.98


def test_bf16_gradients_of_parts_add_up_in_fp32() -> None:
    made = trainer(precision="bfloat16", documents=3)
    groups = made.groups(0)
    made.accumulate(groups, 0)
    whole = gradients(made)
    made.update_token_budget = 1
    made.accumulate(groups, 0)
    assert distance(gradients(made), whole) < 0.05


def test_bf16_turns_positions_by_exact_angles() -> None:
    made = trainer(precision="bfloat16")
    pairs = zip(made.policy.buffers(), made.compute.model.buffers(), strict=True)
    assert all(torch.equal(own, master) for own, master in pairs)
    assert {b.dtype for b in made.compute.model.buffers()} == {torch.float32}


def test_the_models_of_these_tests_tie_their_embeddings() -> None:
    """So the gradient through a tied head is what they check."""
    model = models.model()
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight
