"""What an arm can do, as statistics over its items: the one place where these metrics are defined.

What problems are asked is told apart by benchmark, `METRIC/BENCHMARK`, and by the ability that
several of them ask for, `METRIC/group:GROUP`; under `METRIC` alone stands the macro average, in
which every benchmark weighs the same however many problems it has, and so in a group.

Of benchmarks whose choices are weighed, and not written, pass@1 is the share of problems whose
likeliest choice is right, by the rule of the benchmark.

With and without thoughts, so that thinking can be compared with the same model's own direct
answer, and with the base model's. Log-probabilities are in nats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from rlp_core.evaluation.choosing import likeliest
from rlp_core.evaluation.item_files import Row, cluster_of
from rlp_core.evaluation.statistics import Array, Statistic, collect, divide, mean
from rlp_core.workspace import WEIGHED_RULES

GROUP = "group:"
"""Before the name of a group, where a benchmark's could stand; no benchmark is called so."""

DESCRIPTIONS = {
    "pass_at_1_thinking": "share of sampled answers that are right, after thinking",
    "greedy_thinking": "share of greedy answers that are right, after thinking",
    "pass_at_1_direct": "share of sampled answers that are right, without thinking",
    "greedy_direct": "share of greedy answers that are right, without thinking",
    "pass_at_1_gain": "pass@1 with thinking minus pass@1 without, on the same problems",
    "cross_entropy": "nats per token on held-out text, without thinking",
    "bits_per_byte": "bits per byte of held-out text, without thinking",
    "position_cross_entropy_direct": "nats per token where thoughts are tried, without thinking",
    "position_cross_entropy_thinking": "nats per token there, after thinking",
    "information_gain": "nats that a thought adds to the log-probability of what follows",
    "gain_over_base": "nats that thinking adds over the base model without thinking",
    "baseline_decay": "nats that the model itself lost without thinking, against the base",
    "thought_tokens": "mean tokens of a sampled thought",
    "forced_close_share": "share of sampled thoughts that had to be closed by force",
}

KIND_DESCRIPTIONS = {
    "maj_at_k_thinking": "share of problems whose most frequent written answer is right, after "
    "thinking",
    "maj_at_k_direct": "share of problems whose most frequent written answer is right, without "
    "thinking",
    "acc_thinking": "share of problems with weighed choices whose likeliest is right, after "
    "thinking",
    "acc_direct": "share of problems with weighed choices whose likeliest is right, without "
    "thinking",
    "acc_norm_thinking": "the same after thinking, the likeliest per character",
    "acc_norm_direct": "the same without thinking, the likeliest per character",
}
"""What only problems of one kind tell: those with written answers, or with weighed choices."""

OF_A_BENCHMARK = frozenset(
    {
        "pass_at_1_thinking",
        "greedy_thinking",
        "pass_at_1_direct",
        "greedy_direct",
        "pass_at_1_gain",
        "thought_tokens",
        "forced_close_share",
    }
)
"""What is measured on problems, and so of each benchmark too: `NAME/BENCHMARK`."""

LOWER_IS_BETTER = frozenset(
    {
        "cross_entropy",
        "bits_per_byte",
        "position_cross_entropy_direct",
        "position_cross_entropy_thinking",
        "baseline_decay",
        "forced_close_share",
    }
)


def ability_statistics(
    problems: Sequence[Row], heldout: Sequence[Row], base: Sequence[Row] | None = None
) -> dict[str, Statistic]:
    """Every metric of `DESCRIPTIONS`, and those of `KIND_DESCRIPTIONS` that the problems tell.

    Of problems also per benchmark; ready to be resampled.

    Problems and documents are clusters.

    Args:
        problems: rows of `problems.jsonl`.
        heldout: rows of `heldout.jsonl`.
        base: the base model's `heldout.jsonl`; None leaves out the two metrics that need it.

    Raises:
        ValueError: the base was measured on other documents or positions.
    """
    made = problem_statistics(problems) | _texts(heldout)
    if base is not None:
        made |= _against_base(heldout, base)
    return made


def told_by_benchmark(
    rows: Sequence[Row], measured: Mapping[str, Sequence[float]]
) -> dict[str, Statistic]:
    """Of each metric the macro average, and the mean of each benchmark as `METRIC/BENCHMARK`.

    Args:
        rows: a problem each, with `id`, `key` and `benchmark`.
        measured: metric to a value per row.
    """
    of = [row["benchmark"] for row in rows]
    made: dict[str, Statistic] = {}
    for name, values in measured.items():
        made[name] = _macro(rows, of, values)
        for benchmark in sorted(set(of)):
            mine = [i for i, other in enumerate(of) if other == benchmark]
            ids, clusters = [rows[i]["id"] for i in mine], [cluster_of(rows[i]) for i in mine]
            made[f"{name}/{benchmark}"] = mean(ids, clusters, [values[i] for i in mine])
        for group, members in sorted(_groups(rows).items()):
            mine = [i for i, other in enumerate(of) if other in members]
            made[f"{name}/{GROUP}{group}"] = _macro(
                [rows[i] for i in mine], [of[i] for i in mine], [values[i] for i in mine]
            )
    return made


def chance_levels(rows: Sequence[Row]) -> dict[str, float]:
    """By benchmark the share of right answers of somebody who draws lots among the options."""
    found: dict[str, list[float]] = {}
    for row in rows:
        if row.get("options"):
            found.setdefault(row["benchmark"], []).append(1 / row["options"])
    return {name: float(np.mean(found[name])) for name in sorted(found)}


