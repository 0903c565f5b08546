"""Where problems are solved: pass@1 by how hard a problem is, thinking and not.

A mean over all problems hides whether thinking helps with the hard ones or with those that are
solved anyway. How hard a problem is its source tells (`Problem.difficulty`): a world counts the
steps of its expert, a benchmark's mapping names a field or counts the steps of a worked solution.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rlp_core.evaluation.bias.forms import FEWEST_CLUSTERS
from rlp_core.evaluation.item_files import ArmItems, Row, cluster_of
from rlp_core.evaluation.statistics import Estimate, Resampler, mean

MOST_LEVELS = 12
"""Of one benchmark; where it has more, neighbours are told together."""

MEASURED = ("thinking", "direct", "gain")
"""Pass@1 after thinking, without, and the first minus the second on the same problems."""


def by_difficulty(items: Mapping[str, ArmItems], resampler: Resampler) -> dict[str, Any]:
    """By benchmark its `levels` from easy to hard, and how many problems tell none (`untold`).

    A level has `lowest` and `highest`, the difficulties in it, `n` problems in `clusters`, and by
    arm an estimate of each of `MEASURED`, undefined where there are fewer than `FEWEST_CLUSTERS`
    clusters. Benchmarks none of whose problems tells a difficulty are left out.

    Args:
        items: of the arms, the base among them; its problems say what is how hard.
        resampler: of the intervals, in which clusters are drawn whole.

    Raises:
        ValueError: an arm was measured on other problems.
    """
    benchmarks: dict[str, list[Row]] = {}
    for row in items["base"].problems:
        benchmarks.setdefault(row["benchmark"], []).append(row)
    found = {}
    for benchmark, rows in sorted(benchmarks.items()):
        told = [row for row in rows if row.get("difficulty") is not None]
        if told:
            levels = [
                _level(lowest, highest, told, items, resampler)
                for lowest, highest in levels_of([row["difficulty"] for row in told])
            ]
            found[benchmark] = {"levels": levels, "untold": len(rows) - len(told)}
    return found


def levels_of(difficulties: Sequence[int]) -> list[tuple[int, int]]:
    """Ranges (lowest, highest) from easy to hard, each with problems: a level each if they are few.

    More than `MOST_LEVELS` are put together so that about as many problems are in each range; equal
    ones stay together.
    """
    counts = sorted(Counter(difficulties).items())
    if len(counts) <= MOST_LEVELS:
        return [(level, level) for level, _ in counts]
    ranges: dict[int, list[int]] = {}
    below = 0
    for level, count in counts:
        ranges.setdefault(below * MOST_LEVELS // len(difficulties), []).append(level)
        below += count
    return [(members[0], members[-1]) for members in ranges.values()]


def level_name(level: Mapping[str, Any]) -> str:
    """`3`, or `3 to 5`."""
    lowest, highest = level["lowest"], level["highest"]
    return f"{lowest}" if lowest == highest else f"{lowest} to {highest}"


def _level(
    lowest: int,
    highest: int,
    told: Sequence[Row],
    items: Mapping[str, ArmItems],
    resampler: Resampler,
) -> dict[str, Any]:
    members = [row for row in told if lowest <= row["difficulty"] <= highest]
    ids = [row["id"] for row in members]
    clusters = [cluster_of(row) for row in members]
    arms = {}
    for arm, of in items.items():
        rows = {row["id"]: row for row in of.problems}
        if absent := [name for name in ids if name not in rows]:
            raise ValueError(f"{arm} was not asked the problem {absent[0]!r}")
        mine = [rows[name] for name in ids]
        thinking, direct = (
            [float(np.mean(row[mode])) for row in mine] for mode in ("thinking", "direct")
        )
        gain = [one - other for one, other in zip(thinking, direct, strict=True)]
        measured = zip(MEASURED, (thinking, direct, gain), strict=True)
        arms[arm] = {name: _estimate(ids, clusters, values, resampler) for name, values in measured}
    size = {"n": len(ids), "clusters": len(set(clusters))}
    return {"lowest": lowest, "highest": highest, **size, "arms": arms}


def _estimate(
    ids: Sequence[str], clusters: Sequence[str], values: Sequence[float], resampler: Resampler
) -> Estimate:
    if (many := len(set(clusters))) < FEWEST_CLUSTERS:
        nan = float("nan")
        return Estimate(nan, nan, nan, len(ids), many)
    return resampler.estimate(mean(ids, clusters, values))
