"""The fused kernel's mask against the blocks, in its unfused form: a CPU has no other."""

import pytest
import torch

from rlp_core.errors import ConfigError
from rlp_core.rollout.attention import enable
from rlp_core.rollout.branches import Branch, pack
from rlp_core.rollout.engine import prepare
from tests import models

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


def test_it_is_refused_without_a_gpu():
    with pytest.raises(ConfigError, match="no backward pass on cpu"):
        prepare(models.model(0), "flex")
