"""The textbook against the pure functions, against finite differences, and against its promises."""

from dataclasses import replace

import pytest
import torch

from rlp_core.objective import estimators, reference
from rlp_core.objective.config import TOKEN_MEANS, ObjectiveConfig, ValueConfig
from rlp_core.objective.reference import (
    ReferencePosition,
    ReferenceThought,
    step_loss,
    token_values,
)
from tests.objective import steps

EVERYTHING = {
    "kl_weight": 0.3,
    "entropy_weight": 0.2,
    "ntp_weight": 0.4,
    "horizon": 3,
    "discount": 0.8,
    "value": ValueConfig(gae_discount=0.9),
}


def assert_equal_to_the_pure_functions(
    positions: list[ReferencePosition], options: ObjectiveConfig
) -> None:
    """Every term, the total, and the gradient of the total."""
    m = steps.scorers()
    result = step_loss(m, positions, options)
    fast = steps.terms(m, positions, options)
    used = {name: factor for name, factor in options.coefficients.items() if factor}
    for name in used:
        torch.testing.assert_close(fast[name], result.parts[name], rtol=1e-6, atol=1e-7, msg=name)
    total = sum(factor * fast[name] for name, factor in used.items())
    torch.testing.assert_close(total, result.total, rtol=1e-6, atol=1e-7)
    pairs = zip(steps.gradients(m, total), steps.gradients(m, result.total), strict=True)
    for ours, theirs in pairs:
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("token_mean", TOKEN_MEANS)
@pytest.mark.parametrize("estimator", estimators.names())
def test_loss_and_gradient_equal_the_pure_functions(estimator, token_mean):
    assert_equal_to_the_pure_functions(
        steps.PLACES, ObjectiveConfig(estimator=estimator, token_mean=token_mean)
    )


@pytest.mark.parametrize("estimator", ["rloo", "gae"])
def test_so_they_do_with_every_addition(estimator):
    options = ObjectiveConfig(
        estimator=estimator, reward_clip=0.5, token_mean="token", **EVERYTHING
    )
    assert_equal_to_the_pure_functions(steps.PLACES, options)


@pytest.mark.parametrize("estimator", ["rloo", "gae"])
def test_so_they_do_for_thoughts_of_an_older_policy(estimator):
    options = ObjectiveConfig(estimator=estimator, importance_limit=1.5, **EVERYTHING)
    assert_equal_to_the_pure_functions(steps.stale(), options)


def test_truncated_importance_weights_count():
    m = steps.scorers()
    totals = [
        step_loss(m, positions, ObjectiveConfig(importance_limit=limit)).parts["surrogate"]
        for positions, limit in ((steps.PLACES, 1.0), (steps.stale(), 1.0), (steps.stale(), 2.0))
    ]
    assert len({round(float(t.detach()), 9) for t in totals}) == 3


DIRECT = ("kl", "entropy", "ntp")


@pytest.mark.parametrize("part", DIRECT)
def test_gradients_of_the_additions_equal_finite_differences(part):
    """Of these terms nothing is held constant, so the loss itself can be shaken."""
    m, options, step = steps.toys(), ObjectiveConfig(horizon=2), 1e-6
    generator = torch.Generator().manual_seed(1)
    direction = [
        torch.randn(p.shape, generator=generator, dtype=p.dtype) for p in steps.parameters(m)
    ]

    def moved(by: float) -> float:
        with torch.no_grad():
            for p, d in zip(steps.parameters(m), direction, strict=True):
                p.add_(d, alpha=by)
            return float(step_loss(m, steps.PLACES, options).parts[part])

    found = steps.gradients(m, step_loss(m, steps.PLACES, options).parts[part])
    slope = sum(float((g * d).sum()) for g, d in zip(found, direction, strict=True))
    up = moved(step)
    down = moved(-2 * step)
    assert slope == pytest.approx((up - down) / (2 * step), rel=1e-5)
    assert abs(slope) > 1e-2


