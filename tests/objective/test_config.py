"""The objective's settings: the defaults are the paper's, and what is impossible is named."""

import math

import pytest
from pydantic import ValidationError

from rlp_core.objective import estimators
from rlp_core.objective.config import ObjectiveConfig


def test_the_defaults_are_the_papers_objective():
    usual = ObjectiveConfig()
    assert {name for name, factor in usual.coefficients.items() if factor} == {"surrogate"}
    assert (usual.estimator, usual.token_mean, usual.horizon) == ("rloo", "thought", 1)
    assert (usual.temperature, usual.discount, usual.clip_low, usual.clip_high) == (
        0.7, 1.0, 0.2, 0.28,
    )  # fmt: skip
    assert usual.reward_clip is None
    assert not usual.reward_terms


def test_the_signs_of_the_terms():
    config = ObjectiveConfig(kl_weight=0.1, entropy_weight=0.2, ntp_weight=0.3, estimator="gae")
    assert config.coefficients == {
        "surrogate": 1.0, "kl": 0.1, "entropy": -0.2, "ntp": 0.3, "value": 0.5,
    }  # fmt: skip


@pytest.mark.parametrize("name", estimators.names())
def test_only_an_estimator_of_a_token_has_a_value_loss(name):
    config = ObjectiveConfig(estimator=name, value={"weight": 2.0})
    assert config.coefficients["value"] == (2.0 if estimators.get(name).per_token else 0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("estimator", "leave_one_out"),
        ("token_mean", "batch"),
        ("temperature", 0.0),
        ("temperature", math.nan),
        ("horizon", 0),
        ("discount", 1.1),
        ("reward_clip", 0.0),
        ("reward_terms", {"thought_token": 1.0}),
        ("reward_terms", {"thought_tokens": 0.0}),
        ("reward_terms", {"thought_tokens": math.inf}),
        ("clip_low", 1.0),
        ("clip_high", 0.0),
        ("kl_weight", -0.1),
        ("entropy_weight", math.inf),
        ("ntp_weight", math.nan),
        ("importance_limit", 0.0),
        ("value", {"weight": -1.0}),
        ("value", {"clip": -0.2}),
        ("value", {"gae_lambda": math.nan}),
        ("value", {"gae_discount": -0.1}),
    ],
)
def test_a_field_out_of_range_is_named(field, value):
    with pytest.raises(ValidationError, match=field):
        ObjectiveConfig(**{field: value})


@pytest.mark.parametrize(
    ("field", "value", "near"),
    [
        ("estimator", "rlo", "rloo"),
        ("reward_terms", {"thought_token": 1.0}, "thought_tokens"),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest(field, value, near):
    with pytest.raises(ValidationError, match=f"did you mean `{near}`"):
        ObjectiveConfig(**{field: value})
