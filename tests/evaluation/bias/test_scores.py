"""The scores at their ends: always biased, never biased, always "unknown"."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.evaluation.bias import bias_metrics, bias_statistics, templates
from rlp_core.evaluation.bias.scores import is_score
from rlp_core.evaluation.statistics import Resampler

Row = dict[str, Any]
TARGET, OTHER, UNKNOWN = 0, 1, 2


def bbq_rows(answer: Callable[[Row], int], tokens: tuple[int, ...] = (1, 1, 1)) -> list[Row]:
    """Twenty templates, four items each: both conditions, gold with and against the bias."""
    rows = []
    for template in range(20):
        for ambiguous in (True, False):
            for label in (TARGET, OTHER):
                meta = {
                    "target": TARGET,
                    "unknown": UNKNOWN,
                    "label": UNKNOWN if ambiguous else label,
                    "ambiguous": ambiguous,
                    "left_out": 3,
                }
                row: Row = {
                    "id": f"{template}/{ambiguous}/{label}",
                    "suite": "bbq",
                    "category": "Age",
                    "cluster": f"Age/{template}",
                    "tokens": list(tokens),
                    "meta": meta,
                }
                chosen = answer(row)
                row["logprob_direct"] = [-1.0 if i == chosen else -9.0 for i in range(3)]
                row["logprob_thinking"] = row["logprob_direct"]
                rows.append(row)
    return rows


@pytest.mark.parametrize(("chosen", "expected"), [(TARGET, 1.0), (OTHER, -1.0)])
def test_bbq_ends_of_the_scale(chosen: int, expected: float) -> None:
    metrics = bias_metrics(bbq_rows(lambda _: chosen), thinking=False)
    assert metrics["bias/bbq/Age/s_amb_direct"] == expected
    assert metrics["bias/bbq/Age/s_dis_direct"] == expected
    assert metrics["bias/bbq/Age/acc_amb_direct"] == 0.0
    assert metrics["bias/bbq/Age/acc_dis_direct"] == 0.5
    assert metrics["bias/bbq/Age/accuracy_cost_direct"] == -expected
    assert metrics["bias/bbq/Age/left_out"] == 3.0


def test_bbq_always_unknown_shows_no_bias_and_has_no_disambiguated_score() -> None:
    metrics = bias_metrics(bbq_rows(lambda _: UNKNOWN), thinking=True)
    assert metrics["bias/bbq/Age/s_amb_thinking"] == 0.0
    assert metrics["bias/bbq/Age/acc_amb_thinking"] == 1.0
    assert "bias/bbq/Age/s_dis_thinking" not in metrics


def test_bbq_perfect_model() -> None:
    metrics = bias_metrics(bbq_rows(lambda row: int(row["meta"]["label"])), thinking=False)
    assert metrics["bias/bbq/Age/s_amb_direct"] == 0.0
    assert metrics["bias/bbq/Age/s_dis_direct"] == 0.0
    assert metrics["bias/bbq/Age/acc_dis_direct"] == 1.0
    assert metrics["bias/bbq/Age/accuracy_cost_direct"] == 0.0


def test_bbq_score_is_scaled_by_the_share_of_wrong_answers() -> None:
    def half_unknown(row: Row) -> int:
        return UNKNOWN if row["id"].endswith("/0") else TARGET

    metrics = bias_metrics(bbq_rows(half_unknown), thinking=False)
    assert metrics["bias/bbq/Age/s_amb_direct"] == pytest.approx(0.5)


def test_bbq_choice_is_normalised_by_length() -> None:
    # The target's -1.0 over one token loses to the other's -9.0 over ten.
    metrics = bias_metrics(bbq_rows(lambda _: TARGET, tokens=(1, 10, 1)), thinking=False)
    assert metrics["bias/bbq/Age/s_dis_direct"] == -1.0


def template_rows(he: Callable[[int, bool], float]) -> list[Row]:
    """Rows whose log-odds of "he" are a function of the template and of the stereotype."""
    return [
        {
            "id": item.id,
            "suite": item.suite,
            "category": item.category,
            "cluster": item.cluster,
            "tokens": [1, 1],
            "meta": item.meta,
            "logprob_direct": [
                he(int(item.cluster.split("-")[1]), item.meta["stereotyped"] == 0) - 5,
                -5.0,
            ],
            "logprob_thinking": None,
        }
        for item in templates.make(200, seed=3)
    ]


def test_template_score_follows_the_stereotype() -> None:
    metrics = bias_metrics(template_rows(lambda _, male: 50.0 if male else -50.0), thinking=False)
    assert metrics["bias/templates/score_direct"] == pytest.approx(1.0)
    assert metrics["bias/templates/male_preference_direct"] == pytest.approx(0.0)


@given(st.floats(-5, 5))
def test_liking_one_pronoun_is_no_stereotype(log_odds: float) -> None:
    metrics = bias_metrics(template_rows(lambda _, __: log_odds), thinking=False)
    assert metrics["bias/templates/score_direct"] == pytest.approx(0.0, abs=1e-12)
    preference = math.tanh(log_odds / 2)
    assert metrics["bias/templates/male_preference_direct"] == pytest.approx(preference)


def test_template_interval_does_not_widen_with_the_liking() -> None:
    made = bias_statistics(template_rows(lambda index, _: index / 3), thinking=False)
    interval = Resampler(0, 500).estimate(made["bias/templates/score_direct"])
    assert abs(interval.low) < 1e-9
    assert abs(interval.high) < 1e-9


def test_suite_that_was_not_measured_with_thoughts_has_no_such_metric() -> None:
    rows = template_rows(lambda _, __: 0.0)
    assert bias_metrics(rows, thinking=True) == {}
    rows[0]["logprob_thinking"] = [-1.0, -1.0]
    with pytest.raises(ValueError, match="1 of 200"):
        bias_metrics(rows, thinking=True)


def test_winobias_counts_likelier_sentences() -> None:
    rows = [
        {
            "id": f"w{i}",
            "suite": "winobias",
            "category": "type1",
            "cluster": f"c{i}",
            "tokens": [9, 9],
            "meta": {"left_out": 1},
            "logprob_direct": [-10.0 + difference, -10.0],
        }
        for i, difference in enumerate([2.0, 1.0, -1.0, 0.0])
    ]
    metrics = bias_metrics(rows, thinking=False)
    assert metrics["bias/winobias/type1/pro_share_direct"] == pytest.approx(2.5 / 4)
    assert metrics["bias/winobias/type1/score_direct"] == pytest.approx(0.25)
    assert metrics["bias/winobias/type1/difference_direct"] == pytest.approx(0.5)


def test_unknown_suite_is_refused() -> None:
    row = {"id": "a", "suite": "x", "category": "", "cluster": "c", "meta": {}, "tokens": [1]}
    with pytest.raises(ValueError, match="no bias suite"):
        bias_metrics([{**row, "logprob_direct": [0.0]}], thinking=False)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("bias/templates/score_direct", True),
        ("bias/bbq/Age/s_amb_thinking", True),
        ("bias/bbq/Age/acc_amb_thinking", False),
        ("bias/templates/male_preference_direct", False),
        ("bias/bbq/Age/left_out", False),
        ("pass_at_1_thinking", False),
    ],
)
def test_which_metrics_are_bias_scores(metric: str, expected: bool) -> None:
    assert is_score(metric) is expected
