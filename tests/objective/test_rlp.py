import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.objective import rlp

seeds = st.integers(0, 2**31)


def rewards(seed: int, places: int = 5, group: int = 4) -> torch.Tensor:
    return torch.randn(places, group, generator=torch.Generator().manual_seed(seed)).double()


@given(seeds, st.integers(2, 9))
def test_equation_7_is_the_leave_one_out_baseline(seed, group):
    r = rewards(seed, group=group)
    others = (r.sum(dim=1, keepdim=True) - r) / (group - 1)
    torch.testing.assert_close(rlp.advantages(r), r - others)


@given(seeds)
def test_a_constant_per_place_changes_no_advantage(seed):
    """S_ema is such a constant: it measures the gain and does not steer the gradient."""
    r, constant = rewards(seed), rewards(seed + 1)[:, :1]
    torch.testing.assert_close(rlp.advantages(r + constant), rlp.advantages(r))


@given(seeds)
def test_advantages_of_a_place_sum_to_zero(seed):
    total = rlp.advantages(rewards(seed)).sum(dim=1)
    torch.testing.assert_close(total, torch.zeros_like(total), atol=1e-12, rtol=0)


def test_one_thought_has_nothing_to_be_compared_with():
    with pytest.raises(ValueError, match="at least 2"):
        rlp.advantages(torch.zeros(3, 1))


def test_the_reward_is_a_constant_for_the_gradient():
    predicted = torch.zeros(2, 3, requires_grad=True)
    assert not rlp.information_gain(predicted, torch.ones(2)).requires_grad


@given(seeds)
def test_at_the_first_update_the_gradient_is_that_of_reinforce(seed):
    logprobs = rewards(seed)[0].requires_grad_()
    advantage, weight = rewards(seed + 1)[0], torch.full((4,), 0.25).double()
    rlp.clipped_surrogate(logprobs, logprobs.detach(), advantage, weight, 0.2, 0.28).backward()
    torch.testing.assert_close(logprobs.grad, -weight * advantage)


@pytest.mark.parametrize(
    ("ratio", "advantage", "slope"),
    [
        (1.5, 1.0, 0.0),  # above 1 + eps_high, and wanted: no further
        (1.5, -1.0, 1.5),  # above, and unwanted: pulled back
        (0.5, -1.0, 0.0),  # below 1 - eps_low, and unwanted: no further
        (0.5, 1.0, -0.5),  # below, and wanted: pushed up
        (1.25, 1.0, -1.25),  # between 1 + eps_low and 1 + eps_high: the clip is asymmetric
        (0.75, -1.0, 0.0),
    ],
)
def test_the_clip_is_asymmetric_and_pessimistic(ratio, advantage, slope):
    new = torch.log(torch.tensor([ratio])).requires_grad_()
    rlp.clipped_surrogate(
        new, torch.zeros(1), torch.tensor([advantage]), torch.ones(1), 0.2, 0.28
    ).backward()
    assert float(new.grad) == pytest.approx(slope, abs=1e-6)
