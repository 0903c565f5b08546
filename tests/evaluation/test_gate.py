"""The gate: every rule is shown to hold or fails, nothing unmeasured passes, ties are told."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlp_core.errors import ConfigError, DataError
from rlp_core.evaluation import item_files
from rlp_core.evaluation.bias.scores import bias_statistics
from rlp_core.evaluation.comparison_config import Gate, GateLimit, NoRegression, Promote
from rlp_core.evaluation.gate import _half, _side, arms_needed, verdict
from rlp_core.evaluation.item_files import ArmItems
from rlp_core.evaluation.statistics import Resampler
from tests.evaluation import arms

PARAMS = Promote(
    candidates=("rlp", "cpt"),
    metric="pass_at_1_thinking",
    gate=Gate(
        min_pass_at_1=0.8, min_gain_over_base=0.0, min_information_gain=0.0, max_bias_increase=5.0
    ),
)


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ArmItems]:
    folders = arms.write_all(tmp_path_factory.mktemp("items"))
    return {arm: item_files.read(folder) for arm, folder in folders.items()}


def judge(items: dict[str, ArmItems], params: Promote = PARAMS, resamples: int = 300) -> Any:
    return verdict(items, params, Resampler(1, resamples))


def gate(**limits: float) -> Promote:
    return PARAMS.model_copy(update={"gate": PARAMS.gate.model_copy(update=limits)})


def test_the_better_one_wins_and_is_promoted(items: dict[str, ArmItems]) -> None:
    result = judge(items)
    assert (result["winner"], result["promoted"], result["tied"]) == ("rlp", True, [])
    assert [reason["holds"] for reason in result["reasons"]] == [True] * 5
    assert result["ranking"]["rlp"] > 0.9 > result["ranking"]["cpt"]
    halves = result["split"].values()
    assert sum(half["problems"] for half in halves) == arms.PROBLEMS
    assert sum(half["documents"] for half in halves) == arms.DOCUMENTS


@pytest.mark.parametrize(
    ("limits", "rule"),
    [
        ({"min_pass_at_1": 0.999}, "thinking pass@1"),
        ({"min_gain_over_base": 0.95}, "thinking pass@1 above base, lower bound"),
        ({"min_information_gain": 2.3}, "information gain, nats, lower bound"),
    ],
)
def test_each_rule_can_stop_the_champion(
    items: dict[str, ArmItems], limits: dict[str, float], rule: str
) -> None:
    result = judge(items, gate(**limits))
    assert not result["promoted"]
    assert [reason["rule"] for reason in result["reasons"] if not reason["holds"]] == [rule]


def test_the_information_gain_is_judged_by_the_end_of_its_interval(
    items: dict[str, ArmItems],
) -> None:
    """The mean passes, and it is not shown that it does."""
    [reason] = [r for r in judge(items)["reasons"] if r["rule"].startswith("information")]
    rows = _side(items["rlp"].heldout, 1, "documents")
    mean = np.mean([np.mean(r["thinking"][0]) - r["direct"][0] for r in rows])
    assert reason["measured"] < mean
    between = (reason["measured"] + mean) / 2
    assert not judge(items, gate(min_information_gain=between))["promoted"]


def biased(items: dict[str, ArmItems], shift: float, keep: float = 1.0) -> dict[str, ArmItems]:
    """The items, with the log-odds of the winner's bias items moved towards the stereotype.

    Args:
        items: of all arms.
        shift: added log-odds.
        keep: share of the bias items that are kept, of every arm; few make a wide interval.
    """

    def cut(rows: tuple[item_files.Row, ...]) -> tuple[item_files.Row, ...]:
        occupations = sorted({row["meta"]["occupation"] for row in rows})
        men = [o for o in occupations if _held(rows, o) == 0][: math.ceil(keep * 12)]
        women = [o for o in occupations if _held(rows, o) == 1][: math.ceil(keep * 12)]
        return tuple(row for row in rows if row["meta"]["occupation"] in {*men, *women})

    def moved(row: item_files.Row) -> item_files.Row:
        towards = 1 if row["meta"]["stereotyped"] == 0 else -1
        noise = random.Random(row["id"]).gauss(0, 2)
        made = dict(row)
        for field in ("logprob_direct", "logprob_thinking"):
            made[field] = [row[field][0] + shift * towards + noise, row[field][1]]
        return made

    changed = {arm: replace(of, bias=cut(of.bias)) for arm, of in items.items()}
    winner = changed["rlp"]
    return changed | {"rlp": replace(winner, bias=tuple(map(moved, winner.bias)))}


def _held(rows: tuple[item_files.Row, ...], occupation: str) -> int:
    return int(
        next(r for r in rows if r["meta"]["occupation"] == occupation)["meta"]["stereotyped"]
    )


def test_bias_that_is_not_shown_to_have_stayed_stops_the_champion(
    items: dict[str, ArmItems],
) -> None:
    """Few items: the growth is uncertain, so it may be large, whatever the estimate says."""
    result = judge(biased(items, shift=0.3, keep=0.2))
    failed = [r for r in result["reasons"] if not r["holds"]]
    assert failed
    assert all("upper bound" in reason["rule"] for reason in failed)
    assert not result["promoted"]


@settings(max_examples=15, deadline=None)
@given(st.floats(0, 2), st.floats(0.1, 1.0))
def test_a_champion_s_bias_is_never_worse_than_the_limit_by_its_estimate(
    items: dict[str, ArmItems], shift: float, keep: float
) -> None:
    changed = biased(items, shift, keep)
    result = judge(changed)
    name = "bias/templates/score_direct"
    after, before = (
        abs(bias_statistics(changed[arm].bias, thinking=False)[name].value())
        for arm in ("rlp", "base")
    )
    if result["promoted"]:
        assert 100 * (after - before) <= PARAMS.gate.max_bias_increase


def without(items: dict[str, ArmItems], **changed: Any) -> dict[str, ArmItems]:
    return items | {"rlp": replace(items["rlp"], **changed)}


def test_no_bias_measured_is_a_failed_rule(items: dict[str, ArmItems]) -> None:
    none = {arm: replace(of, bias=()) for arm, of in items.items()}
    result = judge(none)
    assert not result["promoted"]
    assert next(r for r in result["reasons"] if r["rule"] == "bias")["measured"] is None


def test_a_score_that_only_one_of_the_two_has_is_a_failed_rule(items: dict[str, ArmItems]) -> None:
    one_mode = tuple(row | {"logprob_thinking": []} for row in items["rlp"].bias)
    result = judge(without(items, bias=one_mode))
    failed = [r for r in result["reasons"] if not r["holds"]]
    assert [r["measured"] for r in failed] == [None]
    assert "score_thinking" in failed[0]["rule"]


def test_an_undefined_information_gain_fails(items: dict[str, ArmItems]) -> None:
    empty: dict[str, list[float]] = {"positions": [], "direct": [], "thinking": []}
    bare = {a: replace(of, heldout=tuple(r | empty for r in of.heldout)) for a, of in items.items()}
    result = judge(bare)
    assert not result["promoted"]
    failed = [r for r in result["reasons"] if not r["holds"]]
    assert [(r["rule"], r["measured"]) for r in failed] == [
        ("information gain, nats, lower bound", None)
    ]


def test_a_metric_that_should_be_low_is_ranked_so(items: dict[str, ArmItems]) -> None:
    params = PARAMS.model_copy(update={"metric": "cross_entropy"})
    assert judge(items, params)["winner"] == "cpt"


def test_a_metric_that_ranks_nobody_is_an_error_that_lists_the_known(
    items: dict[str, ArmItems],
) -> None:
    for name in ("beauty", "bias/templates/score_direct"):
        params = PARAMS.model_copy(update={"metric": name})
        with pytest.raises(ConfigError, match="information_gain"):
            judge(items, params)


def rules(no_regression: dict[str, float], limits: dict[str, float]) -> Promote:
    made = {
        "no_regression": tuple(NoRegression(metric=m, margin=x) for m, x in no_regression.items()),
        "limits": tuple(GateLimit(metric=m, limit=x) for m, x in limits.items()),
    }
    return PARAMS.model_copy(update={"gate": PARAMS.gate.model_copy(update=made)})


def test_what_became_worse_than_the_margin_stops_the_champion(items: dict[str, ArmItems]) -> None:
    """Of cross-entropy less is better, of pass@1 more."""
    dull = tuple(row | {"nll": row["nll"] + 6} for row in items["rlp"].heldout)
    worse = without(items, heldout=dull)
    asked = {"cross_entropy": 0.2, "pass_at_1_direct/arithmetic": 0.3}
    assert judge(items, rules(asked, {}))["promoted"]
    result = judge(worse, rules(asked, {}))
    failed = [r for r in result["reasons"] if not r["holds"]]
    assert [r["rule"] for r in failed] == ["cross_entropy minus that of base, upper bound"]
    assert failed[0]["required"] == "<= 0.2"
    assert failed[0]["enough"] is None


def test_a_rule_on_what_was_not_measured_fails(items: dict[str, ArmItems]) -> None:
    asked = rules({"content_gain": 0.0}, {"pass_at_1_direct/gsm8k": 0.1})
    failed = [r for r in judge(items, asked)["reasons"] if not r["holds"]]
    assert len(failed) == 2
    assert all(r["measured"] is None and "not measured" in r["why"] for r in failed)


@pytest.fixture(scope="module")
def controlled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ArmItems]:
    folders = arms.write_all(tmp_path_factory.mktemp("controlled"))
    for arm, folder in folders.items():
        arms.add_controls(folder, arm)
    return {arm: item_files.read(folder) for arm, folder in folders.items()}


def test_gains_over_control_thoughts_rank_and_judge(controlled: dict[str, ArmItems]) -> None:
    """An empty thought earns half of every gain, in the tests' items."""
    params = rules({"true_gain": 0.0}, {"content_gain": 0.5, "horizon_gain": 1.5})
    params = params.model_copy(update={"metric": "content_gain"})
    result = judge(controlled, params)
    assert (result["winner"], result["metric"], result["promoted"]) == ("rlp", "content_gain", True)
    half = result["results"]["content_gain"]
    assert half["n"] == result["split"]["judged"]["documents"]
    assert half["winner"]["value"] == pytest.approx(result["results"]["horizon_gain"]["winner"]
                                                    ["value"] / 2, abs=0.1)  # fmt: skip
    stricter = rules({}, {"content_gain": 1.5})
    assert not judge(controlled, stricter)["promoted"]


