"""The tests of the first screen: their family, and that they err no more often than they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rlp_core.arms import declared
from rlp_core.evaluation.claims import ALPHA, claims, of_no_change
from rlp_core.evaluation.comparison import compare
from rlp_core.evaluation.statistics import Resampler, collect, mean
from tests.evaluation import arms


def of_differences(values: np.ndarray, per_cluster: int = 1) -> float:
    names = [str(i) for i in range(len(values))]
    clusters = [str(i // per_cluster) for i in range(len(values))]
    return of_no_change(mean(names, clusters, list(values)), Resampler(1, resamples=400))


def test_where_nothing_is_it_rejects_at_five_per_cent() -> None:
    """Clusters of two equal values: as items they would seem twice as many as they are."""
    rng = np.random.default_rng(5)
    drawn = rng.standard_normal((600, 20))
    rejected = np.mean([of_differences(np.repeat(x, 2), 2) < 0.05 for x in drawn])
    assert 0.03 <= rejected <= 0.07


def test_a_planted_difference_is_found() -> None:
    rng = np.random.default_rng(6)
    drawn = 1.0 + rng.standard_normal((100, 20))  # power of a t-test: 0.99
    assert np.mean([of_differences(x) < 0.05 for x in drawn]) > 0.9


def test_few_clusters_are_tried_out() -> None:
    assert of_differences(np.array([1.0, 2.0, 3.0])) == pytest.approx(2 / 8)


def test_only_a_ratio_can_be_nothing() -> None:
    other = collect(["a", "b"], ["a", "b"], np.ones((2, 2)), lambda totals: totals[..., 0])
    with pytest.raises(ValueError, match="ratio"):
        of_no_change(other, Resampler(1, 100))


def test_every_claim_of_the_page_is_in_the_family(tmp_path: Path) -> None:
    folders = arms.write_all(tmp_path)
    for arm, folder in folders.items():
        arms.add_controls(folder, arm)
        arms.add_few_shot(folder, arm)
    tree = compare(folders, Resampler(seed=1, resamples=500), declared()).tree
    found = tree["claims"]
    assert set(found) == {
        "rlp/pass_at_1_gain",
        "rlp/gain_over_base",
        "rlp/content_gain",
        "rlp/pass_at_1_best/bootstrap",
        "rlp/pass_at_1_best/cpt",
        "rlp-ft/pass_at_1_best/cpt-ft",
        "bootstrap/left",
        "cpt/left",
        "rlp/left",
    }
    best = tree["differences"]["rlp"]["cpt"]["pass_at_1_best"]
    assert found["rlp/pass_at_1_best/cpt"]["p"] == best["p"]
    assert all(one["p_holm"] >= one["p"] for one in found.values())
    least = min(one["p"] for one in found.values())
    assert min(one["p_holm"] for one in found.values()) == pytest.approx(9 * least, abs=1e-5)
    assert found["rlp/pass_at_1_gain"]["p_holm"] < ALPHA


def test_without_the_arm_nothing_is_claimed() -> None:
    assert claims({}, {}, Resampler(1, 10), declared()) == {}