@pytest.mark.parametrize("estimator", ["rloo", "gae"])
def test_the_surrogates_gradient_equals_finite_differences_of_log_probabilities(estimator):
    """-mean over thoughts of the mean of A log pi, with A held constant."""
    m, step = steps.toys(), 1e-6
    result = step_loss(m, steps.PLACES, ObjectiveConfig(estimator=estimator))
    flat = [tokens for group in result.advantages for tokens in group]

    def held() -> float:
        means = []
        thoughts = [(position, c) for position in steps.PLACES for c in position.thoughts]
        for (position, c), judged in zip(thoughts, flat, strict=True):
            start = [*position.document[: position.position], m.open_id]
            logs = [
                float(reference.logprob(m.policy, start + c.sampled[:t], token, 0.7))
                for t, token in enumerate(c.sampled)
            ]
            means.append(sum(a * x for a, x in zip(judged, logs, strict=True)) / len(logs))
        return -sum(means) / len(means)

    weight = m.policy.embed.weight
    generator = torch.Generator().manual_seed(2)
    direction = torch.randn(weight.shape, generator=generator, dtype=weight.dtype)
    (gradient,) = torch.autograd.grad(result.parts["surrogate"], [weight])
    with torch.no_grad():
        weight.add_(direction, alpha=step)
        up = held()
        weight.sub_(direction, alpha=2 * step)
        down = held()
    slope = float((gradient * direction).sum())
    assert slope == pytest.approx((up - down) / (2 * step), rel=1e-5)
    assert abs(slope) > 1e-3


def test_the_value_losss_gradient_equals_finite_differences_with_the_returns_held():
    m, step = steps.toys(), 1e-6
    result = step_loss(m, steps.PLACES, ObjectiveConfig(estimator="gae", token_mean="token"))
    thoughts = [
        ([*position.document[: position.position], m.open_id], c)
        for position in steps.PLACES
        for c in position.thoughts
    ]

    def values() -> torch.Tensor:
        return torch.stack([v for start, c in thoughts for v in token_values(m, start, c)])

    advantages = torch.tensor([a for g in result.advantages for tokens in g for a in tokens])
    returns = advantages.double() + values().detach()
    moved, found = [], steps.gradients(m, result.parts["value"])
    generator = torch.Generator().manual_seed(3)
    direction = [torch.randn(g.shape, generator=generator, dtype=g.dtype) for g in found]
    with torch.no_grad():
        for by in (step, -2 * step):
            for p, d in zip(steps.parameters(m), direction, strict=True):
                p.add_(d, alpha=by)
            moved.append(float(0.5 * (values() - returns).square().mean()))
    slope = sum(float((g * d).sum()) for g, d in zip(found, direction, strict=True))
    assert slope == pytest.approx((moved[0] - moved[1]) / (2 * step), rel=1e-4)
    assert abs(slope) > 1e-3
    # it trains the head and, through it, the trunk
    assert all(any(g.any() for g in part) for part in (found[:-2], found[-2:]))


def test_gradient_flows_through_thought_tokens_only(monkeypatch):
    """With the paper's objective nothing else is scored with gradient: not the document, not the
    target, not a forced delimiter."""
    m, seen = steps.scorers(), []
    plain = reference.log_probabilities

    def spy(model, context, temperature):
        found = plain(model, context, temperature)
        if found.requires_grad:
            seen.append((context, temperature))
        return found

    monkeypatch.setattr(reference, "log_probabilities", spy)
    result = step_loss(m, steps.PLACES, ObjectiveConfig())
    monkeypatch.undo()
    wanted = [
        [*position.document[: position.position], m.open_id, *c.sampled[:t]]
        for position in steps.PLACES
        for c in position.thoughts
        for t in range(len(c.sampled))
    ]
    policy = [context for context, temperature in seen if temperature == 0.7]
    assert policy == wanted
    # what the next-token loss looked at has no share in the paper's gradient
    (share,) = torch.autograd.grad(result.total, [result.parts["ntp"]], allow_unused=True)
    assert share is None


def test_a_forced_delimiter_is_no_choice_and_a_drawn_one_is():
    m, options = steps.scorers(), ObjectiveConfig(estimator="raw")
    forced = ReferencePosition([40, 51, 62], 2, [ReferenceThought([30, 41], forced=True)])
    drawn = ReferencePosition(
        [40, 51, 62], 2, [ReferenceThought([30, 41, steps.CLOSE], forced=False)]
    )
    a, b = (step_loss(m, [position], options) for position in (forced, drawn))
    assert a.rewards == b.rewards  # one and the same context
    assert [len(x.advantages[0][0]) for x in (a, b)] == [2, 3]
    gain = a.rewards[0][0]
    start = [40, 51, m.open_id]
    tokens = [30, 41, steps.CLOSE]
    for result, count in ((a, 2), (b, 3)):
        logs = [
            reference.logprob(m.policy, start + tokens[:t], token, 0.7)
            for t, token in enumerate(tokens[:count])
        ]
        expected = steps.gradients(m, -gain * torch.stack(logs).mean())
        for ours, theirs in zip(steps.gradients(m, result.total), expected, strict=True):
            torch.testing.assert_close(ours, theirs)