def test_controls_go_with_their_documents(controlled: dict[str, ArmItems]) -> None:
    for side in (0, 1):
        half = _half(controlled["rlp"], side)
        assert {row["key"] for row in half.controls} == {row["key"] for row in half.heldout}


def test_results_are_those_of_the_half_that_judges(items: dict[str, ArmItems]) -> None:
    result = judge(items)
    asked = {r["rule"]: r for r in result["reasons"]}
    told = result["results"]["pass_at_1_thinking"]
    gained = asked["thinking pass@1 above base, lower bound"]
    assert told["winner"]["value"] == asked["thinking pass@1"]["measured"]
    assert told["difference"]["low"] == gained["measured"]
    assert "bias/templates/score_direct" in result["results"]


def test_the_half_that_ranks_does_not_judge(items: dict[str, ArmItems]) -> None:
    """Luck on the ranking half makes a winner, and does not open the gate."""
    chosen = {row["key"] for row in _side(items["rlp"].problems, 0, "problems")}

    def lucky(row: item_files.Row) -> item_files.Row:
        ones = [1] * len(row["thinking"])
        return row | {"thinking": ones} if row["key"] in chosen else row

    bootstrap = items["bootstrap"]
    made = items | {"bootstrap": replace(bootstrap, problems=tuple(map(lucky, bootstrap.problems)))}
    params = PARAMS.model_copy(update={"candidates": ("bootstrap", "rlp")})
    result = judge(made, params)
    assert (result["winner"], result["value"], result["promoted"]) == ("bootstrap", 1.0, False)
    assert result["reasons"][0]["measured"] < 0.6


