"""The check judges rightly: right code passes whatever rounding does, and no fault does."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, PreTrainedModel, Qwen3Config

from rlp_core.rollout import attention, branch_attention, branches, dense, engine, verify
from rlp_core.rollout.blocks import Segment
from rlp_core.rollout.branch_attention import KERNELS
from rlp_core.rollout.branches import Branch
from rlp_core.rollout.verify import Agreement, compare
from tests.rollout import trees

TRUNKS = [[3, 4, 5, 6], [7, 8, 9]]
BRANCHES = [Branch(0, 2, [10, 11]), Branch(0, 2, [10]), Branch(1, 3, [3, 4])]

VOCABULARY, WIDTH = 16_500, 64
SPREADS = [(1.0, 3.0), (1.5, 3.0), (2.5, 3.0), (1.5, 6.0)]
"""Weights of the layers, as multiples of the usual; standard deviation of the logits."""


@cache
def deep(weights: float, logits: float, kernel: str) -> PreTrainedModel:
    """A random model of 12 layers and a real vocabulary, in bf16."""
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=VOCABULARY, hidden_size=WIDTH, intermediate_size=4 * WIDTH,
        num_hidden_layers=12, num_attention_heads=4, num_key_value_heads=2, head_dim=16,
        max_position_embeddings=256, tie_word_embeddings=False,
    )  # fmt: skip
    made = AutoModelForCausalLM.from_config(config).float().eval()
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if parameter.ndim == 2:
                usual = "lm_head" in name
                parameter.mul_(logits / (0.02 * WIDTH**0.5) if usual else weights)
    assert attention.enable(made, kernel)
    for parameter in made.parameters():
        parameter.data = parameter.data.bfloat16()
    return made


@cache
def tree() -> tuple[list[list[int]], list[Branch]]:
    random = torch.Generator().manual_seed(1)

    def tokens(count: int) -> list[int]:
        return torch.randint(0, VOCABULARY, (count,), generator=random).tolist()

    places = (0, 0, 0, 0, 1, 1, 1, 1)
    return [tokens(64)], [Branch(0, 30 + 20 * place, tokens(20)) for place in places]


@pytest.mark.parametrize("family", trees.FAMILIES)
def test_a_sound_model_agrees(family):
    found = compare(trees.branching(family), TRUNKS, BRANCHES)
    assert found.good
    assert 0 < found.tail < 1e-4
    assert found.dense_rms == found.dense_tail == 0  # in fp32 the dense path is its own measure


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("spread", SPREADS)
def test_in_bf16_a_deep_model_with_a_real_vocabulary_agrees(spread, kernel):
    """A fixed tolerance of 0.2 nats over the vocabulary rejected two of these."""
    found = compare(deep(*spread, kernel), *tree())
    assert found.good
    assert found.rms > 0.01  # and yet the two do differ, by what rounding does
    assert found.rms < 1.5 * found.dense_rms
    assert found.dense_tail > 1e-2


def late(packed: branches.Packed) -> branches.Packed:
    """Position ids of branches that are one too high."""
    first = packed.attention.first  # type: ignore[union-attr]
    moved = packed.positions.clone()
    moved[:, first:] += 1
    return replace(packed, positions=moved)


def seen_by_its_neighbour(segments: list[Segment]) -> list[Segment]:
    """The second branch sees the first."""
    one, two, *others = segments
    joined = replace(one, queries=one.queries + two.queries, keys=one.keys + two.keys)
    return [joined, *others]


def shifted(by: int):
    """Branches see more of the trunk than what stands before their position, or less."""
    return lambda segments: [replace(each, keys=each.keys + by) for each in segments]


@pytest.fixture(params=["positions", "another branch", "one token more", "one token less"])
def fault(request, monkeypatch):
    """Something is wrong with who sees whom, or from where."""

    def wrap(module, name, change):
        real = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *rest: change(real(*rest)))

    match request.param:
        case "positions":
            wrap(engine, "pack", late)
        case "another branch":
            wrap(branches, "own_segments", seen_by_its_neighbour)
        case "one token more":
            wrap(branches, "across_segments", shifted(1))
        case "one token less":
            wrap(branches, "across_segments", shifted(-1))


@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.usefixtures("fault")
def test_in_bf16_a_fault_is_found(spread):
    assert not compare(deep(*spread, "auto"), *tree()).good


@pytest.mark.usefixtures("fault")
def test_in_fp32_a_fault_is_found():
    assert not compare(trees.branching("qwen3"), *trees_of_its_size()).good


def trees_of_its_size() -> tuple[list[list[int]], list[Branch]]:
    return [[3, 4, 5, 6, 7, 8]], [Branch(0, 3, [9, 10, 2, 1]), Branch(0, 3, [4, 5, 2])]


SABOTAGE = {
    "the trunk is not seen": lambda _, own: own,
    "the branch does not see itself": lambda across, _: across,
    "the two are added, not merged": lambda across, own: (across[0] + own[0], own[1]),
    "NaN": lambda across, own: (across[0] * math.nan, own[1]),
}


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("how", SABOTAGE)
def test_attention_that_is_wrong_does_not_agree(monkeypatch, how, kernel):
    monkeypatch.setattr(branch_attention, "merge", SABOTAGE[how])
    found = compare(trees.branching("qwen3", kernel), TRUNKS, BRANCHES)
    assert not found.good
    assert how != "NaN" or math.isnan(found.rms)


def test_a_difference_in_the_trunk_alone_is_found(monkeypatch):
    states = engine.states
    monkeypatch.setattr(
        engine,
        "states",
        lambda *rest: states(*rest).index_add(0, torch.tensor([1]), torch.ones(1, 16)),
    )
    assert not compare(trees.branching("qwen3"), TRUNKS, []).good


def test_the_measure_is_full_fp32_whatever_the_products_round_to(monkeypatch):
    """And the setting is as it was afterwards."""
    real, seen = dense.hidden_states, []

    def watching(model, rows):
        seen.append((model.dtype, torch.get_float32_matmul_precision()))
        return real(model, rows)

    monkeypatch.setattr(dense, "hidden_states", watching)
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        compare(trees.branching("qwen3"), TRUNKS, BRANCHES)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
    rows = len(TRUNKS) + len(BRANCHES)
    assert seen == [(torch.float32, "medium")] * rows + [(torch.float32, "highest")] * rows


def test_a_model_keeps_its_type():
    model = deep(*SPREADS[0], "auto")
    compare(model, *tree())
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=3000))
def test_the_tail_is_a_value_that_a_thousandth_at_most_exceeds(values):
    rms, tail = verify._strays(torch.tensor(values))
    sizes = [abs(value) for value in torch.tensor(values).tolist()]
    assert rms == pytest.approx(math.sqrt(sum(s * s for s in sizes) / len(sizes)))
    assert tail in sizes
    assert sum(size > tail for size in sizes) <= len(sizes) / 1000


def test_nothing_to_compare_agrees():
    found = compare(trees.branching("qwen3"), [[3]], [Branch(0, 1, [4])])
    assert found == Agreement(0.0, 0.0, 0.0, 0.0)
    assert found.good
