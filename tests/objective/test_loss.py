import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.objective import loss
from rlp_core.objective import reference_formulas as textbook
from rlp_core.objective.config import TOKEN_MEANS
from tests.objective.draws import lengths, normal, seeds


@given(seeds)
def test_at_the_first_update_the_gradient_is_that_of_reinforce(seed):
    logprobs = normal(seed, 6).requires_grad_()
    advantage, weight = normal(seed + 1, 6), normal(seed + 2, 6).abs()
    loss.clipped_surrogate(logprobs, logprobs.detach(), advantage, weight, 0.2, 0.28).backward()
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
    loss.clipped_surrogate(
        new, torch.zeros(1), torch.tensor([advantage]), torch.ones(1), 0.2, 0.28
    ).backward()
    assert float(new.grad) == pytest.approx(slope, abs=1e-6)


@pytest.mark.parametrize("mode", TOKEN_MEANS)
@given(seeds, st.integers(1, 7))
def test_weights_make_the_average_that_their_name_says(mode, seed, rows):
    sizes = lengths(seed, rows)
    tokens = int(sizes.sum())
    weights = loss.token_weights(sizes, mode, thoughts=rows, tokens=tokens)
    assert float(weights.sum()) == pytest.approx(1, abs=1e-5)
    x = normal(seed, tokens)
    expected = textbook.average([list(part) for part in torch.split(x, sizes.tolist())], mode)
    torch.testing.assert_close((weights * x).sum(), expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("mode", TOKEN_MEANS)
@given(seeds, st.integers(2, 7), st.data())
def test_the_weights_of_micro_batches_are_those_of_the_step(mode, seed, rows, data):
    sizes = lengths(seed, rows)
    cut = data.draw(st.integers(1, rows - 1))
    totals = {"thoughts": rows, "tokens": int(sizes.sum())}
    parts = [loss.token_weights(part, mode, **totals) for part in (sizes[:cut], sizes[cut:])]
    assert torch.equal(torch.cat(parts), loss.token_weights(sizes, mode, **totals))


@pytest.mark.parametrize("mode", TOKEN_MEANS)
@given(seeds, st.integers(2, 7), st.data())
def test_micro_batches_add_up_to_the_step(mode, seed, rows, data):
    sizes = lengths(seed, rows)
    count, cut = int(sizes.sum()), data.draw(st.integers(1, rows - 1))
    at = int(sizes[:cut].sum())
    logprobs, old = normal(seed + 1, count).requires_grad_(), normal(seed + 2, count)
    judged = normal(seed + 3, rows).repeat_interleave(sizes)

    def part(lengths: torch.Tensor, where: slice) -> torch.Tensor:
        weight = loss.token_weights(lengths, mode, thoughts=rows, tokens=count)
        return loss.clipped_surrogate(logprobs[where], old[where], judged[where], weight, 0.2, 0.28)

    whole = part(sizes, slice(None))
    (expected,) = torch.autograd.grad(whole, [logprobs])
    added = part(sizes[:cut], slice(at)) + part(sizes[cut:], slice(at, None))
    torch.testing.assert_close(added, whole)
    torch.testing.assert_close(torch.autograd.grad(added, [logprobs])[0], expected)


def test_the_two_averages_differ_for_thoughts_of_different_length():
    sizes = torch.tensor([1, 3])
    by = {m: loss.token_weights(sizes, m, thoughts=2, tokens=4).tolist() for m in TOKEN_MEANS}
    assert by["thought"] == pytest.approx([1 / 2, 1 / 6, 1 / 6, 1 / 6])
    assert by["token"] == pytest.approx([1 / 4] * 4)


@pytest.mark.parametrize(
    ("mode", "thoughts", "tokens", "words"),
    [
        ("thought", 1, 4, "2 thoughts are more than the step's 1"),
        ("token", 2, 3, "4 thought tokens are more than the step's 3"),
        ("mean", 2, 4, "thought, token"),
    ],
)
def test_totals_smaller_than_the_part_and_unknown_modes_are_refused(mode, thoughts, tokens, words):
    with pytest.raises(ValueError, match=words):
        loss.token_weights(torch.tensor([1, 3]), mode, thoughts=thoughts, tokens=tokens)


@given(seeds, st.floats(0, 6))
def test_k3_is_never_negative_and_zero_only_where_both_agree(seed, distance):
    policy = normal(seed, 50).float()
    reference = policy + distance * normal(seed + 1, 50).float()
    found = loss.kl_k3(policy, reference)
    assert (found >= 0).all()
    assert (found[(reference - policy).abs() > 1e-2] > 0).all()
    assert not loss.kl_k3(policy, policy).any()


def _distributions(seed: int, size: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    return normal(seed, size).log_softmax(0), normal(seed + 1, size).log_softmax(0)


@given(seeds)
def test_the_mean_of_k3_under_the_policy_is_kl(seed):
    policy, reference = _distributions(seed)
    kl = (policy.exp() * (policy - reference)).sum()
    torch.testing.assert_close((policy.exp() * loss.kl_k3(policy, reference)).sum(), kl)


def test_k3_of_drawn_tokens_approximates_kl():
    policy, reference = _distributions(seed=4)
    drawn = torch.multinomial(
        policy.exp(), 20_000, replacement=True, generator=torch.Generator().manual_seed(0)
    )
    found = loss.kl_k3(policy[drawn], reference[drawn])
    kl = float((policy.exp() * (policy - reference)).sum())
    error = float(found.std()) / math.sqrt(len(drawn))
    assert abs(float(found.mean()) - kl) < 4 * error
    assert error < 0.02 * kl


@given(seeds)
def test_the_gradient_of_k3_is_on_average_that_of_the_reverse_divergence(seed):
    logits = normal(seed, 6).requires_grad_()
    policy, reference = logits.log_softmax(0), normal(seed + 1, 6).log_softmax(0)
    (policy.detach().exp() * loss.kl_k3(policy, reference)).sum().backward()
    torch.testing.assert_close(logits.grad, policy.detach().exp() - reference.exp())


@pytest.mark.parametrize(
    ("value", "old", "expected", "slope"),
    [
        (1.0, 1.0, 0.5 * 4, -2.0),  # where it was: the plain error towards 3
        (1.1, 1.0, 0.5 * 1.9**2, -1.9),  # moved by less than the clip
        (1.5, 1.0, 0.5 * 1.8**2, 0.0),  # moved far enough towards its return: let be
        (0.5, 1.0, 0.5 * 2.5**2, -2.5),  # moved away from it: pulled back
    ],
)
def test_the_value_loss_is_clipped(value, old, expected, slope):
    v = torch.tensor([value], requires_grad=True)
    found = loss.value_loss(v, torch.tensor([old]), torch.tensor([3.0]), 0.2, torch.ones(1))
    found.backward()
    assert float(found.detach()) == pytest.approx(expected)
    assert float(v.grad) == pytest.approx(slope)


@given(seeds)
def test_without_a_clip_the_value_loss_is_half_the_squared_error(seed):
    values, old, returns = normal(seed, 7), normal(seed + 1, 7), normal(seed + 2, 7)
    weight = normal(seed + 3, 7).abs()
    found = loss.value_loss(values, old, returns, None, weight)
    torch.testing.assert_close(found, 0.5 * (weight * (values - returns) ** 2).sum())
    assert loss.value_loss(values, old, returns, 0.2, weight) >= found


@given(seeds, st.floats(0.1, 3))
def test_importance_weights_are_ratios_up_to_the_limit_and_constants(seed, limit):
    now, then = normal(seed, 9).requires_grad_(), normal(seed + 1, 9)
    found = loss.importance_weight(now, then, limit)
    expected = [
        min(math.exp(a - b), limit) for a, b in zip(now.tolist(), then.tolist(), strict=True)
    ]
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))
    assert not found.requires_grad


