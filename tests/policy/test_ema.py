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
    assert moved.item() == pytest.approx(1 - 0.999**1000, rel=0.02)


def test_the_target_is_fp32_and_takes_no_gradient():
    ema = EmaTarget(models.model().bfloat16(), 0.5)
    assert all(p.dtype == torch.float32 and not p.requires_grad for p in ema.model.parameters())


@pytest.mark.parametrize("decay", [1.0, -0.1])
def test_an_impossible_decay_is_refused(decay):
    with pytest.raises(ValueError, match="decay"):
        EmaTarget(models.model(), decay)


def test_the_target_lies_where_it_is_asked_to():
    policy = models.model(1)
    for device in ("cpu", ""):
        ema = EmaTarget(policy, 0.5, device)
        assert {p.device for p in ema.model.parameters()} == {torch.device("cpu")}
        with torch.no_grad():
            next(policy.parameters()).add_(1.0)
        before = next(ema.model.parameters()).clone()
        ema.update(policy)
        moved = next(ema.model.parameters()) - before
        torch.testing.assert_close(moved, torch.full_like(moved, 0.5), atol=1e-5, rtol=0)


def test_the_target_begins_as_the_policy_and_shares_nothing_with_it():
    policy = models.model(1).train()
    ema = EmaTarget(policy, 0.9)
    assert not ema.model.training
    for own, theirs in zip(ema.model.parameters(), policy.parameters(), strict=True):
        assert torch.equal(own, theirs)
        assert own.data_ptr() != theirs.data_ptr()
    assert ema.model.get_input_embeddings().weight is ema.model.get_output_embeddings().weight


def test_without_decay_the_target_is_the_policy():
    policy = models.model(1)
    ema = EmaTarget(policy, 0.0)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.mul_(3.0)
    ema.update(policy)
    for own, theirs in zip(ema.model.parameters(), policy.parameters(), strict=True):
        assert torch.equal(own, theirs)
