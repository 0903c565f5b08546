import logging
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    Gemma2Config,
    LlamaConfig,
    MistralConfig,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from rlp_core.errors import ConfigError
from rlp_core.rollout import attention, blocks, flash
from rlp_core.rollout.branch_attention import KERNELS
from rlp_core.rollout.branches import Branch, pack
from tests.rollout import trees


def tree_mask(packed, trunks, branches):
    """[N, N] True where a token may look."""
    count = packed.ids.shape[1]
    seen = torch.zeros(count, count, dtype=torch.bool)
    for start, trunk in zip(packed.trunk_starts, trunks, strict=True):
        seen[start : start + len(trunk), start : start + len(trunk)] = True
    for start, branch in zip(packed.branch_starts, branches, strict=True):
        trunk, end = packed.trunk_starts[branch.trunk], start + len(branch.tokens)
        seen[start:end, start:end] = True
        seen[start:end, trunk : trunk + branch.position] = True
    return seen.tril()


def textbook(query, key, value, seen, scale, softcap):
    """softmax(q k^T) v, with heads that share keys, in float64."""
    query, key, value = (t.double().transpose(0, 1) for t in (query, key, value))
    repeat = len(query) // len(key)
    key, value = (t.repeat_interleave(repeat, dim=0) for t in (key, value))
    score = query @ key.mT * scale
    if softcap:
        score = softcap * torch.tanh(score / softcap)
    return (torch.softmax(score.masked_fill(~seen, -torch.inf), -1) @ value).transpose(0, 1)


def tensors(count, heads, groups, seed=0, size=4):
    generator = torch.Generator().manual_seed(seed)
    made = (torch.randn(count, n, size, generator=generator) * 2 for n in (heads, groups, groups))
    return tuple(t.requires_grad_() for t in made)


limits = st.fixed_dictionaries(
    {
        "SCORES": st.sampled_from([1, 6, 40, 1 << 20]),
        "WASTE": st.sampled_from([1.0, 4.0]),
        "SMALL": st.sampled_from([0, 20, 1 << 14]),
    }
)


def laid_out(tree, kernel, limit):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in limit.items():
            patch.setattr(blocks, name, value)
        patch.setattr(flash, "SMALL", limit["SMALL"])
        return pack(*tree, kernel=kernel)


shared = st.sampled_from([(4, 4), (4, 2), (3, 1)])
"""Heads, and heads of keys."""
kernels = st.sampled_from([("blocks", 0.0), ("blocks", 1.5), ("flash", 0.0)])
"""A kernel and a soft cap that it knows."""


@given(trees.trees(), limits, shared, kernels, st.integers(0, 9))
@settings(max_examples=150)
def test_calls_of_any_size_give_the_textbooks_result_and_gradient(tree, limit, heads, kernel, seed):
    name, softcap = kernel
    assert_like_textbook(laid_out(tree, name, limit), tree, heads, seed, softcap)


def assert_like_textbook(packed, tree, heads, seed, softcap=0.0):
    """Result and gradients, on random numbers."""
    inputs = tensors(packed.ids.shape[1], *heads, seed)
    found = packed.attention.attend(0, *inputs, 0.5, softcap)
    expected = textbook(*inputs, tree_mask(packed, *tree), 0.5, softcap)
    torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=1e-5)
    weight = torch.randn(found.shape, generator=torch.Generator().manual_seed(seed + 1))
    ours = torch.autograd.grad((found * weight).sum(), inputs)
    theirs = torch.autograd.grad((expected * weight).sum(), inputs)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, atol=3e-5, rtol=1e-4)


@pytest.mark.parametrize("kernel", KERNELS)
@given(tree=trees.trees(), heads=shared, seed=st.integers(0, 9))
@settings(max_examples=30)
def test_in_bf16_it_is_as_near_the_textbook_as_the_textbook_rounded(kernel, tree, heads, seed):
    packed = pack(*tree, kernel=kernel)
    seen = tree_mask(packed, *tree)
    inputs = [t.detach().bfloat16().requires_grad_() for t in tensors(len(seen), *heads, seed)]
    weight = torch.randn(len(seen), heads[0], 4, generator=torch.Generator().manual_seed(seed + 1))
    results = (packed.attention.attend(0, *inputs, 0.5, 0.0), textbook(*inputs, seen, 0.5, 0.0))
    assert results[0].dtype == torch.bfloat16
    both = [
        [result.detach(), *torch.autograd.grad((result * weight).sum(), inputs)]
        for result in results
    ]
    largest = max(float(each.double().norm()) for each in both[1])
    for found, expected in zip(*both, strict=True):
        assert float((found.double() - expected.double()).norm()) < 0.02 * largest


