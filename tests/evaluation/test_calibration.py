"""Confidence against right answers: by hand, of a calibrated model, and of one that is too sure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rlp_core.evaluation.calibration import calibration, confidences, expected_error
from rlp_core.evaluation.item_files import ArmItems
from rlp_core.evaluation.statistics import Resampler


def row(name: int, shares: list[float], right: int, benchmark: str = "zebras") -> dict[str, Any]:
    logs = (np.log(shares) - 7).tolist()  # what all choices have in common says nothing
    return {"id": f"p{name}", "key": f"p{name}", "benchmark": benchmark, "right": right,
            "logprob_direct": logs, "logprob_thinking": logs[::-1]}  # fmt: skip


def drawn(count: int, sharpened: float, seed: int) -> list[dict[str, Any]]:
    """Problems whose first choice is right as often as its share; shares are then sharpened."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(count):
        true = float(rng.uniform(0.5, 1))
        shares = np.array([true, 1 - true]) ** sharpened
        rows.append(row(i, (shares / shares.sum()).tolist(), int(rng.random() > true)))
    return rows


def test_by_hand() -> None:
    rows = [row(1, [0.8, 0.1, 0.1], 0), row(2, [0.2, 0.6, 0.2], 2), row(3, [0.3, 0.3, 0.4], 2)]
    confidence, right = confidences(rows, "direct")
    assert confidence.tolist() == pytest.approx([0.8, 0.6, 0.4])
    assert right.tolist() == [1, 0, 1]
    assert expected_error(confidence, right) == pytest.approx((0.2 + 0.6 + 0.6) / 3)
    found = calibration({"rlp": ArmItems(tuple(rows), (), ())}, Resampler(1, 50))
    of = found["zebras"]["rlp"]["direct"]
    assert of["overconfidence"].value == pytest.approx(0.6 - 2 / 3)
    assert confidences(rows, "thinking")[1].tolist() == [0, 0, 0]


def test_errors_of_one_bin_cancel_and_those_of_several_do_not() -> None:
    assert expected_error(np.array([0.75, 0.75]), np.array([1.0, 0.5])) == pytest.approx(0)
    assert expected_error(np.array([0.75, 1.0]), np.array([1.0, 0.75])) == pytest.approx(0.25)


def test_a_calibrated_model_is_seldom_accused_and_one_too_sure_is_found() -> None:
    def accused(sharpened: float) -> float:
        found = []
        for seed in range(100):
            items = {"rlp": ArmItems(tuple(drawn(80, sharpened, seed)), (), ())}
            of = calibration(items, Resampler(1, 300))["zebras"]["rlp"]["direct"]
            found.append(of["overconfidence"].low > 0)
        return float(np.mean(found))

    assert accused(1.0) <= 0.08  # one side of a 95 % interval
    assert accused(4.0) > 0.9


def test_benchmarks_are_not_pooled_and_written_answers_left_out() -> None:
    rows = [row(1, [0.9, 0.1], 0), row(2, [0.5, 0.5], 1, "birds")]
    rows.append({"id": "w", "key": "w", "benchmark": "sums"})
    found = calibration({"rlp": ArmItems(tuple(rows), (), ())}, Resampler(1, 50))
    assert list(found) == ["birds", "zebras"]
    assert calibration({"rlp": ArmItems((rows[2],), (), ())}, Resampler(1, 50)) == {}