@given(seeds)
def test_untruncated_weights_turn_the_older_policys_mean_into_the_policys(seed):
    policy, behaviour = _distributions(seed)
    reward = normal(seed + 2, 6)
    weight = loss.importance_weight(policy, behaviour, 1e9)
    mean = (behaviour.exp() * weight * reward).sum()
    torch.testing.assert_close(mean, (policy.exp() * reward).sum())


def test_a_limit_that_is_not_above_zero_is_refused():
    with pytest.raises(ValueError, match="above 0"):
        loss.importance_weight(torch.zeros(2), torch.zeros(2), 0.0)


@given(seeds)
def test_explained_variance(seed):
    returns, noise = normal(seed, 200), normal(seed + 1, 200)
    assert loss.explained_variance(returns + 3, returns) == pytest.approx(1)
    assert loss.explained_variance(torch.full((200,), 2.0), returns) == pytest.approx(0)
    assert loss.explained_variance(-returns, returns) == pytest.approx(-3)
    values = returns + noise
    expected = 1 - float(noise.var(correction=0) / returns.var(correction=0))
    assert loss.explained_variance(values, returns) == pytest.approx(expected)


@given(st.floats(-1e3, 1e3), st.integers(1, 300), seeds)
def test_equal_returns_leave_nothing_to_explain(value, size, seed):
    returns = torch.full((size,), value, dtype=torch.float64)
    assert loss.explained_variance(normal(seed, size), returns) == 0


def test_what_is_not_finite_is_not_hidden():
    bad = torch.tensor([1.0, float("nan")])
    good = torch.tensor([1.0, 2.0])
    assert math.isnan(loss.explained_variance(bad, good))
    assert math.isnan(loss.explained_variance(good, bad))
    assert math.isnan(loss.explained_variance(bad, torch.ones(2)))
