"""How much perturbations cost, as statistics over problems: `robustness.jsonl`.

Every number of a perturbation is of the problems that it applies to, clean against perturbed, so
that easy problems in the one and hard ones in the other do not make a difference. `METRIC/NAME` is
the macro average over benchmarks, as elsewhere; of several benchmarks the drop stands for each too,
as `METRIC/NAME/BENCHMARK`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from rlp_core.evaluation.item_files import CLEAN, Row, cluster_of
from rlp_core.evaluation.mcnemar import mcnemar
from rlp_core.evaluation.statistics import Array, Statistic, collect, divide, holm

MODES = ("thinking", "direct")

ROBUSTNESS_DESCRIPTIONS = {
    "robust_pass_at_1_thinking": "share of sampled answers to perturbed problems that are right, "
    "after thinking",
    "robust_drop_thinking": "pass@1 of the same problems as they are minus that, after thinking",
    "robust_drop_rate_thinking": "the drop as a share of pass@1 of the problems as they are, after "
    "thinking",
    "robust_flip_rate_thinking": "share of greedy answers that change from right to wrong or from "
    "wrong to right, after thinking",
    "robust_pass_at_1_direct": "share of sampled answers to perturbed problems that are right, "
    "without thinking",
    "robust_drop_direct": "pass@1 of the same problems as they are minus that, without thinking",
    "robust_drop_rate_direct": "the drop as a share of pass@1 of the problems as they are, without "
    "thinking",
    "robust_flip_rate_direct": "share of greedy answers that change from right to wrong or from "
    "wrong to right, without thinking",
    "robust_gain": "nats that a thought adds to the right answer of a perturbed problem",
    "robust_gain_change": "that minus what a thought adds on the same problems as they are",
}
"""By the stem of a metric: `STEM/PERTURBATION`."""

Pair = tuple[Row, Row]


def robustness_statistics(rows: Sequence[Row]) -> dict[str, Statistic]:
    """Every metric of `ROBUSTNESS_DESCRIPTIONS` for each perturbation; none without rows.

    Raises:
        ValueError: a perturbed problem was not asked as it is.
    """
    made: dict[str, Statistic] = {}
    for name, pairs in paired(rows).items():
        if pairs:
            made |= _of_a_perturbation(name, pairs)
    return made


def robustness_metrics(rows: Sequence[Row]) -> dict[str, float]:
    """The values of `robustness_statistics`, without those that are undefined."""
    values = {name: made.value() for name, made in robustness_statistics(rows).items()}
    return {name: value for name, value in values.items() if not np.isnan(value)}


def paired(rows: Sequence[Row]) -> dict[str, list[Pair]]:
    """By perturbation, in order, each problem as it is and perturbed.

    Raises:
        ValueError: a perturbed problem was not asked as it is, or a problem twice in one way.
    """
    clean = {row["id"]: row for row in rows if row["perturbation"] == CLEAN}
    if len({(row["perturbation"], row["id"]) for row in rows}) != len(rows):
        raise ValueError("a problem was asked twice under one perturbation")
    found: dict[str, list[Pair]] = {}
    for row in rows:
        if row["perturbation"] == CLEAN:
            continue
        if row["id"] not in clean:
            raise ValueError(f"the perturbed problem {row['id']!r} was not asked as it is")
        found.setdefault(row["perturbation"], []).append((clean[row["id"]], row))
    return found


def robustness_tests(rows: Sequence[Row]) -> dict[str, Any]:
    """By perturbation how many problems it applies to, and per mode McNemar's test.

    On greedy answers, all benchmarks together. Holm's family are the perturbations in both modes.

    Args:
        rows: of one arm. Those of problems as they are name every perturbation that was asked for,
            also one that applies to none of them.

    Raises:
        ValueError: as `paired`.
    """
    pairs = paired(rows)
    clean = [row for row in rows if row["perturbation"] == CLEAN]
    names = list(dict.fromkeys(name for row in clean for name in row["applies"]))
    total = len(clean)
    tree: dict[str, Any] = {}
    for name in names:
        of = pairs.get(name, [])
        tree[name] = {"problems": total, "applied": len(of)}
        tree[name] |= {mode: _tested(of, f"{mode}_greedy") for mode in MODES}
    keys = [(name, mode) for name in names for mode in MODES]
    adjusted = holm({f"{name} {mode}": tree[name][mode]["p"] for name, mode in keys})
    for name, mode in keys:
        tree[name][mode]["p_holm"] = adjusted[f"{name} {mode}"]
    return tree


def _tested(pairs: Sequence[Pair], field: str) -> dict[str, float]:
    worse = sum(clean[field] > other[field] for clean, other in pairs)
    better = sum(clean[field] < other[field] for clean, other in pairs)
    return {"worse": worse, "better": better, "p": mcnemar(worse, better)}


def _of_a_perturbation(name: str, pairs: Sequence[Pair]) -> dict[str, Statistic]:
    benchmarks = sorted({row["benchmark"] for _, row in pairs})
    made: dict[str, Statistic] = {}
    for mode in MODES:
        sampled = [[float(np.mean(row[mode])) for row in pair] for pair in pairs]
        greedy = [[float(row[f"{mode}_greedy"]) for row in pair] for pair in pairs]
        flips = [[0.0, float(before != after)] for before, after in greedy]
        made[f"robust_pass_at_1_{mode}/{name}"] = _macro(pairs, sampled, _after)
        made[f"robust_drop_{mode}/{name}"] = _macro(pairs, sampled, _drop)
        made[f"robust_drop_rate_{mode}/{name}"] = _macro(pairs, sampled, _drop_rate)
        made[f"robust_flip_rate_{mode}/{name}"] = _macro(pairs, flips, _after)
        for benchmark in benchmarks if len(benchmarks) > 1 else ():
            mine = [i for i, (_, row) in enumerate(pairs) if row["benchmark"] == benchmark]
            made[f"robust_drop_{mode}/{name}/{benchmark}"] = _macro(
                [pairs[i] for i in mine], [sampled[i] for i in mine], _drop
            )
    gains = [[_gain(row) for row in pair] for pair in pairs]
    made[f"robust_gain/{name}"] = _macro(pairs, gains, _after)
    made[f"robust_gain_change/{name}"] = _macro(pairs, gains, lambda means: -_drop(means))
    return made


def _gain(row: Mapping[str, Any]) -> float:
    return float(np.mean(row["answer_logprob_thinking"])) - float(row["answer_logprob_direct"])


def _macro(
    pairs: Sequence[Pair], values: Sequence[Sequence[float]], of: Callable[[Array], Array]
) -> Statistic:
    """A function of two means, as it is and perturbed, each a mean over benchmarks.

    Sums: per benchmark, in order of name, both values of its problems and how many there are.

    Args:
        pairs: of the problems.
        values: [n, 2] as it is and perturbed.
        of: [..., 2] the two means -> [...] the metric.
    """
    names = sorted({row["benchmark"] for _, row in pairs})
    sums = np.zeros((len(pairs), len(names), 3))
    for i, (_, row) in enumerate(pairs):
        sums[i, names.index(row["benchmark"])] = *values[i], 1.0

    def formula(totals: Array) -> Array:
        each = totals.reshape(*totals.shape[:-1], len(names), 3)
        means: Array = divide(each[..., :2], each[..., 2:]).mean(axis=-2)
        return of(means)

    ids, clusters = [row["id"] for _, row in pairs], [cluster_of(row) for _, row in pairs]
    return collect(ids, clusters, sums.reshape(len(pairs), -1), formula)


def _after(means: Array) -> Array:
    found: Array = means[..., 1]
    return found


def _drop(means: Array) -> Array:
    found: Array = means[..., 0] - means[..., 1]
    return found


def _drop_rate(means: Array) -> Array:
    """1 - perturbed / clean (PromptRobust, Zhu et al. 2023); undefined where nothing was right."""
    return divide(_drop(means), means[..., 0])
