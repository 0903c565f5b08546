import math

import pytest

from rlp_core.objective.options import ESTIMATORS, Options


def test_the_defaults_are_the_papers_objective():
    terms = {name for name, factor in Options().coefficients.items() if factor}
    assert terms == {"surrogate"}
    assert (Options().estimator, Options().token_mean, Options().horizon) == ("rloo", "thought", 1)
    assert Options().reward_clip is None


def test_the_signs_of_the_terms():
    options = Options(kl_weight=0.1, entropy_weight=0.2, ntp_weight=0.3, estimator="gae")
    assert options.coefficients == {
        "surrogate": 1.0, "kl": 0.1, "entropy": -0.2, "ntp": 0.3, "value": 0.5,
    }  # fmt: skip


@pytest.mark.parametrize("name", [e for e in ESTIMATORS if e != "gae"])
def test_only_gae_has_a_value_loss(name):
    assert Options(estimator=name, value_weight=2.0).coefficients["value"] == 0


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
        ("clip_low", 1.0),
        ("clip_high", 0.0),
        ("kl_weight", -0.1),
        ("entropy_weight", math.inf),
        ("ntp_weight", math.nan),
        ("value_weight", -1.0),
        ("value_clip", -0.2),
        ("gae_lambda", math.nan),
        ("gae_discount", -0.1),
        ("importance_limit", 0.0),
    ],
)
def test_a_field_out_of_range_is_named(field, value):
    with pytest.raises(ValueError, match=field):
        Options(**{field: value})
