"""Memory counted without content, layer by layer and row by row."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import (
    GemmaConfig,
    GPT2Config,
    LlamaConfig,
    PreTrainedConfig,
    Qwen2Config,
    Qwen3Config,
)

from rlp_core.planning import dry_run, passes
from rlp_core.planning.dry_run import (
    EMBEDDING,
    FORWARD,
    HEAD,
    LAYERS,
    Footprint,
    counted,
    footprint,
)
from rlp_core.planning.passes import Tree
from rlp_core.planning.shapes import ModelShape
from rlp_core.rollout.engine import branching

SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 64,
    "vocab_size": 96,
}
TREE = Tree(trunk=20, branches=3, fed=6, scored=6)


def qwen(**changes: object) -> ModelShape:
    return ModelShape.of(Qwen3Config(**{**SMALL, "head_dim": 8, **changes}), "test")


def meta(count: int) -> torch.Tensor:
    return torch.empty(count, device="meta")


def test_what_lives_together_is_added_up() -> None:
    def run(_: object) -> None:
        one = meta(100)
        two = meta(50)
        del one
        three = meta(30)
        del two, three
        meta(10)

    assert footprint(qwen().short(1, "float32"), run).peak[FORWARD] == 4 * 150


def test_views_parameters_and_their_gradients_are_not_counted() -> None:
    def run(model: torch.nn.Module) -> None:
        kept = [parameter.view(-1) for parameter in model.parameters()]
        kept += [parameter.grad.view(-1) for parameter in model.parameters()]
        whole = meta(8)
        kept += [whole[:4], whole.view(2, 4)]

    assert footprint(qwen().short(1, "float32"), run).most == 4 * 8


def test_a_model_is_left_as_it_was() -> None:
    model = qwen().short(2, "float32")
    footprint(model, lambda m: passes._loss(m, lambda: passes._states(m, 1, TREE), 18, False))
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not model.training


PASSES = {
    "whole": lambda shape, kind: passes.whole_update(shape, kind, 2, TREE, True),
    "parted": lambda shape, kind: passes.parted_update(shape, kind, 2, TREE, False),
    "supervised": lambda shape, kind: passes.supervised(shape, kind, 3, 16, False),
    "made again": lambda shape, kind: passes.supervised(shape, kind, 3, 16, True),
    "reading": lambda shape, kind: passes.reading(shape, kind, 3, 16, 2),
    "prefill": lambda shape, kind: passes.prefill(shape, kind, 3, 16),
    "branched": lambda shape, kind: passes.branched(shape, kind, 2, TREE),
    "both ways": lambda shape, kind: passes.both_ways(shape, kind, 2, TREE),
}


@pytest.mark.parametrize("name", PASSES)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_many_layers_take_what_a_run_of_all_of_them_takes(
    name: str, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    extended = PASSES[name](qwen(num_hidden_layers=6), precision)
    monkeypatch.setattr(dry_run, "ANCHORS", (2, 6))
    for function in vars(passes).values():
        if hasattr(function, "cache_clear"):
            function.cache_clear()
    assert extended == PASSES[name](qwen(num_hidden_layers=6), precision)


@pytest.mark.parametrize("name", PASSES)
def test_many_rows_take_about_what_a_run_of_all_of_them_takes(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dry_run, "EXACT", 10**6)
    for function in vars(passes).values():
        if hasattr(function, "cache_clear"):
            function.cache_clear()
    exact = PASSES[name](qwen(), "float32")
    monkeypatch.setattr(dry_run, "EXACT", 1)
    for function in vars(passes).values():
        if hasattr(function, "cache_clear"):
            function.cache_clear()
    extended = PASSES[name](qwen(), "float32")
    assert extended.most == pytest.approx(exact.most, rel=0.05)
    assert extended.kept == pytest.approx(exact.kept, rel=0.05)


@settings(max_examples=20)
@given(st.integers(1, 500), st.integers(1, 200), st.integers(0, 10**6), st.integers(1, 10**4))
def test_a_straight_line_is_followed_exactly(
    count: int, tokens: int, start: int, each: int
) -> None:
    def measure(rows: int) -> Footprint:
        return Footprint({FORWARD: start + each * rows, LAYERS: each * rows}, each * rows, rows)

    assert counted(measure, count, tokens) == measure(count)


def test_recomputed_layers_keep_less_and_the_rest_is_the_same() -> None:
    shape = qwen(num_hidden_layers=8)
    kept = passes.supervised(shape, "float32", 4, 64, False)
    again = passes.supervised(shape, "float32", 4, 64, True)
    assert again.kept < kept.kept / 4
    assert again.peak[EMBEDDING] == kept.peak[EMBEDDING]


def test_without_gradient_nothing_goes_backward() -> None:
    found = passes.reading(qwen(), "float32", 2, 16, 4)
    assert found.peak[LAYERS] == found.peak[EMBEDDING] == found.last == 0
    assert found.peak[FORWARD] > 0
    assert found.peak[HEAD] > 0


def test_prefill_keeps_the_keys_and_values_of_all_layers() -> None:
    one, other = (
        passes.prefill(qwen(num_hidden_layers=n), "bfloat16", 3, 16).most for n in (12, 13)
    )
    assert other - one == 3 * 16 * qwen().keys * 2


ARCHITECTURES: dict[str, PreTrainedConfig] = {
    "qwen2": Qwen2Config(**SMALL),
    "llama": LlamaConfig(**SMALL),
    "gemma": GemmaConfig(**SMALL, head_dim=8),
    "gpt2": GPT2Config(n_embd=32, n_layer=2, n_head=4, vocab_size=96, n_positions=128),
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_other_architectures_are_counted_too(name: str) -> None:
    shape = ModelShape.of(ARCHITECTURES[name], name)
    few = passes.whole_update(shape, "float32", 1, TREE, False)
    more = passes.whole_update(shape, "float32", 2, TREE, False)
    assert 1.5 * few.kept < more.kept < 2.5 * few.kept
    assert passes.both_ways(shape, "float32", 2, TREE).most > 0
    assert shape.parameters == sum(p.numel() for p in shape.model.parameters())
    assert branching(shape.model)


def test_two_shapes_of_one_configuration_are_one_key() -> None:
    assert hash(qwen()) == hash(qwen())
    assert qwen() == qwen()
    assert qwen() != qwen(vocab_size=97)