def test_the_target_does_not_reach_the_thoughts():
    """Causality: with another target the logits of the thought are the same to the bit, and so is
    every term that is about the thought alone; only the reward differs."""
    m = steps.scorers()
    m.policy.float()
    position, other = steps.PLACES[0], [40, 51, 62, 99, 84, 95]
    c = position.thoughts[0]
    head = [*position.document[: position.position], m.open_id]
    rows = [
        torch.tensor([[*head, *c.sampled, m.close_id, target]])
        for target in (position.document[3], other[3])
    ]
    end = len(head) + len(c.sampled) + 1
    with torch.no_grad():
        a, b = (m.policy(input_ids=row).logits[0] for row in rows)
    assert torch.equal(a[:end], b[:end])
    assert not torch.equal(a[end], b[end])

    m = steps.scorers()
    options = ObjectiveConfig(estimator="raw", kl_weight=0.1)
    first = step_loss(m, [position], options)
    second = step_loss(m, [replace(position, document=other)], options)
    for name in ("kl", "entropy"):
        assert torch.equal(first.parts[name], second.parts[name])
    assert first.rewards != second.rewards
    assert not torch.equal(first.parts["ntp"], second.parts["ntp"])


def test_s_ema_measures_and_does_not_steer_the_papers_gradient():
    m = steps.scorers()
    other = replace(m, ema=m.frozen)
    a, b = (step_loss(x, steps.PLACES, ObjectiveConfig()) for x in (m, other))
    assert a.rewards != b.rewards
    for ours, theirs in zip(steps.gradients(m, a.total), steps.gradients(m, b.total), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-9)


def test_the_discount_weighs_the_reward_and_not_the_next_token_loss():
    m = steps.scorers()
    a, b = (step_loss(m, steps.PLACES, ObjectiveConfig(horizon=3, discount=d)) for d in (1.0, 0.5))
    assert a.rewards != b.rewards
    assert torch.equal(a.parts["ntp"], b.parts["ntp"])


def test_a_horizon_ends_with_the_document():
    position = steps.PLACES[1]
    assert position.targets(1) == [67]
    assert position.targets(3) == position.targets(9) == [67, 78]


@pytest.mark.parametrize("position", [0, 4, -1])
def test_a_position_without_text_before_or_after_is_refused(position):
    position = replace(steps.PLACES[1], position=position)
    with pytest.raises(ValueError, match=r"it must lie in \[1, 3\]"):
        step_loss(steps.scorers(), [position], ObjectiveConfig())


def test_a_missing_model_is_named():
    m = steps.scorers()
    with pytest.raises(ValueError, match="frozen reference"):
        step_loss(replace(m, frozen=None), steps.PLACES, ObjectiveConfig(kl_weight=0.1))
    with pytest.raises(ValueError, match="value head"):
        step_loss(replace(m, value=None), steps.PLACES, ObjectiveConfig(estimator="gae"))


def test_the_papers_loss_of_one_document_is_the_step_of_its_places():
    m = steps.scorers()
    document = [40, 51, 62, 73, 84, 95]
    thoughts = {3: steps.PLACES[0].thoughts, 2: steps.PLACES[1].thoughts}
    found, rewards = reference.loss(
        m.policy, m.ema, document, thoughts, open_id=m.open_id, close_id=m.close_id,
        temperature=0.9, clip_low=0.2, clip_high=0.28, horizon=2, discount=0.5,
    )  # fmt: skip
    positions = [ReferencePosition(document, t, group) for t, group in thoughts.items()]
    expected = step_loss(m, positions, ObjectiveConfig(temperature=0.9, horizon=2, discount=0.5))
    assert torch.equal(found, expected.total)
    assert [rewards[3], rewards[2]] == expected.rewards
