import dataclasses
import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.errors import EXIT_SOFTWARE, ConfigError, PluginError
from rlp_core.objective import estimators
from rlp_core.objective.advantage import advantages, token_advantages
from rlp_core.objective.reward import clip_reward, information_gain
from tests.objective.draws import groups, lengths, normal, seeds

PER_THOUGHT = [name for name in estimators.names() if not estimators.get(name).per_token]
ALL = estimators.names()
PER_TOKEN = [name for name in estimators.names() if estimators.get(name).per_token]
COMPARING = [name for name in PER_THOUGHT if estimators.get(name).compares_group]


def gae(*arguments):
    return token_advantages("gae", *arguments)


@pytest.mark.parametrize("name", PER_THOUGHT)
@given(seeds, groups)
def test_every_estimator_equals_the_textbook(name, seed, group):
    rewards = normal(seed, 4, group)
    expected = estimators.get(name).textbook(rewards.tolist())
    found = advantages(name, rewards)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))


@given(seeds, groups)
def test_equation_7_is_the_leave_one_out_baseline(seed, group):
    r = normal(seed, 5, group)
    others = (r.sum(dim=1, keepdim=True) - r) / (group - 1)
    torch.testing.assert_close(advantages("rloo", r), r - others)


def _advantages(name: str, predicted, baseline, clip: float | None = None) -> torch.Tensor:
    """From scores to advantages; a value head says 0."""
    reward = clip_reward(information_gain(predicted, baseline), clip)
    if name in PER_THOUGHT:
        return advantages(name, reward)
    sizes, values = torch.full((reward.numel(),), 2), torch.zeros(2 * reward.numel()).double()
    return token_advantages(name, reward.flatten(), values, sizes, 1.0, 0.95)[0]


def _change(name: str, seed: int) -> float:
    """Largest change of an advantage when S_ema moves by 2.5 nats at two places of three."""
    predicted, baseline = normal(seed, 3, 4), normal(seed + 1, 3)
    moved = baseline + torch.tensor([2.5, -2.5, 0.0])  # beyond a floor there, away from it here
    difference = _advantages(name, predicted, moved) - _advantages(name, predicted, baseline)
    return float(difference.abs().max())


@pytest.mark.parametrize("name", [e for e in ALL if not estimators.get(e).ema_reaches_gradient])
@given(seeds)
def test_where_it_is_declared_so_s_ema_changes_no_advantage(name, seed):
    assert _change(name, seed) < 1e-12


@pytest.mark.parametrize("name", [e for e in ALL if estimators.get(e).ema_reaches_gradient])
@pytest.mark.parametrize("seed", range(5))
def test_where_it_is_declared_so_s_ema_reaches_the_gradient(name, seed):
    assert _change(name, seed) > 0.1


@pytest.mark.parametrize("name", ALL)
def test_under_a_reward_clip_s_ema_reaches_every_gradient(name):
    assert estimators.ema_reaches_gradient(name, 0.5)
    assert estimators.ema_reaches_gradient(name, None) == estimators.get(name).ema_reaches_gradient
    predicted, baseline = torch.tensor([[0.0, 1.0], [0.0, 2.0]]).double(), torch.zeros(2).double()
    easy = baseline + torch.tensor([5.0, 0.0])  # both rewards there fall below the limit
    before, after = (_advantages(name, predicted, b, clip=1.5) for b in (baseline, easy))
    assert not torch.allclose(before, after)


@given(seeds)
def test_batch_centred_ignores_a_constant_of_the_whole_step(seed):
    r = normal(seed, 3, 4)
    torch.testing.assert_close(advantages("batch_centred", r + 7), advantages("batch_centred", r))


@given(seeds, st.floats(0.5, 100))
def test_grpo_ignores_the_scale_of_the_rewards_and_rloo_does_not(seed, scale):
    r = normal(seed, 3, 4)
    r[:, 0] = 1 + r[:, 1:].abs().sum(dim=1)  # every group has spread
    torch.testing.assert_close(
        advantages("grpo", scale * r), advantages("grpo", r), rtol=1e-3, atol=0
    )
    torch.testing.assert_close(advantages("rloo", scale * r), scale * advantages("rloo", r))


@pytest.mark.parametrize("name", ["rloo", "grpo"])
@given(st.floats(-30, 30), st.integers(2, 33))
def test_equal_rewards_teach_nothing_in_single_precision(name, reward, group):
    assert float(advantages(name, torch.full((1, group), reward)).abs().max()) < 0.1


