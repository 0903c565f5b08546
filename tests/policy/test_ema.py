import pytest
import torch

from rlp_core.policy.ema import EmaTarget
from tests import models


def test_the_target_follows_by_the_formula_and_the_policy_is_left_alone():
    policy = models.model(1)
    ema = EmaTarget(policy, 0.9)
    old = [p.clone() for p in ema.model.parameters()]
    with torch.no_grad():
        for p in policy.parameters():
            p.add_(1.0)
    new = [p.clone() for p in policy.parameters()]
    ema.update(policy)
    for before, after, theta in zip(old, ema.model.parameters(), new, strict=True):
        torch.testing.assert_close(after, 0.9 * before + 0.1 * theta)
    assert all(torch.equal(a, b) for a, b in zip(new, policy.parameters(), strict=True))


def test_small_moves_are_not_rounded_away():
    """In bf16 a target of decay 0.999 captures under 1 % of what it should after 1000 steps."""
    policy = models.model(1)
    ema = EmaTarget(policy, 0.999)
    weight = next(policy.parameters())
    start = next(ema.model.parameters()).clone()
    with torch.no_grad():
        weight.add_(1e-3 * weight.abs().mean())
    goal = (weight - start).mean()
    for _ in range(1000):
        ema.update(policy)
    moved = (next(ema.model.parameters()) - start).mean() / goal
    assert float(moved) == pytest.approx(1 - 0.999**1000, rel=0.02)


def test_the_target_is_fp32_and_takes_no_gradient():
    ema = EmaTarget(models.model().bfloat16(), 0.5)
    assert all(p.dtype == torch.float32 and not p.requires_grad for p in ema.model.parameters())


@pytest.mark.parametrize("decay", [1.0, -0.1])
def test_an_impossible_decay_is_refused(decay):
    with pytest.raises(ValueError, match="decay"):
        EmaTarget(models.model(), decay)
