import copy

import pytest
import torch

from rlp_core.policy.compute import Compute
from rlp_core.policy.ema import EmaTarget
from rlp_core.rollout import attention, engine
from rlp_core.rollout.branches import Branch
from tests import models

IDS = torch.tensor([[5, 6, 7, 8, 9]])


def loss_of(model, weight=1.0):
    return model(input_ids=IDS, labels=IDS).loss.float() * weight


def values(model):
    return [p.detach().clone() for p in model.parameters()]


def same(model, expected):
    return all(torch.equal(p, e) for p, e in zip(model.parameters(), expected, strict=True))


def test_in_fp32_the_master_computes_itself():
    master = models.model(1)
    compute = Compute(master, torch.float32)
    assert compute.model is master
    loss_of(compute.model).backward()
    expected = [p.grad.clone() for p in master.parameters()]
    compute.collect()
    compute.refresh()
    for parameter, gradient in zip(master.parameters(), expected, strict=True):
        assert torch.equal(parameter.grad, gradient)


def test_the_master_is_never_converted():
    """In-place `.to(bfloat16)` for generation has lost fp32 weights elsewhere."""
    master = models.model(1)
    expected = values(master)
    compute = Compute(master, torch.bfloat16)
    with torch.no_grad():
        compute.model(input_ids=IDS)
    loss_of(compute.model).backward()
    compute.collect()
    compute.refresh()
    assert same(master, expected)
    assert all(p.dtype == torch.float32 for p in master.parameters())
    assert all(p.grad.dtype == torch.float32 for p in master.parameters())
    assert all(p.dtype == torch.bfloat16 for p in compute.model.parameters())
    pairs = zip(compute.model.parameters(), master.parameters(), strict=True)
    assert all(own.data_ptr() != theirs.data_ptr() for own, theirs in pairs)


def test_the_copy_keeps_what_the_master_is():
    master = models.model(1)
    assert attention.enable(master)
    model = Compute(master, torch.bfloat16).model
    assert model.dtype == torch.bfloat16
    assert not model.training
    assert engine.branching(model)
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight


def test_rotary_frequencies_stay_exact():
    """Rounded to bf16 they misplace far tokens: by radians after some thousand."""
    master = models.model(1)
    compute = Compute(master, torch.bfloat16)
    for own, theirs in zip(compute.model.buffers(), master.buffers(), strict=True):
        assert own.dtype == theirs.dtype
        assert torch.equal(own, theirs)


def test_gradients_of_micro_batches_add_up_in_fp32():
    """In bf16 the second would be lost beside the first: 1 + 2^-10 rounds to 1."""
    master = models.model(1)
    compute = Compute(master, torch.bfloat16)
    parameter = next(compute.model.parameters())
    for size in (1.0, 2.0**-10):
        parameter.grad = torch.full_like(parameter, size)
        compute.collect()
        assert parameter.grad is None
    assert (next(master.parameters()).grad == 1 + 2.0**-10).all()


def test_the_copys_gradient_is_the_masters_to_bf16_precision():
    master = models.model(1, spread=2.0)
    compute = Compute(master, torch.bfloat16)
    loss_of(compute.model).backward()
    compute.collect()
    found = torch.cat([p.grad.flatten() for p in master.parameters()])
    master.zero_grad()
    loss_of(master).backward()
    expected = torch.cat([p.grad.flatten() for p in master.parameters()])
    assert float((found - expected).norm() / expected.norm()) < 0.05


def test_the_copy_follows_after_refresh():
    master = models.model(1)
    compute = Compute(master, torch.bfloat16)
    with torch.no_grad():
        for parameter in master.parameters():
            parameter.add_(0.5)
    stale = values(compute.model)
    assert not same(compute.model, [p.bfloat16() for p in values(master)])
    compute.refresh()
    assert not same(compute.model, stale)
    assert same(compute.model, [p.bfloat16() for p in values(master)])


def test_the_copy_reads_branches_in_bf16():
    master = models.model(1, spread=2.0)
    assert attention.enable(master)
    compute = Compute(master, torch.bfloat16)
    tree = ([[5, 6, 7, 8]], [Branch(0, 2, [9, 10]), Branch(0, 0, [4])])
    states = engine.states(compute.model, *tree)
    assert states.dtype == torch.bfloat16
    torch.testing.assert_close(states.float(), engine.states(master, *tree), atol=0.1, rtol=0.1)
    states.float().square().sum().backward()
    compute.collect()
    assert all(torch.isfinite(p.grad).all() for p in master.parameters() if p.grad is not None)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_steps_of_one_millionth_move_fp32_masters_and_baseline_alone(dtype):
    """The update of a real run, lr 1e-6, rounds away in bf16 weights; so does the EMA's step."""
    policy = models.model(1).to(dtype)
    before = torch.cat([p.flatten() for p in values(policy)]).float()
    target = copy.deepcopy(policy)
    exact = EmaTarget(policy, 0.999) if dtype == torch.float32 else None
    with torch.no_grad():
        for _ in range(100):
            for own, theirs in zip(policy.parameters(), target.parameters(), strict=True):
                own.sub_(torch.full_like(own, 1e-6))
                if exact is None:
                    theirs.lerp_(own, 0.001)
            if exact is not None:
                exact.update(policy)
    moved = (before - torch.cat([p.flatten() for p in values(policy)]).float()).mean()
    baseline = exact.model if exact is not None else target
    followed = (before - torch.cat([p.flatten() for p in values(baseline)]).float()).mean()
    # the textbook of the average: sum of tau^(n - k) (1 - tau) k over k steps of 1e-6
    follows = 1e-6 * sum(0.999 ** (100 - k) * 0.001 * k for k in range(1, 101))
    if dtype == torch.float32:
        assert float(moved) == pytest.approx(1e-4, rel=0.05)
        assert float(followed) == pytest.approx(follows, rel=0.1)
    else:
        assert float(moved) < 0.2 * 1e-4
        assert float(followed) < 0.2 * follows
