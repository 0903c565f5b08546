"""A preference that is planted is found, none is not, and none can be shown to be none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rlp_core.evaluation.reward_audit.config import RewardAudit
from rlp_core.evaluation.reward_audit.group_preference import (
    Preference,
    mention_effect,
    preferences,
    swap_statistic,
)
from rlp_core.evaluation.reward_audit.table import table_of
from rlp_core.evaluation.statistics import Resampler, mean
from tests.evaluation.reward_audit import simulated

SETTINGS = RewardAudit()
NAMES = [str(i) for i in range(200)]


def drawn(seed: int, effect: float) -> tuple[Any, Any]:
    """200 contexts of 8 thoughts; those with more mentions also have more reward, all of them."""
    rng = np.random.default_rng([seed, 9])
    level = rng.standard_normal((200, 1))
    mention = rng.random((200, 8)) < 1 / (1 + np.exp(-level))
    return level + 0.3 * rng.standard_normal((200, 8)) + effect * mention, mention


def judged(reward: Any, mention: Any, resampler: Resampler) -> tuple[float, float]:
    """The effect and its p, through the statistics of the project."""
    difference, both = mention_effect(reward, mention)
    names = [name for name, known in zip(NAMES, both, strict=True) if known]
    found = mean(names, names, difference[both].tolist())
    nothing = mean(names, names, [0.0] * len(names))
    estimate = resampler.difference(found, nothing)
    return estimate.value, estimate.p


def test_without_an_effect_five_of_a_hundred_are_found() -> None:
    """Though pooled over contexts every one of them would be."""
    resampler, rejected, pooled = Resampler(1, 400), 0, []
    for seed in range(800):
        reward, mention = drawn(seed, 0.0)
        rejected += judged(reward, mention, resampler)[1] < 0.05
        pooled.append(reward[mention].mean() - reward[~mention].mean())
        resampler._made.clear()
    assert 0.03 <= rejected / 800 <= 0.07
    assert np.mean(pooled) > 0.5


def test_a_tenth_of_a_nat_is_found() -> None:
    resampler = Resampler(1, 400)
    found = [judged(*drawn(seed, 0.1), resampler) for seed in range(40)]
    assert np.mean([p < 0.05 for _, p in found]) >= 0.9
    assert np.mean([effect for effect, _ in found]) == pytest.approx(0.1, abs=0.01)


def swaps(effect: float, seed: int, group: str = "gender", count: int = 150) -> list[Any]:
    """Rows of contexts whose exchange moves the reward by `effect` and by chance."""
    shared = np.random.default_rng(3).standard_normal((count, 2))  # the context's own, of any arm
    rng = np.random.default_rng([seed, 4])
    rows = []
    for i in range(count):
        noise = 0.1 * rng.standard_normal((2, 4))
        after = -1 + shared[i][:, None] + noise + np.array([[effect], [0.0]])
        rows.append(
            {"id": f"{group}{i}", "key": f"k{i}", "group": group, "direct": [-2.0, -2.0],
             "thinking": after.tolist()}
        )  # fmt: skip
    return rows


def looked(effect: float, count: int = 150, mention: float | None = None) -> dict[str, Preference]:
    made = simulated.clean(3)
    if mention is not None:
        rng = np.random.default_rng(0)
        named = rng.random(made["thinking"].shape) < 0.5
        made["texts"] = [["she" if has else "it" for has in many] for many in named]
        made["thinking"] = -1 + mention * named + 0.05 * rng.standard_normal(named.shape)
    rows = [*swaps(effect, 1, count=count), *swaps(0.0, 2, "placebo")]
    base = [*swaps(0.0, 5, count=count), *swaps(0.0, 6, "placebo")]
    table = table_of(*simulated.rows_of(made))
    found = preferences(table, rows, base, SETTINGS, Resampler(1, 500))
    return {one.name: one for one in found}


def test_what_training_put_there_is_found_beside_what_words_do_anyway() -> None:
    found = looked(0.2)
    assert found["change/gender"].state == "alarm"
    assert found["change/gender"].found.value == pytest.approx(0.2, abs=0.03)
    assert "a preference is shown" in found["change/gender"].message
    assert found["change/placebo"].state == "clear"
    assert found["swap/gender"].state == "open"  # the base has as much of it
    assert 0.5 < found["swap/gender"].moved <= 1
    assert np.isnan(found["swap/gender"].p_holm)


def test_no_change_is_shown_to_be_none_and_few_contexts_show_nothing() -> None:
    assert looked(0.0)["change/gender"].state == "clear"
    assert "TOST" in looked(0.0)["change/gender"].message
    few = looked(0.0, count=10)["change/gender"]
    assert (few.state, "n = 10 texts" in few.message) == ("too_few", True)


def test_thoughts_that_mention_a_group_and_are_paid_are_found() -> None:
    assert looked(0.0, mention=0.3)["mention/gender"].state == "alarm"
    assert looked(0.0, mention=0.0)["mention/gender"].state == "clear"
    assert looked(0.0)["mention/gender"].state == "too_few"


def test_an_exchange_by_hand() -> None:
    row = {"id": "a", "key": "a", "group": "g", "direct": [-2.0, -3.0],
           "thinking": [[-1.0, -2.0], [-2.0, -2.5]]}  # fmt: skip
    assert swap_statistic([row], "g").value() == pytest.approx((2 - 1.5) - (3 - 2.25))
    assert swap_statistic([row], "other").items == ()


def test_the_family_of_looks_rings_in_five_of_a_hundred_without_an_effect() -> None:
    """Mention and change together, Holm over them."""
    rung = 0
    for seed in range(200):
        rng = np.random.default_rng([seed, 1])
        made = simulated.clean(1, 30, 4)
        named = rng.random((30, 4)) < 0.5
        made["texts"] = [["he" if has else "it" for has in many] for many in named]
        made["thinking"] = -1 + rng.standard_normal((30, 4))
        rows, base = (swaps(0.0, 1000 * seed + i, count=40) for i in (1, 2))
        table = table_of(*simulated.rows_of(made))
        found = preferences(table, rows, base, SETTINGS, Resampler(seed, 400))
        rung += any(one.state == "alarm" for one in found)
    assert rung <= 16  # 5 % of 200, and as much by chance as 1 in 50 runs of this test would see
