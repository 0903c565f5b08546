"""Sentences claim no more than the intervals allow."""

from __future__ import annotations

from typing import Any

import pytest

from rlp_core.reporting import verdicts


def entry(value: float | None, low: float | None, high: float | None) -> dict[str, Any]:
    return {"value": value, "low": low, "high": high, "n": 9, "clusters": 9, "p": 0.01}


def claimed(name: str, p: float | None = 0.001) -> dict[str, Any]:
    return {"claims": {name: {"p": p, "p_holm": p}}}


@pytest.mark.parametrize(
    ("low", "high", "verdict", "word"),
    [
        (0.1, 0.3, "good", "it helps"),
        (-0.3, -0.1, "bad", "it harms"),
        (-0.1, 0.1, "open", "cannot be told"),
        (0.0, 0.0, "open", "cannot be told"),
        (None, None, "open", "cannot be told"),
    ],
)
def test_verdict_follows_the_interval(
    low: float | None, high: float | None, verdict: str, word: str
) -> None:
    tree = {"arms": {"rlp": {"pass_at_1_gain": entry(0.1, low, high)}}}
    found = verdicts.thinking_helps(tree | claimed("rlp/pass_at_1_gain"), "rlp")
    assert found.tone == verdict
    assert word in found.sentence


@pytest.mark.parametrize("p", [0.06, None])
def test_what_the_adjusted_test_does_not_show_is_not_claimed(p: float | None) -> None:
    tree = {"arms": {"rlp": {"pass_at_1_gain": entry(0.1, 0.05, 0.2)}}}
    found = verdicts.thinking_helps(tree | claimed("rlp/pass_at_1_gain", p), "rlp")
    assert (found.tone, "cannot be told" in found.sentence) == ("open", True)


def test_of_many_metrics_those_are_named_that_hold_together() -> None:
    """Each alone has p = 0.01; of five none is below 0.05 after Holm, of four all are."""
    names = ["pass_at_1_thinking", "greedy_thinking", "pass_at_1_direct", "greedy_direct"]
    metrics = {name: entry(0.2, 0.1, 0.3) for name in names}
    of = {"differences": {"rlp": {"cpt": metrics}}}
    assert len(verdicts.where_better(of, "rlp", "cpt")[1]) == 4
    metrics["information_gain"] = entry(0.2, 0.1, 0.3)
    assert verdicts.where_better(of, "rlp", "cpt") == ([], [])
    metrics["bits_per_byte"] = entry(0.2, 0.1, 0.3) | {"p": None}
    metrics["greedy_direct"] = entry(0.2, 0.1, 0.3) | {"p": 0.0001}
    assert len(verdicts.where_better(of, "rlp", "cpt")[1]) == 5


def test_where_better_knows_which_way_is_up() -> None:
    metrics = {
        "pass_at_1_thinking": entry(0.2, 0.1, 0.3),
        "cross_entropy": entry(0.2, 0.1, 0.3),
        "greedy_direct": entry(-0.2, -0.3, 0.1),
        "thought_tokens": entry(5.0, 4.0, 6.0),
        "bias/templates/score_direct": entry(0.5, 0.4, 0.6),
    }
    theirs, ours = verdicts.where_better({"differences": {"rlp": {"cpt": metrics}}}, "rlp", "cpt")
    assert [line.split(" +")[0] for line in theirs] == ["cross-entropy (nats/token)"]
    assert [line.split(" +")[0] for line in ours] == ["pass@1, thinking"]


def bias(p_holm: float, p_equivalent: float, low: float, high: float) -> dict[str, Any]:
    change = entry((low + high) / 2, low, high)
    change |= {"p_holm": p_holm, "p_equivalent_holm": p_equivalent}
    scores = {"bias/templates/score_thinking": {"change": change, "magnitude": change}}
    return {"settings": {"equivalence_margin": 0.05}, "bias": {"rlp": scores}}


@pytest.mark.parametrize(
    ("tree", "verdict", "word"),
    [
        (bias(0.01, 0.9, 0.1, 0.3), "bad", "grew"),
        (bias(0.01, 0.9, -0.3, -0.1), "good", "fell"),
        (bias(0.5, 0.01, -0.01, 0.01), "good", "less than 0.05"),
        (bias(0.5, 0.5, -0.2, 0.2), "open", "neither"),
        (bias(0.5, 0.5, 0.1, 0.3), "open", "neither"),
    ],
)
def test_bias_is_claimed_only_after_holm(tree: dict[str, Any], verdict: str, word: str) -> None:
    (found,) = verdicts.bias_findings(tree)
    assert found.tone == verdict
    assert word in found.sentence


def shares(**values: float) -> dict[str, Any]:
    """Arms by pass@1 in either mode; every pair is compared, +-0.1."""
    names = ("pass_at_1_best", "pass_at_1_thinking", "pass_at_1_direct")
    return {
        "arms": {arm: {n: entry(v, v - 0.1, v + 0.1) for n in names} for arm, v in values.items()},
        "differences": {
            a: {
                b: {n: entry(x - y, x - y - 0.1, x - y + 0.1) for n in names}
                for b, y in values.items()
                if b < a
            }
            for a, x in values.items()
        },
    }


def test_a_tie_names_no_winner() -> None:
    found = verdicts.winner(shares(base=0.1, cpt=0.90004, rlp=0.9), "pretrained", ["cpt", "rlp"])
    assert found.tone == "open"
    assert "cpt, rlp are level" in found.sentence
    assert "none wins" in found.sentence


def test_a_lead_that_is_not_shown_names_no_winner() -> None:
    found = verdicts.winner(shares(cpt=0.85, rlp=0.9), "pretrained", ["cpt", "rlp"])
    assert found.tone == "open"
    assert "not shown to be better than cpt" in found.sentence


def test_a_pair_that_was_not_compared_shows_nothing() -> None:
    tree = shares(cpt=0.2, rlp=0.9)
    tree["differences"] = {}
    assert verdicts.winner(tree, "pretrained", ["cpt", "rlp"]).tone == "open"


@pytest.mark.parametrize("best", ["cpt", "rlp"])
def test_who_beats_every_other_wins(best: str) -> None:
    tree = shares(**({"base": 0.1, "cpt": 0.5, "rlp": 0.5} | {best: 0.9}))
    found = verdicts.winner(tree, "pretrained", ["base", "cpt", "rlp"])
    assert found.tone == "good"
    assert f"{best} wins" in found.sentence


def test_arms_are_compared_in_the_mode_in_which_each_is_better() -> None:
    tree = shares(cpt=0.5, rlp=0.9)
    tree["arms"]["cpt"]["pass_at_1_thinking"] = entry(0.2, 0.1, 0.3)
    tree["differences"]["rlp"]["cpt"] = {
        "pass_at_1_best": entry(0.0, -0.1, 0.1),
        "pass_at_1_thinking": entry(0.7, 0.6, 0.8),
    }
    found = verdicts.against(tree | claimed("rlp/pass_at_1_best/cpt"), "rlp", "cpt")
    assert found.tone == "open"
    assert "cpt without thinking" in found.sentence
    assert "both with thinking: 0.700" in found.sentence.replace("+", "")