@given(seeds)
def test_positive_pushes_no_thought_away(seed):
    r = normal(seed, 3, 4)
    found = advantages("positive", r)
    assert (found >= 0).all()
    assert torch.equal(found > 0, r > 0)


@given(seeds)
def test_floored_is_equation_7_where_every_thought_helped(seed):
    """And a thought that misled is one that changed nothing, however much it misled."""
    r = normal(seed, 3, 4)
    helped = r.abs()
    torch.testing.assert_close(advantages("floored", helped), advantages("rloo", helped))
    deeper = torch.where(r < 0, 100 * r, r)
    assert torch.equal(advantages("floored", r), advantages("floored", deeper))


@pytest.mark.parametrize("name", COMPARING)
def test_one_thought_has_nothing_to_be_compared_with(name):
    with pytest.raises(ValueError, match=rf"`{name}`.*at least 2 thoughts per position, not 1"):
        advantages(name, torch.zeros(3, 1))


@pytest.mark.parametrize("name", [name for name in PER_THOUGHT if name not in COMPARING])
def test_the_others_work_with_one_thought(name):
    assert advantages(name, torch.zeros(3, 1)).shape == (3, 1)


def test_each_kind_of_estimator_has_a_call_of_its_own():
    with pytest.raises(ValueError, match=r"call token_advantages\(\)"):
        advantages("gae", torch.zeros(3, 2))
    with pytest.raises(ValueError, match=r"call advantages\(\)"):
        token_advantages("rloo", torch.zeros(1), torch.zeros(2), torch.tensor([2]), 1.0, 1.0)


def test_a_name_that_is_no_estimator_is_told_with_the_nearest():
    with pytest.raises(ConfigError, match=r"did you mean `rloo`\?"):
        advantages("rlo", torch.zeros(3, 2))


@pytest.mark.parametrize("name", PER_THOUGHT)
def test_advantages_carry_no_gradient(name):
    assert not advantages(name, torch.randn(2, 3, requires_grad=True)).requires_grad


@pytest.mark.parametrize("name", PER_TOKEN)
@given(seeds, st.integers(1, 6), st.floats(0, 1), st.floats(0, 1))
def test_an_estimator_of_a_token_equals_the_textbook(name, seed, rows, discount, lam):
    sizes = lengths(seed, rows, longest=17)
    reward, values = normal(seed, rows), normal(seed + 1, int(sizes.sum()))
    expected = [
        a
        for r, v in zip(reward.tolist(), torch.split(values, sizes.tolist()), strict=True)
        for a in estimators.get(name).textbook(r, v.tolist(), discount, lam)
    ]
    found, returns = token_advantages(name, reward, values, sizes, discount, lam)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))
    torch.testing.assert_close(returns, found + values)


@given(seeds, st.integers(1, 6))
def test_without_values_each_token_gets_the_terminal_reward(seed, rows):
    sizes, reward = lengths(seed, rows), normal(seed, rows)
    found, returns = gae(reward, torch.zeros(int(sizes.sum())).double(), sizes, 1.0, 1.0)
    torch.testing.assert_close(found, reward.repeat_interleave(sizes))
    torch.testing.assert_close(returns, found)


@given(seeds)
def test_with_lambda_1_the_returns_do_not_depend_on_the_values(seed):
    sizes, reward = lengths(seed, 4), normal(seed, 4)
    _, returns = gae(reward, normal(seed + 1, int(sizes.sum())), sizes, 0.9, 1.0)
    _, others = gae(reward, normal(seed + 2, int(sizes.sum())), sizes, 0.9, 1.0)
    torch.testing.assert_close(returns, others)


def test_a_thought_does_not_see_the_values_of_the_next():
    sizes, reward = torch.tensor([3, 2]), torch.tensor([1.0, -1.0])
    values = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5])
    broken = torch.tensor([0.1, 0.2, 0.3, float("nan"), 0.5])
    found, expected = (gae(reward, v, sizes, 0.9, 0.9)[0] for v in (broken, values))
    assert torch.equal(found[:3], expected[:3])
    assert found[3].isnan()


@pytest.mark.parametrize("sizes", [[3, 0, 2], [3, 1]])
def test_gae_refuses_rows_that_do_not_fit(sizes):
    with pytest.raises(ValueError, match="every thought needs a token"):
        gae(torch.zeros(len(sizes)), torch.zeros(5), torch.tensor(sizes), 1.0, 1.0)


