"""Thoughts of one document in micro-batches: the same gradients, in a fraction of the memory."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.objective import estimators
from rlp_core.rollout.attention import enable
from rlp_core.rollout.branch_attention import KERNELS
from rlp_core.rollout.branches import Branch
from rlp_core.rollout.engine import states
from rlp_core.rollout.shared_trunks import SharedTrunks
from rlp_core.training.config import ReplayConfig
from rlp_core.training.groups import RolloutGroup, ThinkPosition
from rlp_core.training.positions import TokenizedDocument
from rlp_core.training.update import micro_batches
from tests import models
from tests.kept import counting
from tests.training.steps import LEAD, distance, gradients, stopping, textbook
from tests.training.test_learner import ADDED, LORA, VALUE

SETTINGS = [
    {"estimator": name} | ({"value": VALUE} if estimators.get(name).per_token else {})
    for name in estimators.names()
] + [
    {"token_mean": "token"} | ADDED,
    {"estimator": "gae", "value": VALUE, "horizon": 3} | ADDED,
    {"min_thought_tokens": 2, "kl_weight": 0.3, "horizon": 2},
    {"lora": LORA, "kl_weight": 0.3, "ntp_weight": 0.4},
    {"lead": LEAD, "kl_weight": 0.3, "ntp_weight": 0.4},
]


@pytest.mark.parametrize("changes", SETTINGS, ids=str)
@pytest.mark.parametrize(("budget", "kernel"), [(1, "blocks"), (1, "flash"), (25, "flash")])
def test_micro_batches_change_no_gradient_and_no_metric(changes, budget: int, kernel: str) -> None:
    made = stopping(documents=2, positions=3, group_size=5, kernel=kernel, **changes)
    groups = made.groups(0)
    made.update_token_budget = 10**6
    whole = made.accumulate(groups, 0)
    expected = gradients(made)
    spent = made.ledger.as_dict()
    made.update_token_budget = budget
    parted = made.accumulate(groups, 0)
    assert distance(gradients(made), expected) < 2e-5
    assert parted.terms == pytest.approx(whole.terms, abs=1e-5, rel=1e-5)
    assert parted.surprise == pytest.approx(whole.surprise, rel=1e-5)
    assert parted.tokens == whole.tokens
    assert parted.mismatch < 3e-5  # fp32's rounding in log-probabilities near -6
    again = made.ledger.as_dict()
    for kind in ("tokens", "flops"):  # nothing is read twice
        for phase in ("update", "reference"):
            assert again[kind].get(phase, 0) == 2 * spent[kind].get(phase, 0)


def test_their_gradient_is_the_textbook_s() -> None:
    made = stopping(documents=1, positions=2, horizon=2, **ADDED)
    groups = made.groups(0)
    _, expected = textbook(made, groups)
    made.update_token_budget = 1
    made.accumulate(groups, 0)
    assert distance(gradients(made), expected) < 1e-4


def test_replayed_thoughts_keep_their_weights() -> None:
    made = stopping(documents=1, replay=ReplayConfig(groups=2), importance_limit=1.2)
    made.step(0)
    groups = sorted(
        [*made.groups(1), *made.buffer.draw(2, 1)], key=lambda g: g.position.document.number
    )
    made.update_token_budget = 10**6
    whole = made.accumulate(groups, 1)
    expected = gradients(made)
    made.update_token_budget = 1
    parted = made.accumulate(groups, 1)
    assert distance(gradients(made), expected) < 2e-5
    assert sorted(parted.ratios) == pytest.approx(sorted(whole.ratios), rel=1e-5)


@pytest.mark.parametrize("kernel", KERNELS)
def test_in_bf16_the_gradients_of_the_trunk_add_up_in_fp32(kernel: str) -> None:
    """Thoughts one by one round no more than all of them at once."""
    made = stopping(documents=1, positions=2, group_size=6, precision="bfloat16", kernel=kernel)
    groups = made.groups(0)
    exact = stopping(documents=1, positions=2, group_size=6)
    exact.accumulate(groups, 0)
    expected = gradients(exact)
    off = []
    for budget in (10**6, 1):
        made.update_token_budget = budget
        made.accumulate(groups, 0)
        off.append(distance(gradients(made), expected))
    assert off[1] < 1.5 * off[0] + 1e-3


@given(st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=6), min_size=1, max_size=4),
       st.integers(1, 40))  # fmt: skip
def test_every_thought_is_in_one_micro_batch_within_the_budget(drawn, budget: int) -> None:
    text = TokenizedDocument(3, [5] * 30, [])
    groups = [
        RolloutGroup(
            ThinkPosition(text, i + 1, range(i + 1, i + 2)), 0, [[t] * t for t in kinds],
            [True] * len(kinds), [[0.0] * t for t in kinds], [float(t) for t in kinds],
        )
        for i, kinds in enumerate(drawn)
    ]  # fmt: skip
    found = list(micro_batches(groups, budget))
    places: dict[int, list[list[int]]] = {}
    for part in found:
        for group in part:
            places.setdefault(group.position.index, []).extend(group.tokens)
            assert group.predicted == [float(len(tokens)) for tokens in group.tokens]
    assert {i: sorted(t) for i, t in places.items()} == {
        g.position.index: sorted(g.tokens) for g in groups
    }
    for part in found:
        distinct = [set(map(tuple, group.tokens)) for group in part]
        size = sum(len(tokens) + 2 for kinds in distinct for tokens in kinds)
        assert size <= budget or sum(map(len, distinct)) == 1
    alike = [(g.position.index, tuple(t)) for part in found for g in part for t in g.tokens]
    parts_of = {key: {i for i, part in enumerate(found) for g in part
                      if g.position.index == key[0] and list(key[1]) in g.tokens}
                for key in alike}  # fmt: skip
    assert all(len(where) == 1 for where in parts_of.values())  # equal ones stay together


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("positions", [[4], [1, 9, 9, 6]])
def test_branches_of_shared_trunks_read_what_packed_ones_do(
    positions: list[int], kernel: str
) -> None:
    model, codec = models.model(5), models.codec()
    enable(model, kernel)
    trunks = [
        codec.encode("Q: 3+4-5\nA:2\nQ: 9-8\n"),
        codec.encode("The nurse said that she was late.") * 2,
    ]
    branches = [Branch(i % 2, p, [7, 9, 11][: 1 + i % 3]) for i, p in enumerate(positions)]
    with torch.no_grad():
        packed = states(model, trunks, branches)[sum(map(len, trunks)) :]
        shared = SharedTrunks(model, trunks)
        torch.testing.assert_close(shared.states(branches), packed, atol=1e-5, rtol=1e-5)
        apart = torch.cat([shared.states([branch]) for branch in branches])
    torch.testing.assert_close(apart, packed, atol=1e-5, rtol=1e-5)


def test_in_bf16_what_micro_batches_give_a_trunk_adds_up_in_fp32() -> None:
    """Each sum would round in bf16, and many thoughts hang on one trunk."""
    model = models.model(5, spread=2.0).bfloat16()
    trunk = models.codec().encode("The nurse said that she was late.")
    thoughts = [Branch(0, 4, [7 + i, 9, 11 + i]) for i in range(16)]

    def left(some: list[Branch]) -> list[torch.Tensor]:
        shared = SharedTrunks(model, [trunk])
        for branch in some:
            shared.states([branch]).float().square().sum().backward()
        leaves = [leaf for pair in shared.leaves.values() for leaf in pair]
        return [leaf.grad for leaf in leaves if leaf.grad is not None]

    together, apart = left(thoughts), [left([thought]) for thought in thoughts]
    for index, found in enumerate(together):
        assert found.dtype == torch.float32
        expected = sum(each[index].double() for each in apart)
        error = (found.double() - expected).norm() / expected.norm()
        rough = torch.zeros_like(found, dtype=torch.bfloat16)
        for each in apart:
            rough += each[index].bfloat16()
        lost = (rough.double() - expected).norm() / expected.norm()
        assert float(error) < 1e-6 < 1e-3 < float(lost)


def test_ten_times_the_memory_is_saved_where_thoughts_are_many_and_long() -> None:
    made = stopping(documents=1, positions=1, group_size=48, min_thought_tokens=0)
    groups = made.groups(0)
    for group in groups:  # long thoughts, all distinct
        group.tokens = [[(7 * i + j) % 200 for j in range(40)] for i in range(48)]
        group.stopped = [False] * 48
        group.logprobs = [[-1.0] * 40] * 48
        group.advantages = [float(i % 5 - 2) for i in range(48)]
    peaks, found = [], []
    for budget in (10**6, 64):
        made.update_token_budget = budget
        with counting() as count:
            made.accumulate(groups, 0)
        peaks.append(count["peak"])
        found.append(gradients(made))
    assert distance(found[1], found[0]) < 2e-5
    assert peaks[0] > 10 * peaks[1]
