"""The fused kernel's mask against the blocks, in its unfused form: a CPU has no other."""

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.attention.flex_attention import create_block_mask

from rlp_core.errors import ConfigError
from rlp_core.rollout import flex
from rlp_core.rollout.attention import enable
from rlp_core.rollout.branches import Branch, pack
from rlp_core.rollout.engine import prepare
from rlp_core.rollout.sampler import Prompt, SamplingParams, sample
from tests import models
from tests.rollout import trees
from tests.rollout.samples import OPEN, STOP, Case, assert_same, textbook
from tests.rollout.test_attention import Largest, tree_mask

TRUNKS = [[5, 6, 7, 8, 9, 10], [11], [12, 13, 14]]
BRANCHES = [
    Branch(0, 2, [20, 21]),
    Branch(0, 2, [22]),
    Branch(0, 6, [23, 24, 25]),
    Branch(1, 0, [26]),
    Branch(2, 3, [27, 28, 29, 30]),
]


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize("softcap", [0.0, 5.0])
def test_the_fused_kernel_sees_what_the_blocks_see(softcap):
    parts = [pack(TRUNKS, BRANCHES, "cpu", kernel).attention for kernel in ("blocks", "flex")]
    count = sum(map(len, TRUNKS)) + sum(len(b.tokens) for b in BRANCHES)
    made = torch.Generator().manual_seed(1)
    query, key, value = (torch.randn(count, h, 8, generator=made) for h in (4, 2, 2))
    blocks, flex = (part.attend(0, query, key, value, 0.7, softcap) for part in parts)
    torch.testing.assert_close(flex, blocks, rtol=1e-5, atol=1e-5)


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_a_whole_model_goes_through_the_fused_kernel():
    model = models.model(2)
    assert enable(model, "flex")
    with torch.no_grad():
        fused = pack(TRUNKS, BRANCHES, "cpu", "flex").states(model)
        plain = pack(TRUNKS, BRANCHES, "cpu", "blocks").states(model)
    torch.testing.assert_close(fused, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@given(tree=trees.trees())
@settings(max_examples=15)
@torch.no_grad()
def test_it_reads_every_tree_as_the_blocks_do(tree):
    model = trees.branching("gemma2")
    fused = pack(*tree, kernel="flex").states(model)
    torch.testing.assert_close(fused, pack(*tree).states(model), atol=1e-5, rtol=1e-5)


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_thoughts_are_drawn_alike():
    """The prefill goes through the kernel; decoding uses the keys and values that it kept."""
    model = trees.build(trees.FAMILIES["qwen3"])
    assert enable(model, "flex")
    case = Case([[3, 4, 5, 6], [7, 8]], [Prompt(0, 3, OPEN, (6,)), Prompt(1, 0, OPEN, (7, 8))])
    params = SamplingParams(3, STOP, 5, 1.0)
    found = sample(model, case.trunks, case.prompts, params, case.uniforms(3), 8)
    assert_same(found, textbook(trees.plain("qwen3"), case, params))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="the kernel's backward needs a GPU")
@given(tree=trees.trees())
@settings(max_examples=5)
def test_its_gradients_are_those_of_the_blocks(tree):
    model = trees.build(trees.FAMILIES["qwen3"]).cuda()
    assert enable(model, "flex")
    found = [
        trees.gradients(model, pack(*tree, "cuda", kernel).states(model).square().sum())
        for kernel in ("flex", "blocks")
    ]
    trees.assert_same_gradients(*found, relative=1e-3)


def test_it_is_refused_without_a_gpu():
    with pytest.raises(ConfigError, match="no backward pass on cpu"):
        prepare(models.model(0), "flex")


def from_every_pair(packed, trunks, branches, block):
    """The same mask as torch makes it, from all pairs of tokens."""
    count = packed.ids.shape[1]
    seen = tree_mask(packed, trunks, branches)
    return create_block_mask(
        lambda _b, _h, query, key: seen[query, key],
        None,
        None,
        count,
        count,
        device="cpu",
        BLOCK_SIZE=block,
    )


@given(tree=trees.trees(), block=st.sampled_from([1, 2, 4, 128]))
@settings(max_examples=60)
def test_its_mask_from_ranges_is_the_one_from_every_pair(tree, block):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flex, "BLOCK", block)
        packed = pack(*tree, kernel="flex")
    expected = from_every_pair(packed, *tree, block)
    found = packed.attention.mask
    assert found.seq_lengths == expected.seq_lengths
    for kind in ("kv", "full_kv", "q", "full_q"):
        counts = getattr(found, f"{kind}_num_blocks")
        assert torch.equal(counts, getattr(expected, f"{kind}_num_blocks"))
        ours, theirs = (getattr(mask, f"{kind}_indices") for mask in (found, expected))
        used = torch.arange(ours.shape[-1]) < counts[..., None]
        assert torch.equal(ours[used], theirs[used])


def test_its_mask_is_never_made_of_pairs_of_tokens():
    branches = [Branch(0, 500 * (1 + i % 2), [1] * 300) for i in range(20)]
    with Largest() as made:
        packed = pack([[1] * 1200], branches, kernel="flex")
    count = packed.ids.shape[1]
    assert made.elements < count**2 / 20


def test_heads_that_the_compiled_kernel_refuses_are_told_before_any_work():
    model = SimpleNamespace(device=torch.device("cuda"), config=models.model(0).config)
    with pytest.raises(ConfigError, match="heads of 16 numbers or more, and the model's have 4"):
        prepare(model, "flex")