def _groups(rows: Sequence[Row]) -> dict[str, set[str]]:
    """The benchmarks of each group that has several; with one it would say the same twice."""
    members: dict[str, set[str]] = {}
    for row in rows:
        members.setdefault(row.get("group", "other"), set()).add(row["benchmark"])
    all_of_them = {row["benchmark"] for row in rows}
    return {g: names for g, names in members.items() if 1 < len(names) < len(all_of_them)}


def _macro(rows: Sequence[Row], of: Sequence[str], values: Sequence[float]) -> Statistic:
    """The mean over benchmarks of the mean over their problems.

    Sums: per benchmark, in order of name, the values of its problems and how many there are. A
    resample that draws no problem of a benchmark leaves the average undefined.
    """
    names = sorted(set(of))
    sums = np.zeros((len(rows), 2 * len(names)))
    for row, benchmark in enumerate(of):
        place = 2 * names.index(benchmark)
        sums[row, place : place + 2] = values[row], 1
    ids, clusters = [row["id"] for row in rows], [cluster_of(row) for row in rows]
    return collect(ids, clusters, sums, _mean_of_means)


def _mean_of_means(totals: Array) -> Array:
    means = divide(totals[..., 0::2], totals[..., 1::2])
    averaged: Array = means.mean(axis=-1)
    return averaged


def problem_statistics(rows: Sequence[Row]) -> dict[str, Statistic]:
    """What problems tell: all of them, those with written answers, those with weighed choices."""
    made = told_by_benchmark(rows, _per_problem(rows))
    voted = [row for row in rows if "thinking_majority" in row]
    weighed = [row for row in rows if "logprob_direct" in row]
    for mode in ("thinking", "direct"):
        if voted:
            values = [float(row[f"{mode}_majority"]) for row in voted]
            made |= told_by_benchmark(voted, {f"maj_at_k_{mode}": values})
        made |= by_rule(weighed, mode)
    return made


def by_rule(weighed: Sequence[Row], asked: str) -> dict[str, Statistic]:
    """Whether the right option is the likeliest, by each rule: `acc_ASKED` and `acc_norm_ASKED`.

    Args:
        weighed: rows whose options were weighed; none: there is no metric.
        asked: how, as in the rows' `logprob_ASKED`.
    """
    made: dict[str, Statistic] = {}
    for rule in WEIGHED_RULES if weighed else ():
        values = [
            float(likeliest(row[f"logprob_{asked}"], row["characters"], rule) == row["right"])
            for row in weighed
        ]
        made |= told_by_benchmark(weighed, {f"{rule}_{asked}": values})
    return made


def _per_problem(rows: Sequence[Row]) -> dict[str, list[float]]:
    return {
        "pass_at_1_thinking": [float(np.mean(row["thinking"])) for row in rows],
        "greedy_thinking": [float(row["thinking_greedy"]) for row in rows],
        "pass_at_1_direct": [float(np.mean(row["direct"])) for row in rows],
        "greedy_direct": [float(row["direct_greedy"]) for row in rows],
        "pass_at_1_gain": [float(np.mean(r["thinking"]) - np.mean(r["direct"])) for r in rows],
        "thought_tokens": [float(row["thought_tokens"]) for row in rows],
        "forced_close_share": [float(row["forced"]) for row in rows],
    }


def _texts(rows: Sequence[Row]) -> dict[str, Statistic]:
    sums = _position_sums(rows)
    counts, direct, thinking = sums[:, 0], sums[:, 1], sums[:, 2]
    nll = np.array([row["nll"] for row in rows])
    tokens = np.array([row["tokens"] for row in rows])
    size = np.array([row["bytes"] for row in rows])
    return {
        "cross_entropy": per_document(rows, nll, tokens),
        "bits_per_byte": per_document(rows, nll / np.log(2), size),
        "position_cross_entropy_direct": per_document(rows, -direct, counts),
        "position_cross_entropy_thinking": per_document(rows, -thinking, counts),
        "information_gain": per_document(rows, thinking - direct, counts),
    }


def _against_base(rows: Sequence[Row], base: Sequence[Row]) -> dict[str, Statistic]:
    """The reward sees only the gain over the model's own direct prediction.

    A model that forgets how to predict directly earns more of it. So the gain is split:
    information gain = gain over base + baseline decay.
    """
    theirs = {row["id"]: row for row in base}
    if set(theirs) != {row["id"] for row in rows}:
        raise ValueError("the base model was measured on other documents")
    matched = [theirs[row["id"]] for row in rows]
    for row, other in zip(rows, matched, strict=True):
        if row["positions"] != other["positions"]:
            raise ValueError(f"the base model thought elsewhere in document {row['id']!r}")
    ours, before = _position_sums(rows), _position_sums(matched)
    return {
        "gain_over_base": per_document(rows, ours[:, 2] - before[:, 1], ours[:, 0]),
        "baseline_decay": per_document(rows, before[:, 1] - ours[:, 1], ours[:, 0]),
    }


def _position_sums(rows: Sequence[Row]) -> Array:
    """Per document: positions, sum of log p without thoughts, sum of mean log p with: [n, 3].

    The mean is over thoughts, as in the reward; the log-probability under the mixture of all
    thoughts is never smaller (Jensen; paper, Proposition 2).
    """
    return np.array(
        [
            (
                len(row["positions"]),
                sum(row["direct"]),
                sum(float(np.mean(thoughts)) for thoughts in row["thinking"]),
            )
            for row in rows
        ],
        dtype=np.float64,
    )


def per_document(rows: Sequence[Row], numerators: Array, denominators: Array) -> Statistic:
    """A ratio of two sums over documents, which are the clusters."""
    ids, keys = [row["id"] for row in rows], [row["key"] for row in rows]
    return collect(ids, keys, np.column_stack([numerators, denominators]))