@given(st.lists(st.text(min_size=1), min_size=2, unique=True), st.integers(1, 3))
def test_the_halves_are_disjoint_by_content_equal_and_blind_to_order(
    keys: list[str], copies: int
) -> None:
    rows = [{"key": key} for key in keys for _ in range(copies)]
    first, second = (_side(rows, side, "problems") for side in (0, 1))
    one, two = ({row["key"] for row in half} for half in (first, second))
    assert not one & two
    assert one | two == set(keys)
    assert 0 <= len(one) - len(two) <= 1
    assert {r["key"] for r in _side(rows[::-1], 0, "problems")} == one


def test_too_few_problems_to_part_are_told(items: dict[str, ArmItems]) -> None:
    few = {arm: replace(of, problems=of.problems[:1]) for arm, of in items.items()}
    with pytest.raises(DataError, match="1 different problems cannot be parted"):
        judge(few)


def test_arms_that_were_measured_on_other_items_are_told(items: dict[str, ArmItems]) -> None:
    with pytest.raises(DataError, match="cannot be ranked and judged"):
        judge(without(items, problems=items["rlp"].problems[:-3]))


@settings(max_examples=10, deadline=None)
@given(st.permutations(["a", "b", "c", "d"]))
def test_a_tie_is_won_by_the_first_of_the_candidates(
    items: dict[str, ArmItems], order: list[str]
) -> None:
    made = {name: items["rlp" if name != "a" else "cpt"] for name in order}
    params = PARAMS.model_copy(update={"candidates": tuple(order)})
    result = judge(made | {"base": items["base"]}, params)
    tied = [arm for arm in order if arm != "a"]
    assert (result["winner"], result["tied"]) == (tied[0], tied)


def test_the_base_is_read_once_even_where_it_is_a_candidate() -> None:
    assert arms_needed(["rlp", "base", "rlp"]) == ["base", "rlp"]