def test_gae_gives_constants_and_leaves_its_inputs_alone():
    values = torch.ones(5, requires_grad=True)
    found, returns = gae(torch.ones(2), values, torch.tensor([3, 2]), 0.9, 0.9)
    assert not found.requires_grad
    assert not returns.requires_grad
    assert torch.equal(values, torch.ones(5))


@pytest.fixture
def giving(monkeypatch):
    """Let an estimator give something else."""

    def put(name: str, function: Any) -> None:
        known = dataclasses.replace(estimators.get(name), function=function)
        monkeypatch.setattr(estimators, "get", lambda _: known)

    return put


def refused(name: str, rewards: torch.Tensor) -> PluginError:
    """The error of an estimator, of a thought or of a token."""
    with pytest.raises(PluginError) as caught:
        if name in PER_THOUGHT:
            advantages(name, rewards)
        else:
            sizes = torch.full((rewards.numel(),), 2)
            values = torch.zeros(2 * rewards.numel())
            token_advantages(name, rewards.flatten(), values, sizes, 1.0, 0.95)
    assert f"the estimator `{name}` gave" in caught.value.what
    assert caught.value.where == f"rlp_core.objective.estimators.{name}"
    assert "add-an-estimator.md" in caught.value.fix
    assert caught.value.exit_code == EXIT_SOFTWARE
    return caught.value


@pytest.mark.parametrize("name", PER_THOUGHT)
@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda r: r.mean(dim=1), "shape [3], not [3, 2]"),
        (lambda r: r.T, "shape [2, 3], not [3, 2]"),
        (lambda r: r.mean(), "shape [], not [3, 2]"),
        (lambda r: r.tolist(), "no tensor, but list"),
        (lambda _: None, "no tensor, but NoneType"),
        (lambda r: (r, r), "no tensor, but tuple"),
        (lambda r: r / 0, "not finite for rewards that are"),
        (lambda r: r * math.nan, "not finite for rewards that are"),
    ],
)
def test_an_estimator_that_gives_something_else(giving, name, function, words):
    giving(name, function)
    assert words in refused(name, torch.tensor([[1.0, 2.0]] * 3)).what


@pytest.mark.parametrize("name", PER_TOKEN)
@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda r, v, *_: (r, v), "advantages of shape [6], not [12]"),
        (lambda r, v, *_: (v, r), "returns of shape [6], not [12]"),
        (lambda _, v, *__: (v, None), "returns that are no tensor, but NoneType"),
        (lambda _, v, *__: v, "no pair of advantages and returns, but Tensor"),
        (lambda *_: None, "no pair of advantages and returns, but NoneType"),
        (lambda _, v, *__: (v, v, v), "no pair of advantages and returns, but tuple"),
        (lambda _, v, *__: (v / 0, v), "advantages that are not finite"),
        (lambda _, v, *__: (v, v + math.inf), "returns that are not finite"),
    ],
)
def test_an_estimator_of_a_token_that_gives_something_else(giving, name, function, words):
    giving(name, function)
    assert words in refused(name, torch.tensor([[1.0, 2.0]] * 3)).what


@pytest.mark.parametrize("name", ALL)
def test_rewards_that_are_not_finite_are_not_the_estimator_s_fault(name):
    """The step is skipped; that is the trainer's to see."""
    found = _advantages(name, torch.tensor([[math.nan, 1.0], [0.0, 2.0]]), torch.zeros(2))
    assert not found.isfinite().all()


@pytest.mark.parametrize("name", ALL)
def test_an_estimator_that_raises(giving, name):
    giving(name, lambda r, *_: r[99])
    with pytest.raises(PluginError, match=f"the estimator `{name}` raised IndexError") as caught:
        _advantages(name, torch.zeros(3, 2), torch.zeros(3))
    assert caught.value.where == f"rlp_core.objective.estimators.{name}"
    assert isinstance(caught.value.__cause__, IndexError)


def test_an_estimator_may_change_what_it_is_given(giving):
    giving("raw", lambda r: r.sub_(r.median()))
    rewards = torch.tensor([[1.0, 2.0, 4.0]])
    assert advantages("raw", rewards).tolist() == [[-1.0, 0.0, 2.0]]
    assert rewards.tolist() == [[1.0, 2.0, 4.0]]


def test_an_estimator_of_a_token_may_too(giving):
    giving("gae", lambda r, v, *_: (v.zero_(), r.add_(1).repeat(1)))
    values = torch.ones(1, requires_grad=True)
    found, returns = gae(torch.ones(1), values, torch.tensor([1]), 1.0, 1.0)
    assert (found.tolist(), returns.tolist(), values.tolist()) == ([0.0], [2.0], [1.0])