@pytest.mark.parametrize("kernel", KERNELS)
@given(tree=trees.trees(), limit=limits)
@settings(max_examples=20)
def test_a_model_does_not_notice_how_calls_are_cut(kernel, tree, limit):
    model = trees.branching("qwen3")
    whole = pack(*tree, kernel=kernel).states(model)
    cut = laid_out(tree, kernel, limit).states(model)
    torch.testing.assert_close(cut, whole, atol=1e-5, rtol=1e-5)
    trees.assert_same_gradients(
        trees.gradients(model, cut.square().sum()), trees.gradients(model, whole.square().sum())
    )


@pytest.mark.parametrize("kernel", KERNELS)
def test_scores_beyond_all_bounds_stay_finite(kernel):
    """A row that is near-deterministic must give a gradient of nothing, not NaN."""
    packed = pack([[1, 2, 3]], [Branch(0, 2, [1, 2]), Branch(0, 0, [1])], kernel=kernel)
    inputs = tuple((t * 1e4).detach().requires_grad_() for t in tensors(6, 2, 1))
    found = packed.attention.attend(0, *inputs, 0.5, 0.0)
    for gradient in torch.autograd.grad(found.sum(), inputs):
        assert torch.isfinite(gradient).all()


@given(trees.trees(), limits, st.sampled_from([1e1, 1e2, 1e4]), st.integers(0, 9))
def test_the_gradient_of_any_scores_is_finite_whatever_is_padded(tree, limit, size, seed):
    """A padded query must not meet a key whose score is far above all that it has seen."""
    for kernel in KERNELS:
        packed = laid_out(tree, kernel, limit)
        made = tensors(packed.ids.shape[1], 4, 2, seed)
        inputs = tuple((t * size).detach().requires_grad_() for t in made)
        found = packed.attention.attend(0, *inputs, 0.5, 0.0)
        for gradient in torch.autograd.grad(found.sum(), inputs):
            assert torch.isfinite(gradient).all()


class Largest(TorchDispatchMode):
    """Elements of the largest tensor that an operation made."""

    def __init__(self):
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(tensor, torch.Tensor):
                self.elements = max(self.elements, tensor.numel())
        return result


