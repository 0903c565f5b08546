"""Sentences claim no more than the intervals allow."""

from __future__ import annotations

from typing import Any

import pytest

from rlp_core.reporting import verdicts


def entry(value: float | None, low: float | None, high: float | None) -> dict[str, Any]:
    return {"value": value, "low": low, "high": high, "n": 9, "clusters": 9, "p": 0.01}


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
    found = verdicts.thinking_helps(tree, "rlp")
    assert found.verdict == verdict
    assert word in found.sentence


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
    change = entry((low + high) / 2, low, high) | {"p_holm": p_holm, "p_equivalent": p_equivalent}
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
    assert found.verdict == verdict
    assert word in found.sentence


def test_winner_of_equals_is_the_first() -> None:
    arms = {arm: {"pass_at_1_thinking": entry(0.9, 0.8, 1.0)} for arm in ("base", "cpt", "rlp")}
    assert verdicts.winner({"arms": arms}, ["base", "cpt", "rlp"]) == "base"
