"""How segments are laid out for the kernel of a GPU, by a stand-in that computes what it would.

The stand-in takes the operator's arguments and computes in plain products; `tests/test_gpu.py` runs
the operator itself where there is a GPU.
"""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rlp_core.rollout import varlen
from rlp_core.rollout.attention import enable, kernel_of
from rlp_core.rollout.blocks import Segment
from rlp_core.rollout.branches import pack
from rlp_core.rollout.varlen import Varlen
from tests import models
from tests.rollout import trees
from tests.rollout.test_attention import assert_like_textbook, shared


def scores(query, key, ends, causal, scale):
    """[heads, all queries, all keys], -inf where a query does not see."""
    of_query, of_key = (
        torch.repeat_interleave(torch.arange(len(e) - 1), e.diff().long()) for e in ends
    )
    seen = of_query[:, None] == of_key
    if causal:
        row, column = (
            torch.arange(len(of)) - e[of] for of, e in zip((of_query, of_key), ends, strict=True)
        )
        seen &= row[:, None] >= column
    repeat = query.shape[1] // key.shape[1]
    score = query.transpose(0, 1) @ key.repeat_interleave(repeat, 1).permute(1, 2, 0) * scale
    return score.masked_fill(~seen, -torch.inf)


def forward(query, key, value, ends, key_ends, most, most_keys, dropout, causal, debug, *, scale):
    assert ends.dtype == key_ends.dtype == torch.int32
    assert (most, most_keys) == (int(ends.diff().max()), int(key_ends.diff().max()))
    assert (dropout, debug) == (0.0, False)
    assert query.shape[0] == ends[-1]
    assert key.shape[0] == key_ends[-1] == value.shape[0]
    score = scores(query, key, (ends, key_ends), causal, scale)
    value = value.repeat_interleave(query.shape[1] // key.shape[1], 1).transpose(0, 1)
    return (torch.softmax(score, -1) @ value).transpose(0, 1), score.logsumexp(-1), None


def backward(
    grad, query, key, value, out, lse, ends, key_ends, _most, _keys, _dropout, causal, *_, scale
):
    """With the log-sum-exp and the result that were given, as the kernel does."""
    repeat = query.shape[1] // key.shape[1]
    assert lse.is_contiguous()
    assert lse.shape == (query.shape[1], query.shape[0])
    weight = (scores(query, key, (ends, key_ends), causal, scale) - lse[..., None]).exp()
    grad, out, query = (t.transpose(0, 1) for t in (grad, out, query))
    wide = value.repeat_interleave(repeat, 1).transpose(0, 1)
    delta = (grad * out).sum(-1, keepdim=True)
    dscore = weight * (grad @ wide.mT - delta) * scale
    keys = key.repeat_interleave(repeat, 1).transpose(0, 1)

    def folded(rows):
        return rows.transpose(0, 1).unflatten(1, (-1, repeat)).sum(2)

    return (dscore @ keys).transpose(0, 1), folded(dscore.mT @ query), folded(weight.mT @ grad)


@given(trees.trees(), shared, st.integers(0, 9))
@settings(max_examples=60)
def test_any_tree_gives_the_textbooks_result_and_gradient(tree, heads, seed):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(varlen, "_FORWARD", forward)
        patch.setattr(varlen, "_BACKWARD", backward)
        assert_like_textbook(pack(*tree, kernel="varlen"), tree, heads, seed)


@given(trees.trees())
@settings(max_examples=20)
def test_a_part_is_one_launch_and_contiguous_rows_are_not_copied(tree):
    packed = pack(*tree, kernel="varlen")
    parts = packed.attention
    for part in (parts.trunks, parts.own):
        if part.query is not None:
            assert isinstance(part.query.index, slice)
            assert isinstance(part.key.index, slice)


def test_a_causal_segment_has_a_key_for_each_query():
    with pytest.raises(ValueError, match="a key for each query"):
        Varlen.of([Segment(0, 2, 0, 3, True)], 0, 2, "cpu")
    with pytest.raises(ValueError, match="causal or not"):
        Varlen.of([Segment(0, 2, 0, 2, True), Segment(2, 1, 0, 2, False)], 0, 3, "cpu")


class Elsewhere:
    """A model as far as the choice of a kernel looks at it."""

    def __init__(self, dtype, **changes):
        self.device, self.dtype = torch.device("cuda", 0), dtype
        self.config = models.model().config
        for name, value in changes.items():
            setattr(self.config, name, value)


@pytest.mark.parametrize(
    ("model", "kernel"),
    [
        (Elsewhere(torch.bfloat16, head_dim=64), "varlen"),
        (Elsewhere(torch.float32, head_dim=64), "blocks"),
        (Elsewhere(torch.bfloat16, head_dim=12), "blocks"),
        (Elsewhere(torch.bfloat16, head_dim=512), "blocks"),
        (Elsewhere(torch.bfloat16, head_dim=64, attn_logit_softcapping=50.0), "blocks"),
    ],
    ids=["bf16", "fp32", "a head of 12", "a head of 512", "capped scores"],
)
def test_a_gpu_has_it_where_it_can_compute_what_is_asked(model, kernel):
    assert kernel_of(model) == kernel


def test_a_cpu_does_not_have_it():
    model = models.model()
    assert enable(model)
    assert kernel_of(model.to(torch.bfloat16)) == "flash"


@pytest.mark.parametrize(
    ("dtype", "head_size", "known"),
    [
        (torch.bfloat16, 64, True),
        (torch.float16, 256, True),
        (torch.float32, 64, False),
        (torch.bfloat16, 60, False),
        (torch.bfloat16, 264, False),
    ],
)
def test_it_takes_half_precision_and_heads_of_a_multiple_of_eight(dtype, head_size, known):
    assert varlen.takes(dtype, head_size) is known