def largest(positions, copies, length, kernel, trunk=96):
    branches = [
        Branch(0, trunk // positions * (1 + i), [1] * length)
        for i in range(positions)
        for _ in range(copies)
    ]
    packed = pack([[1] * trunk], branches, kernel=kernel)
    heads, size = 2, 4
    inputs = tensors(packed.ids.shape[1], heads, 1, size=size)
    with Largest() as made:
        packed.attention.attend(0, *inputs, 0.5, 0.0).sum().backward()
    return made.elements, packed.ids.shape[1] * heads * size


@pytest.mark.parametrize("kernel", KERNELS)
def test_no_scores_beyond_the_limit_are_made_forward_or_backward(monkeypatch, kernel):
    """Neither [branch x branch] nor [branch x trunk]: 1,500 branch tokens, 2.3 million pairs."""
    monkeypatch.setattr(blocks, "SCORES", 1 << 12)
    elements, rows = largest(positions=3, copies=20, length=25, kernel=kernel)
    assert elements <= max(2 * (1 << 12), 2 * rows)  # heads times the limit; padded copies of rows


@pytest.mark.parametrize("kernel", KERNELS)
def test_memory_is_linear_in_the_thoughts(kernel):
    """What is kept for the backward pass grows as the tokens do."""

    def kept(copies):
        packed = pack([[1] * 40], [Branch(0, 30, [1] * 20) for _ in range(copies)], kernel=kernel)
        inputs = tensors(packed.ids.shape[1], 2, 1)
        total = 0

        def count(tensor):
            nonlocal total
            total += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            packed.attention.attend(0, *inputs, 0.5, 0.0)
        return total, packed.ids.shape[1]

    (few, short), (many, long) = kept(10), kept(100)
    assert many / few == pytest.approx(long / short)


def test_pairs_of_two_branches_share_no_task():
    """The work grows with the branches, not with their square."""
    for copies in (4, 40):
        packed = pack([[1] * 16], [Branch(0, 8, [1] * 10) for _ in range(copies)])
        pairs = sum(
            t.queries * t.keys for b in packed.attention.own.blocks.blocks for t in b.segments
        )
        assert pairs == copies * 10 * 10


# ---------------------------------------------------------------------- models that may and may not


@pytest.mark.parametrize("family", trees.FAMILIES)
def test_every_family_of_full_attention_is_taken(family):
    model = trees.build(trees.FAMILIES[family])
    assert attention.enable(model)
    assert attention.enable(model)
    assert model.config._attn_implementation == attention.NAME


@pytest.mark.parametrize(
    ("config", "named"),
    [
        (MistralConfig(**trees.SIZE, num_key_value_heads=2, sliding_window=8), "sliding_window"),
        (Gemma2Config(**trees.SIZE, num_key_value_heads=2), "sliding_attention in 1 of"),
        (
            Qwen3Config(
                **trees.SIZE,
                num_key_value_heads=2,
                use_sliding_window=True,
                sliding_window=8,
                max_window_layers=0,
            ),
            "sliding_attention in 2 of",
        ),
    ],
    ids=["mistral", "gemma2", "qwen3"],
)
def test_sliding_windows_are_refused_by_name(config, named):
    with pytest.raises(ConfigError, match="does not attend to its whole context") as raised:
        attention.enable(trees.build(config))
    assert named in str(raised.value)
    assert "layer_types" in raised.value.fix


def test_dropout_is_refused():
    config = LlamaConfig(**trees.SIZE, num_key_value_heads=2, attention_dropout=0.1)
    with pytest.raises(ConfigError, match=r"attention_dropout = 0\.1"):
        attention.enable(trees.build(config))
    inputs = (t[None].transpose(1, 2) for t in tensors(3, 2, 1))
    with pytest.raises(ValueError, match="dropout"):
        attention.attention(torch.nn.Module(), *inputs, None, dropout=0.1)


class OffRegistry(Qwen3ForCausalLM):
    """A model whose authors did not take attention from the registry."""

    _supports_attention_backend = False


def test_a_model_off_the_registry_is_left_as_it_is():
    bloom = AutoModelForCausalLM.from_config(
        BloomConfig(vocab_size=12, hidden_size=16, n_layer=2, n_head=2)
    )
    for model in (OffRegistry(trees.FAMILIES["qwen3"].__class__(**trees.SIZE)), bloom):
        before = model.config._attn_implementation
        assert not attention.enable(model)
        assert model.config._attn_implementation == before


def test_a_saved_model_does_not_ask_its_reader_for_branches(tmp_path, caplog):
    trees.branching("qwen3").save_pretrained(tmp_path)
    with caplog.at_level(logging.WARNING):
        loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert loaded.config._attn_implementation != attention.NAME
    assert attention.NAME not in (tmp_path / "config.json").read_text()


@pytest.mark.parametrize("family", ["qwen3", "llama", "gemma2"])
@torch.no_grad()
def test_without_branches_attention_is_plainly_causal(family):
    ids = torch.tensor([[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]])
    found = trees.branching(family)(input_ids=ids, use_cache=False).logits
    expected = trees.plain(family)(input_ids=ids, use_cache=False).logits
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_a_mask_or_a_cache_without_branches_is_refused():
    query, key, value = (t[None].transpose(1, 2) for t in tensors(3, 2, 1))
    module, mask = torch.nn.Module(), torch.ones(1, 1, 3, 3)
    with pytest.raises(ValueError, match="plainly causal"):
        attention.attention(module, query, key, value, mask)
    with pytest.raises(ValueError, match="plainly causal"):
        attention.attention(module, query[:, :, 2:], key, value, None)


def test_a_task_has_no_hidden_state_of_its_own():
    """Built once per row, used by every layer: building must not depend on what ran before."""
    tree = ([[1, 2, 3]], [Branch(0, 2, [4, 5])])
    model, packed = trees.branching("mistral"), pack(*tree)
    assert torch.equal(packed.states(model), packed.states(model))
    again = replace(packed, attention=pack(*tree).attention)
    assert torch.equal(again.states(model), packed.states(model))


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_trunks_gradient_does_not_lose_digits_with_the_number_of_blocks(monkeypatch, kernel):
    """Many blocks add to the same keys; in bf16 each sum would round anew."""
    branches = [Branch(0, 40, [1] * 8) for _ in range(64)]
    query, key, value, weight = (
        torch.randn(40 + 64 * 8, heads, 8, generator=torch.Generator().manual_seed(heads + shift))
        for heads, shift in ((4, 0), (2, 1), (2, 2), (4, 3))
    )

    def gradients(dtype, limit):
        monkeypatch.setattr(blocks, "SCORES", limit)
        monkeypatch.setattr(flash, "SMALL", limit)
        packed = pack([[1] * 40], branches, kernel=kernel)
        leaves = [t.clone().to(dtype).requires_grad_() for t in (query, key, value)]
        out = packed.attention.attend(0, *leaves, 8**-0.5, 0.0)
        (out.float() * weight).sum().backward()
        return [leaf.grad.float()[:40] for leaf in leaves[1:]]

    exact = gradients(torch.float32, 1 << 20)
    whole, parted = gradients(torch.bfloat16, 1 << 20), gradients(torch.bfloat16, 1 << 9)
    for truth, one, many in zip(exact, whole, parted, strict=True):
        assert (many - truth).norm() < 1.2 * (one - truth).norm()
