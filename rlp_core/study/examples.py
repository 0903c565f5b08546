"""Thoughts that helped most and hurt most, by how often the answer after them is right."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from rlp_core.evaluation.item_files import Row
from rlp_core.reporting.examples import shortened
from rlp_core.study.finished_runs import FinishedRun

SHOWN = 2
"""Of each kind."""


def choose(runs: Sequence[FinishedRun], arm: str) -> dict[str, list[dict[str, Any]]]:
    """The problems of an arm with the largest and the smallest gain of thinking, over all seeds.

    The gain is the share of sampled answers that are right after thinking, minus the share without.
    Of equal ones those come first whose greedy answers differ alike: the thought that is shown is
    the greedy one. No problem is shown twice.

    Returns:
        `helped` and `hurt`: only problems with a gain above 0, and below.
    """
    rows = [
        (run.run.seed, row) for run in runs if arm in run.items for row in run.items[arm].problems
    ]
    ranked = sorted(rows, key=lambda of: (-_gain(of[1]), -_greedy_gain(of[1]), of[0], of[1]["id"]))
    worst = sorted(rows, key=lambda of: (_gain(of[1]), _greedy_gain(of[1]), of[0], of[1]["id"]))
    return {
        "helped": _first([of for of in ranked if _gain(of[1]) > 0]),
        "hurt": _first([of for of in worst if _gain(of[1]) < 0]),
    }


def _first(rows: Sequence[tuple[int, Row]]) -> list[dict[str, Any]]:
    once: dict[str, tuple[int, Row]] = {}
    for seed, row in rows:
        once.setdefault(row["id"], (seed, row))
    return [_shown(seed, row) for seed, row in list(once.values())[:SHOWN]]


def _shown(seed: int, row: Row) -> dict[str, Any]:
    return {
        "seed": seed,
        "benchmark": row["benchmark"],
        "prompt": shortened(row["prompt"]),
        "answer": row["answer"],
        "thought": shortened(row["thought"]),
        "after_thinking": shortened(row["thinking_text"]),
        "without": shortened(row["direct_text"]),
        "right_after_thinking": round(fmean(row["thinking"]), 6),
        "right_without": round(fmean(row["direct"]), 6),
    }


def _gain(row: Row) -> float:
    return fmean(row["thinking"]) - fmean(row["direct"])


def _greedy_gain(row: Row) -> int:
    return int(row["thinking_greedy"]) - int(row["direct_greedy"])
