"""The gate: every rule decides, nothing unmeasured passes, ties are told."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.errors import ConfigError
from rlp_core.evaluation.gate import verdict
from rlp_core.params import Gate, Promote

PARAMS = Promote(
    candidates=("rlp", "cpt"),
    metric="pass_at_1_thinking",
    gate=Gate(
        min_pass_at_1=0.8, min_gain_over_base=0.0, min_information_gain=0.0, max_bias_increase=5.0
    ),
)
GOOD: dict[str, Any] = {
    "arms": {
        "rlp": {
            "pass_at_1_thinking": {"value": 0.97},
            "information_gain": {"value": 3.0},
            "cross_entropy": {"value": 2.0},
        },
        "cpt": {
            "pass_at_1_thinking": {"value": 0.3},
            "information_gain": {"value": -1.0},
            "cross_entropy": {"value": 1.0},
        },
    },
    "differences": {"rlp": {"base": {"pass_at_1_thinking": {"low": 0.7}}}},
    "bias": {"rlp": {"bias/templates/score_thinking": {"magnitude": {"low": 0.01}}}},
}


def test_the_better_one_wins_and_is_promoted() -> None:
    result = verdict(GOOD, PARAMS)
    assert (result["winner"], result["promoted"], result["tied"]) == ("rlp", True, [])
    assert [reason["holds"] for reason in result["reasons"]] == [True] * 4
    assert result["ranking"] == {"rlp": 0.97, "cpt": 0.3}


@pytest.mark.parametrize(
    ("path", "bad"),
    [
        (("arms", "rlp", "pass_at_1_thinking", "value"), 0.79),
        (("differences", "rlp", "base", "pass_at_1_thinking", "low"), -0.01),
        (("arms", "rlp", "information_gain", "value"), -0.5),
        (("bias", "rlp", "bias/templates/score_thinking", "magnitude", "low"), 0.051),
    ],
)
@pytest.mark.parametrize("how", ["bad", "null", "absent"])
def test_each_rule_can_stop_the_champion(path: tuple[str, ...], bad: float, how: str) -> None:
    tree = copy.deepcopy(GOOD)
    node: Any = tree
    for key in path[:-1]:
        node = node[key]
    if how == "absent":
        del node[path[-1]]
    else:
        node[path[-1]] = bad if how == "bad" else None
    only = PARAMS.model_copy(update={"candidates": ("rlp",), "metric": "cross_entropy"})
    result = verdict(tree, only)
    assert not result["promoted"]
    assert [reason["holds"] for reason in result["reasons"]].count(False) == 1


def test_no_bias_measured_is_a_failed_rule() -> None:
    tree = {**GOOD, "bias": {}}
    result = verdict(tree, PARAMS)
    assert not result["promoted"]
    assert next(r for r in result["reasons"] if r["rule"] == "bias")["measured"] is None


def test_a_metric_that_should_be_low_is_ranked_so() -> None:
    params = PARAMS.model_copy(update={"metric": "cross_entropy"})
    assert verdict(GOOD, params)["winner"] == "cpt"


def test_an_unknown_metric_is_an_error_that_lists_the_known() -> None:
    params = PARAMS.model_copy(update={"metric": "beauty"})
    with pytest.raises(ConfigError, match="information_gain"):
        verdict(GOOD, params)


@given(st.permutations(["a", "b", "c", "d"]))
def test_a_tie_is_won_by_the_first_of_the_candidates(order: list[str]) -> None:
    value = {"a": 0.1, "b": 0.9, "c": 0.9, "d": 0.9}
    tree = {"arms": {arm: {PARAMS.metric: {"value": v}} for arm, v in value.items()}}
    params = Promote(candidates=tuple(order), metric=PARAMS.metric, gate=PARAMS.gate)
    result = verdict(tree, params)
    tied = [arm for arm in order if arm != "a"]
    assert (result["winner"], result["tied"]) == (tied[0], tied)
