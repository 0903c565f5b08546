import math

import pytest
import torch

from rlp_core.rollout import attention, branch_attention, verify
from rlp_core.rollout.branch_attention import KERNELS
from rlp_core.rollout.branches import Branch
from tests.rollout import trees

TRUNKS = [[3, 4, 5, 6], [7, 8, 9]]
BRANCHES = [Branch(0, 2, [10, 11]), Branch(0, 2, [10]), Branch(1, 3, [3, 4])]


@pytest.mark.parametrize("family", trees.FAMILIES)
def test_a_sound_model_agrees(family):
    good, worst = verify.agrees(trees.branching(family), TRUNKS, BRANCHES)
    assert good
    assert worst < 1e-4
    assert worst == verify.difference(trees.branching(family), TRUNKS, BRANCHES)


@pytest.mark.parametrize("kernel", KERNELS)
def test_in_bf16_rounding_is_allowed_for(kernel):
    model = trees.build(trees.FAMILIES["llama"], spread=4.0)
    assert attention.enable(model, kernel)
    good, worst = verify.agrees(model.bfloat16(), TRUNKS, BRANCHES)
    assert good
    assert worst > 0


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
    good, worst = verify.agrees(trees.branching("qwen3", kernel), TRUNKS, BRANCHES)
    assert not good
    assert not worst <= verify.TOLERANCE[torch.float32]


def test_a_difference_in_the_trunk_alone_is_found(monkeypatch):
    states = verify.engine.states
    monkeypatch.setattr(
        verify.engine,
        "states",
        lambda *rest: states(*rest).index_add(0, torch.tensor([1]), torch.ones(1, 16)),
    )
    assert not verify.agrees(trees.branching("qwen3"), TRUNKS, [])[0]
