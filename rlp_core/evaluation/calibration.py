"""Whether a model is as often right as it is sure, where choices are weighed.

A model's confidence is the probability of the likeliest choice, among the choices of a problem.
Overconfidence is mean confidence less the share of right answers: 0 is ideal, above it a model is
surer than right. It can hide errors that cancel; the expected calibration error (Guo et al. 2017)
adds up |confidence - right| over bins of confidence and cannot, but is never 0 by chance and larger
on few problems.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rlp_core.evaluation.item_files import ArmItems, Row, cluster_of
from rlp_core.evaluation.statistics import Array, Estimate, Resampler, mean

BINS = 10
"""Of equal width, from 0 to 1."""

MODES = ("thinking", "direct")


def calibration(
    items: Mapping[str, ArmItems], resampler: Resampler
) -> dict[str, dict[str, dict[str, dict[str, Any]]]]:
    """By benchmark, arm and mode: `confidence`, `right`, `error` and `overconfidence`, an estimate.

    Only of benchmarks whose choices are weighed: of a written answer no probability is kept.
    """
    found: dict[str, dict[str, dict[str, dict[str, Any]]]] = {}
    for arm, of in items.items():
        weighed: dict[str, list[Row]] = {}
        for row in of.problems:
            if "logprob_direct" in row:
                weighed.setdefault(row["benchmark"], []).append(row)
        for benchmark, rows in sorted(weighed.items()):
            found.setdefault(benchmark, {})[arm] = {
                mode: _measured(rows, mode, resampler) for mode in MODES
            }
    return dict(sorted(found.items()))


def _measured(rows: Sequence[Row], mode: str, resampler: Resampler) -> dict[str, Any]:
    confidence, right = confidences(rows, mode)
    over: Estimate = resampler.estimate(
        mean(
            [row["id"] for row in rows],
            [cluster_of(row) for row in rows],
            (confidence - right).tolist(),
        )
    )
    return {
        "confidence": float(confidence.mean()),
        "right": float(right.mean()),
        "error": expected_error(confidence, right),
        "overconfidence": over,
    }


def confidences(rows: Sequence[Row], mode: str) -> tuple[Array, Array]:
    """Of every problem the probability of its likeliest choice, and 1 where that is right: [n].

    Args:
        rows: with weighed choices.
        mode: `thinking` or `direct`.
    """
    sure, right = [], []
    for row in rows:
        logprobs = np.array(row[f"logprob_{mode}"])
        shares = np.exp(logprobs - np.logaddexp.reduce(logprobs))
        sure.append(shares.max())
        right.append(float(shares.argmax() == row["right"]))
    return np.array(sure), np.array(right)


def expected_error(confidence: Array, right: Array) -> float:
    """Mean over problems of |mean confidence - share of right answers| of their bin."""
    of = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = np.bincount(of, confidence - right, BINS)
    return float(np.abs(gaps).sum() / len(confidence))
