"""What perturbations cost, by hand and on nulls."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

from rlp_core.evaluation import perturbed_metrics as module
from rlp_core.evaluation.item_files import CLEAN
from rlp_core.evaluation.perturbed_metrics import (
    ROBUSTNESS_DESCRIPTIONS,
    robustness_metrics,
    robustness_statistics,
    robustness_tests,
)
from rlp_core.evaluation.statistics import Resampler, Statistic


def row(
    problem: str, perturbation: str, thinking: list[int], direct: list[int], **more: Any
) -> dict[str, Any]:
    made = {"id": problem, "key": problem, "benchmark": "x", "perturbation": perturbation}
    made |= {"thinking": thinking, "thinking_greedy": thinking[0]}
    made |= {"direct": direct, "direct_greedy": direct[0]}
    made |= {"answer_logprob_direct": -3.0, "answer_logprob_thinking": [-1.0, -2.0]}
    if perturbation == CLEAN:
        made["applies"] = {"typo": True, "synonyms": problem != "c", "spacing": False}
    return made | more


ROWS = [
    row("a", CLEAN, [1, 1], [0, 0]),
    row("b", CLEAN, [1, 0], [0, 0]),
    row("c", CLEAN, [0, 1], [0, 0], benchmark="y"),
    row("a", "typo", [0, 1], [0, 0], answer_logprob_thinking=[-4.0, -4.0]),
    row("b", "typo", [0, 0], [1, 0]),
    row("c", "typo", [1, 1], [0, 0], benchmark="y"),
    row("a", "synonyms", [1, 1], [0, 0]),
    row("b", "synonyms", [1, 1], [0, 0]),
]


def test_metrics_by_hand() -> None:
    made = {name: s.value() for name, s in robustness_statistics(ROWS).items()}
    clean, typo = (0.75 + 0.5) / 2, (0.25 + 1.0) / 2
    assert made["robust_pass_at_1_thinking/typo"] == typo
    assert made["robust_drop_thinking/typo"] == clean - typo
    assert made["robust_drop_rate_thinking/typo"] == 1 - typo / clean
    assert made["robust_drop_thinking/typo/x"] == 0.5
    assert made["robust_drop_thinking/typo/y"] == -0.5
    assert made["robust_flip_rate_thinking/typo"] == 1.0
    assert made["robust_flip_rate_direct/typo"] == (0.5 + 0) / 2
    assert made["robust_drop_thinking/synonyms"] == -0.25  # of a and b alone
    assert made["robust_gain/typo"] == pytest.approx(((-1 + 1.5) / 2 + 1.5) / 2)
    assert made["robust_gain_change/typo"] == pytest.approx((-2.5 / 2 + 0) / 2)
    assert math.isnan(made["robust_drop_rate_direct/typo"])
    assert {name.partition("/")[0] for name in made} == set(ROBUSTNESS_DESCRIPTIONS)
    assert not any(name.split("/")[1] == "spacing" for name in made)
    told = robustness_metrics(ROWS)
    assert told == {name: value for name, value in made.items() if not math.isnan(value)}
    assert robustness_statistics([]) == robustness_metrics([]) == {}


def test_tests_by_hand_and_what_applies_nowhere_is_there() -> None:
    tree = robustness_tests(ROWS)
    assert list(tree) == ["typo", "synonyms", "spacing"]
    assert (tree["typo"]["problems"], tree["typo"]["applied"]) == (3, 3)
    thinking = tree["typo"]["thinking"]
    assert (thinking["worse"], thinking["better"], thinking["p"]) == (2, 1, 1.0)
    assert tree["spacing"]["applied"] == 0
    assert math.isnan(tree["spacing"]["direct"]["p_holm"])


def test_holm_takes_all_perturbations_in_both_modes() -> None:
    rows = []
    for i in range(10):
        rows.append(row(str(i), CLEAN, [1], [1], applies={"typo": True, "spacing": True}))
        rows.append(row(str(i), "typo", [0], [int(i > 7)]))
        rows.append(row(str(i), "spacing", [int(i > 6)], [1]))
    tree = robustness_tests(rows)
    p = {n: tree[n][m]["p"] for n, m in (("typo", "thinking"), ("spacing", "thinking"))}
    assert p == {"typo": 2 / 2**10, "spacing": 2 / 2**7}
    assert tree["typo"]["thinking"]["p_holm"] == pytest.approx(3 * p["typo"])
    assert tree["spacing"]["thinking"]["p_holm"] == pytest.approx(p["spacing"])
    assert tree["typo"]["direct"]["p_holm"] == pytest.approx(2 * 2 / 2**8)


@pytest.mark.parametrize(
    ("rows", "said"), [(ROWS[3:], "was not asked as it is"), ([*ROWS, ROWS[3]], "asked twice")]
)
def test_rows_that_cannot_be_paired_are_refused(rows: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        robustness_statistics(rows)


def spread(clean: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Ends of the drop's interval in every simulation: [2, simulations]; the inputs [n, sims]."""
    count, sims = clean.shape
    sums = np.stack([clean, other, np.ones_like(clean)], axis=-1)

    def formula(totals: np.ndarray) -> np.ndarray:
        each = totals.reshape(*totals.shape[:-1], sims, 3)
        return module._drop(each[..., :2] / each[..., 2:])

    names = tuple(f"{i:03}" for i in range(count))
    codes = np.arange(count)[:, None]
    made = Statistic(names, (names,), codes, sums.reshape(count, -1), formula)
    return np.quantile(Resampler(3, 1000).distribution(made), [0.025, 0.975], axis=0)


def test_the_interval_of_a_drop_misses_the_truth_in_one_case_of_twenty() -> None:
    """Problems differ in difficulty, and both texts of one share it: pairs are not independent."""
    rng = np.random.default_rng(0)
    hard = rng.beta(0.5, 0.5, (100, 2000))
    clean, other = (rng.binomial(4, hard) / 4 for _ in range(2))
    low, high = spread(clean, other)
    assert 0.03 < np.mean((low > 0) | (high < 0)) < 0.07
    other *= rng.random(other.shape) < 0.8  # a planted drop of 0.1
    low, high = spread(clean, other)
    error = (clean - other).std() / np.sqrt(100)
    theory = NormalDist().cdf(0.1 / error - 1.96)
    assert 0.7 < theory < 0.95
    assert np.mean(low > 0) == pytest.approx(theory, abs=0.04)
    assert np.mean((low <= 0.1) & (high >= 0.1)) == pytest.approx(0.95, abs=0.02)


def test_the_array_code_of_the_null_is_that_of_the_metric() -> None:
    rng = np.random.default_rng(1)
    values = rng.integers(0, 5, (2, 30)) / 4
    rows = []
    for i, (a, b) in enumerate(values.T):
        many = [[int(k < 4 * x) for k in range(4)] for x in (a, b)]
        rows.append(row(f"{i:03}", CLEAN, many[0], [0]))
        rows.append(row(f"{i:03}", "typo", many[1], [0]))
    found = Resampler(3, 1000).estimate(robustness_statistics(rows)["robust_drop_thinking/typo"])
    low, high = spread(values[0][:, None], values[1][:, None])
    assert (found.low, found.high) == pytest.approx((low[0], high[0]))
