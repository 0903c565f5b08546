"""Scores of the two plain forms: their ends, their symmetries, and how surely they ring."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.evaluation.bias import bias_metrics, bias_statistics
from rlp_core.evaluation.bias.forms import FEWEST_CLUSTERS
from rlp_core.evaluation.bias.shared_tokens import shared_places
from rlp_core.evaluation.statistics import Array, Resampler
from tests.evaluation.bias.test_scores import bbq_rows

Row = dict[str, Any]
PAIR = {"form": "pairs", "stereotyped": 0, "weighed": "whole", "average": "items", "left_out": 2}
CHOICE = {
    "form": "choices",
    "target": 0,
    "opposite": 1,
    "unknown": 2,
    "label": None,
    "weighed": "per_token",
    "left_out": 0,
}


def rows_of(
    values: Array | list[list[float]], clusters: int, meta: Row, tokens: list[int] | None = None
) -> list[Row]:
    """An item per row of log-probabilities, its cluster by turns."""
    return [
        {
            "id": f"mine/{i:04}",
            "suite": "mine",
            "category": "",
            "cluster": f"c{i % clusters:03}",
            "logprob_direct": list(map(float, of)),
            "tokens": tokens or [4] * len(of),
            "meta": meta,
        }
        for i, of in enumerate(values)
    ]


def value(rows: list[Row], name: str) -> float:
    return bias_statistics(rows, thinking=False)[f"bias/mine/{name}_direct"].value()


PAIRS_OF_VALUES = st.lists(
    st.tuples(st.floats(-50, 0), st.floats(-50, 0)).map(list), min_size=8, max_size=30
)


@given(PAIRS_OF_VALUES, st.sampled_from(["whole", "per_token", "shared"]), st.booleans())
def test_swapping_the_pair_flips_the_sign(
    values: list[list[float]], weighed: str, by_cluster: bool
) -> None:
    meta = PAIR | {"weighed": weighed, "average": "clusters" if by_cluster else "items"}
    rows = rows_of(values, 7, meta, [3, 5])
    # the label goes to the other sentence, or the two change places: either way the same
    relabelled = rows_of(values, 7, meta | {"stereotyped": 1}, [3, 5])
    swapped = rows_of([pair[::-1] for pair in values], 7, meta, [5, 3])
    for name in ("score", "difference"):
        assert value(relabelled, name) == pytest.approx(-value(rows, name), abs=1e-12)
        assert value(swapped, name) == pytest.approx(-value(rows, name), abs=1e-12)
    assert -1 <= value(rows, "score") <= 1


def test_a_pair_is_scored_by_which_is_likelier_and_by_how_much() -> None:
    rows = rows_of([[-10.0 + d, -10.0] for d in (2.0, 1.0, -1.0, 0.0, 3.0, 1.0)], 6, PAIR)
    metrics = bias_metrics(rows, thinking=False)
    assert metrics["bias/mine/stereotyped_share_direct"] == pytest.approx(4.5 / 6)
    assert metrics["bias/mine/score_direct"] == pytest.approx(0.5)
    assert metrics["bias/mine/difference_direct"] == pytest.approx(1.0)
    assert metrics["bias/mine/left_out"] == 2.0


def test_of_clusters_each_weighs_the_same() -> None:
    rows = rows_of([[-1.0, -2.0]] * 6, 6, PAIR | {"average": "clusters"})
    more = rows_of([[-2.0, -1.0]] * 30, 1, PAIR | {"average": "clusters"})
    for i, row in enumerate(more):
        row |= {"id": f"more/{i}", "cluster": "big"}
    assert value([*rows, *more], "score") == pytest.approx((6 - 1) / 7)


def test_per_token_a_longer_sentence_is_no_worse() -> None:
    values = [[-8.0, -6.0]] * 6
    assert value(rows_of(values, 6, PAIR, [8, 2]), "score") == -1.0
    per_token = PAIR | {"weighed": "per_token"}
    assert value(rows_of(values, 6, per_token, [8, 2]), "score") == 1.0


def test_stereoset_by_its_definition() -> None:
    """Nadeem et al. 2021: by target term ss and lms, averaged over terms; icat of the two."""
    meta = PAIR | {"average": "clusters"}
    values = [[-1.0, -2.0, -3.0], [-2.0, -1.0, -1.5]] * 6  # a term has both kinds by turns
    rows = rows_of(values, 6, meta)
    ss = np.array([1.0, 0.0] * 6)
    lms = np.array([1.0, 0.5] * 6)
    terms = [[i for i in range(12) if i % 6 == term] for term in range(6)]
    ss_all, lms_all = (np.mean([x[t].mean() for t in terms]) for x in (ss, lms))
    assert value(rows, "stereotyped_share") == pytest.approx(ss_all)
    assert value(rows, "lms") == pytest.approx(lms_all)
    assert value(rows, "icat") == pytest.approx(lms_all * min(ss_all, 1 - ss_all) / 0.5)


def test_pairs_without_a_shared_token_are_counted_and_say_nothing() -> None:
    rows = rows_of([[-1.0, -2.0]] * 8, 8, PAIR | {"weighed": "shared"})
    rows[0] |= {"tokens": [0, 0], "logprob_direct": [0.0, 0.0]}
    metrics = bias_metrics(rows, thinking=False)
    assert metrics["bias/mine/score_direct"] == 1.0
    assert metrics["bias/mine/no_shared_token"] == 1.0


@pytest.mark.parametrize("meta", [PAIR, CHOICE])
def test_three_items_say_too_few_and_no_number(meta: Row) -> None:
    rows = rows_of([[-1.0, -2.0, -3.0]] * 3, 3, meta)
    metrics = bias_metrics(rows, thinking=False)
    assert {name: n for name, n in metrics.items() if "left_out" not in name} == {
        "bias/mine/too_few": 3.0
    }
    estimate = Resampler(0, 50).estimate(
        bias_statistics(rows, thinking=False)["bias/mine/score_direct"]
    )
    assert math.isnan(estimate.value)
    assert (estimate.n, estimate.clusters) == (3, 3)


def test_many_items_of_few_clusters_are_too_few() -> None:
    few = rows_of([[-1.0, -2.0]] * 60, FEWEST_CLUSTERS - 1, PAIR)
    assert bias_metrics(few, thinking=False)["bias/mine/too_few"] == 60.0
    enough = rows_of([[-1.0, -2.0]] * 60, FEWEST_CLUSTERS, PAIR)
    assert bias_metrics(enough, thinking=False)["bias/mine/score_direct"] == 1.0


@pytest.mark.parametrize(("chosen", "score"), [(0, 1.0), (1, -1.0), (2, math.nan)])
def test_choices_at_the_ends_of_the_scale(chosen: int, score: float) -> None:
    values = np.full((12, 3), -9.0)
    values[:, chosen] = -1.0
    rows = rows_of(values, 12, CHOICE)
    assert value(rows, "score") == pytest.approx(score, nan_ok=True)
    assert value(rows, "answered_share") == float(chosen != 2)


def test_another_choice_is_neither_stereotyped_nor_opposite() -> None:
    values = [[-9.0, -9.0, -9.0, -1.0]] * 6 + [[-1.0, -9.0, -9.0, -9.0]] * 6
    rows = rows_of(values, 12, CHOICE | {"label": 3})
    assert value(rows, "score") == 1.0
    assert value(rows, "answered_share") == 0.5
    assert value(rows, "accuracy") == 0.5


def test_with_ambiguous_contexts_the_scores_are_those_of_bbq() -> None:
    def answer(row: Row) -> int:
        return (int(row["id"].split("/")[0]) + len(row["id"])) % 3

    theirs = bbq_rows(answer)
    ours = [row | {"suite": "mine"} for row in bbq_rows(answer)]
    for row in ours:
        row["meta"] = row["meta"] | {"form": "choices", "opposite": 1, "weighed": "per_token"}
    expected = {n.split("/")[-1]: v for n, v in bias_metrics(theirs, thinking=False).items()}
    found = {n.split("/")[-1]: v for n, v in bias_metrics(ours, thinking=False).items()}
    assert {n: found[n] for n in expected} == expected


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(ValueError, match="no form of bias sets is called 'triples'"):
        bias_statistics(rows_of([[-1.0, -2.0]], 1, PAIR | {"form": "triples"}), thinking=False)


# ------------------------------------------------------------------------------ shared tokens

TOKENS = st.lists(st.integers(0, 5), max_size=14)


@given(TOKENS, TOKENS)
def test_shared_tokens_are_the_same_in_order_whichever_comes_first(
    first: list[int], second: list[int]
) -> None:
    mine, theirs = shared_places(first, second)
    assert [first[i] for i in mine] == [second[i] for i in theirs]
    assert mine == sorted(set(mine))
    assert theirs == sorted(set(theirs))
    assert shared_places(second, first) == (theirs, mine)


@given(TOKENS)
def test_a_sentence_shares_all_with_itself(tokens: list[int]) -> None:
    assert shared_places(tokens, tokens) == (list(range(len(tokens))),) * 2


def test_a_word_that_differs_is_left_out() -> None:
    assert shared_places([1, 2, 3, 4], [1, 8, 9, 3, 4]) == ([0, 2, 3], [0, 3, 4])


# ----------------------------------------------------------------- how surely a bias is found

ITEMS, CLUSTERS, SIMULATIONS = 240, 60, 200
"""As many pairs and occupations as Winogender has."""


def log_odds(rng: np.random.Generator, shift: float) -> tuple[Array, Array]:
    """Of a base and an arm, of one set: items of a cluster lean alike, and both arms too."""
    common = rng.normal(0, 0.5, CLUSTERS)[np.arange(ITEMS) % CLUSTERS] + rng.normal(0, 0.8, ITEMS)
    base, arm = rng.normal(0, 0.6, (2, ITEMS))
    return common + base, common + arm + shift


def rows_with(odds: Array, form: str) -> list[Row]:
    if form == "pairs":
        return rows_of(np.column_stack([odds - 40, np.full(ITEMS, -40.0)]), CLUSTERS, PAIR)
    third = np.full(ITEMS, -41.0)
    return rows_of(np.column_stack([odds - 40, np.full(ITEMS, -40.0), third]), CLUSTERS, CHOICE)


def rates(form: str, shift: float) -> tuple[float, float]:
    """How often an arm is accused by its interval, and of having grown more biased than the base.

    As the report does: the permutation test of the change, and the interval of its size.
    """
    rng, resampler = np.random.default_rng(7), Resampler(0, 300)
    accused = grown = 0
    for _ in range(SIMULATIONS):
        base, arm = (
            bias_statistics(rows_with(odds, form), thinking=False)["bias/mine/score_direct"]
            for odds in log_odds(rng, shift)
        )
        accused += resampler.estimate(arm).low > 0
        size = resampler.difference(arm, base, magnitude=True)
        grown += resampler.difference(arm, base).p < 0.05 and size.low > 0
    return accused / SIMULATIONS, grown / SIMULATIONS


@pytest.mark.parametrize("form", ["pairs", "choices"])
def test_a_planted_bias_is_found(form: str) -> None:
    """Three quarters of the items lean to the stereotype: a score of 0.5."""
    accused, grown = rates(form, shift=0.75)
    assert accused >= 0.9
    assert grown >= 0.9


@pytest.mark.parametrize("form", ["pairs", "choices"])
def test_a_balanced_model_is_not_accused(form: str) -> None:
    accused, grown = rates(form, shift=0.0)
    assert accused <= 0.05
    assert grown <= 0.05
