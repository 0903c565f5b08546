import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.objective.reward import clip_reward, discounted_sum, information_gain
from tests.objective.draws import normal, seeds


def test_the_reward_is_the_difference_and_a_constant_for_the_gradient():
    predicted = torch.tensor([[-1.0, -3.0], [-2.0, -0.5]], requires_grad=True)
    gain = information_gain(predicted, torch.tensor([-2.0, -1.0]))
    assert gain.tolist() == [[1.0, -1.0], [-1.0, 0.5]]
    assert not gain.requires_grad


@given(seeds, st.lists(st.integers(0, 4), min_size=1, max_size=5), st.floats(0, 1))
def test_the_discounted_sum_is_its_definition(seed, lengths, discount):
    logprobs = normal(seed, sum(lengths))
    parts = torch.split(logprobs, lengths)
    expected = [sum(discount**h * float(x) for h, x in enumerate(part)) for part in parts]
    found = discounted_sum(logprobs, torch.tensor(lengths), discount)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))


def test_without_discount_weight_only_the_first_target_counts():
    found = discounted_sum(torch.tensor([-1.0, -2.0, -4.0]), torch.tensor([2, 1]), 0.0)
    assert found.tolist() == [-1.0, -4.0]


@given(seeds, st.floats(0.1, 2))
def test_clipped_rewards_keep_their_sign_and_their_bound(seed, limit):
    reward = normal(seed, 4, 3)
    clipped = clip_reward(reward, limit)
    torch.testing.assert_close(clipped, reward.sign() * reward.abs().clamp(max=limit))
    assert clip_reward(reward, None) is reward


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan")])
def test_a_limit_that_is_not_above_zero_is_refused(limit):
    with pytest.raises(ValueError, match="above 0"):
        clip_reward(torch.zeros(2), limit)


def test_a_reward_that_is_not_finite_stays_visible():
    assert clip_reward(torch.tensor([float("nan")]), 1.0).isnan().all()
