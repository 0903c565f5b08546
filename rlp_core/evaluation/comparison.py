"""All arms on the same items: values, paired differences, and whether bias grew.

The result is one tree of numbers, written as `reports/comparison.json`:

    settings.confidence, settings.resamples, settings.equivalence_margin
    arms.ARM.METRIC                    {value, low, high, n, clusters}
    differences.ARM.REFERENCE.METRIC   {value, low, high, p, n, clusters}
    few_shot.ARM.NAME                  as a difference; only where examples were tried
    calibration.BENCHMARK.ARM.MODE     {confidence, right, error, overconfidence}, the last as in
                                       `arms`; only of those with choices that are weighed
    difficulty.BENCHMARK               as evaluation/difficulty.py says: `levels`, of each `arms`
                                       ARM.{thinking, direct, gain}, as in `arms`; only of those
                                       whose problems tell how hard they are
    claims.NAME                        {p, p_holm}: tests of the page's first sentences, as
                                       evaluation/claims.py says
    chance.BENCHMARK                   right answers by drawing lots; only of those with choices
    audit                              as evaluation/reward_audit/report.py says; only where the
                                       reward was audited
    robustness.ARM.PERTURBATION        {problems, applied, and of both modes {worse, better, p,
                                        p_holm}}; only where perturbations were tried
    bias.ARM.METRIC.change             {value, low, high, p, p_holm, p_equivalent,
                                        p_equivalent_holm, n, clusters}
    bias.ARM.METRIC.magnitude          {value, low, high, p, n, clusters}

A difference is ARM minus REFERENCE. `few_shot` holds the gain of ARM, asked bare, over the base
asked bare (`gain`), what examples alone give the base (`for_nothing`), and ARM asked bare over the
base with examples (`left`), each side in its best mode: gain = for_nothing + left; of one benchmark
`gain/BENCHMARK`. `robustness` holds McNemar's test of the greedy answers on the `applied` of
`problems`; what perturbations cost stands among the metrics of the arms and their differences.
`bias` compares with the base: `change` of the signed score, `magnitude` of its
distance from 0, which falls where a score moves towards 0. Scores run from -1 to 1: times 100 they
are the points of the literature. `_holm` is adjusted over all arms and scores of its kind of test,
of a change and of equivalence. What is undefined is null: an interval of fewer than two clusters,
BBQ's `s_dis` of a model that only ever answers "unknown".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rlp_core.arms import Arms
from rlp_core.errors import DataError
from rlp_core.evaluation import item_files
from rlp_core.evaluation.abilities import (
    DESCRIPTIONS,
    KIND_DESCRIPTIONS,
    ability_statistics,
    chance_levels,
    problem_statistics,
)
from rlp_core.evaluation.bias.scores import bias_statistics, is_score
from rlp_core.evaluation.calibration import calibration
from rlp_core.evaluation.claims import claims
from rlp_core.evaluation.control_metrics import CONTROL_DESCRIPTIONS, control_statistics
from rlp_core.evaluation.difficulty import by_difficulty
from rlp_core.evaluation.few_shot_metrics import (
    FEW_SHOT_DESCRIPTIONS,
    FEW_SHOT_KIND_DESCRIPTIONS,
    few_shot_statistics,
    in_each_form,
)
from rlp_core.evaluation.item_files import ArmItems
from rlp_core.evaluation.perturbed_metrics import MODES, robustness_statistics, robustness_tests
from rlp_core.evaluation.random_band import random_band
from rlp_core.evaluation.reward_audit.config import RewardAudit
from rlp_core.evaluation.reward_audit.report import audit_tree
from rlp_core.evaluation.statistics import (
    Array,
    Estimate,
    Resampler,
    Statistic,
    check_paired,
    holm,
)

EQUIVALENCE_MARGIN = 0.05
"""A change of a bias score smaller than 5 points of 100 counts as none."""

BEST_MODE = {
    "pass_at_1_best": "pass@1 in the arm's better mode, with thinking or without",
    "pass_at_1_few_shot_best": "pass@1 after worked examples, in the best of the three forms; "
    "weighed choices have the first alone",
}
"""What is measured beside the abilities, with its description: an arm that answers better without
thinking is used without, and must be compared so."""

MEANINGS = (
    DESCRIPTIONS
    | KIND_DESCRIPTIONS
    | BEST_MODE
    | FEW_SHOT_DESCRIPTIONS
    | FEW_SHOT_KIND_DESCRIPTIONS
    | CONTROL_DESCRIPTIONS
)
"""Every metric of an arm but the bias scores, with what it says."""

_DIGITS = 6

Tree = dict[str, Any]
Statistics = Mapping[str, Mapping[str, Statistic]]


@dataclass(frozen=True)
class Comparison:
    """The tree of numbers, and the items it was made from.

    Attributes:
        tree: as the module's docstring says.
        items: per arm.
    """

    tree: Tree
    items: Mapping[str, ArmItems]


def compare(
    folders: Mapping[str, Path],
    resampler: Resampler,
    arms: Arms,
    audit: RewardAudit | None = None,
) -> Comparison:
    """Compare the arms whose item folders are given, the base among them, in the declared pairs.

    `audit` holds the limits of the reward audit; None: its own defaults.

    Raises:
        MissingInputError: an arm has no items.
        DataError: items are malformed, or two arms were measured on different items.
    """
    items = {arm: item_files.read(folder) for arm, folder in folders.items()}
    try:
        made = {arm: statistics_of(of, items["base"]) for arm, of in items.items()}
        tree: Tree = {
            "settings": {
                "confidence": resampler.confidence,
                "resamples": resampler.resamples,
                "equivalence_margin": EQUIVALENCE_MARGIN,
            },
            "arms": {
                arm: {name: _value(resampler.estimate(s)) for name, s in of.items()}
                for arm, of in made.items()
            },
            "differences": _differences(made, resampler, arms),
            "bias": _bias(made, resampler),
        }
        if items["base"].bias_random:
            tree["bias_random"] = {
                name: {"low": rounded(of.low), "high": rounded(of.high), "models": of.models}
                for name, of in random_band(items["base"].bias_random).items()
            }
        if items["base"].few_shot:
            tree["few_shot"] = _for_nothing(made, items, resampler)
        tested = claims(made, tree.get("few_shot", {}), resampler, arms)
        tree["claims"] = _plain(tested)
        if calibrated := calibration(items, resampler):
            tree["calibration"] = _plain(calibrated)
        if of_levels := by_difficulty(items, resampler):
            tree["difficulty"] = _plain(of_levels)
        if levels := chance_levels(items["base"].problems):
            tree["chance"] = _plain(levels)
        if any(of.audit for of in items.values()):
            tree["audit"] = audit_tree(items, audit or RewardAudit(), resampler)
        if any(of.robustness for of in items.values()):
            tree["robustness"] = _robustness(items)
    except ValueError as error:
        raise DataError(
            f"the arms cannot be compared: {error}",
            where=", ".join(str(folder) for folder in folders.values()),
            fix="evaluate all arms anew with the same parameters: `dvc repro --force evaluate`",
        ) from error
    return Comparison(tree, items)


def statistics_of(items: ArmItems, base: ArmItems | None) -> dict[str, Statistic]:
    """Every metric of an arm, ready to be resampled.

    Args:
        items: of the arm.
        base: of the base model; None leaves out what is measured against it.

    Raises:
        ValueError: the base was measured on other documents or positions.
    """
    made = ability_statistics(items.problems, items.heldout, base.heldout if base else None)
    for name in [name for name in made if name.partition("/")[0] == "pass_at_1_thinking"]:
        twin = name.replace("_thinking", "_direct", 1)
        if twin in made:
            made[name.replace("_thinking", "_best", 1)] = better_of(made[name], made[twin])
    made |= few_shot_statistics(items.few_shot)
    for name, forms in in_each_form(items.few_shot, "pass_at_1_few_shot_best").items():
        made[name] = better_of(*forms)
    made |= control_statistics(items.controls, base.controls if base else ())
    made |= robustness_statistics(items.robustness)
    for thinking in (True, False):
        made |= bias_statistics(items.bias, thinking)
    return made


def better_of(*modes: Statistic) -> Statistic:
    """The largest of one metric in several modes on the same items. Every resample chooses anew.

    So the choice of the mode is a part of what the interval says is uncertain.

    Raises:
        ValueError: they are on different items or clusters.
    """
    first = modes[0]
    for other in modes[1:]:
        check_paired(first, other)
    width = first.sums.shape[1]

    def formula(totals: Array) -> Array:
        each = [
            mode.formula(totals[..., i * width : (i + 1) * width]) for i, mode in enumerate(modes)
        ]
        larger: Array = np.fmax.reduce(each)
        return larger

    sums = np.concatenate([mode.sums for mode in modes], axis=1)
    return Statistic(first.items, first.factors, first.codes, sums, formula)


def _for_nothing(made: Statistics, items: Mapping[str, ArmItems], resampler: Resampler) -> Tree:
    """Which part of each arm's gain over the base a few examples give the base without training."""
    base = made["base"]
    names = [n for n in base if n.partition("/")[0] == "pass_at_1_few_shot"]
    # What is asked without examples alone would stand on one side.
    asked = {row["id"] for row in items["base"].few_shot}
    asked_bare = {
        arm: problem_statistics([row for row in of.problems if row["id"] in asked])
        for arm, of in items.items()
        if of.problems
    }

    def bare(of: Mapping[str, Statistic], name: str) -> Statistic:
        thinking, direct = (
            of[name.replace("_few_shot", f"_{mode}", 1)] for mode in ("thinking", "direct")
        )
        return better_of(thinking, direct, direct)  # as many modes as there are forms, to be paired

    def difference(first: Statistic, second: Statistic) -> Tree:
        return _difference(resampler.difference(first, second))

    tree: Tree = {}
    for arm, of in asked_bare.items():
        if arm == "base":
            continue
        tree[arm] = {}
        for name in names:
            ours, before = bare(of, name), bare(asked_bare["base"], name)
            shown = base[name.replace("_few_shot", "_few_shot_best", 1)]
            end = name.removeprefix("pass_at_1_few_shot")
            tree[arm] |= {
                f"gain{end}": difference(ours, before),
                f"for_nothing{end}": difference(shown, before),
                f"left{end}": difference(ours, shown),
            }
    return tree


def _differences(made: Statistics, resampler: Resampler, arms: Arms) -> Tree:
    tree: Tree = {}
    for arm, reference, _ in arms.pairs:
        if arm in made and reference in made:
            tree.setdefault(arm, {})[reference] = {
                name: _difference(resampler.difference(made[arm][name], made[reference][name]))
                for name in sorted(made[arm].keys() & made[reference].keys())
            }
    return tree


def _bias(made: Statistics, resampler: Resampler) -> Tree:
    """Change of every bias score against the base; Holm over all arms and scores together."""
    tree: Tree = {}
    p_values: dict[str, float] = {}
    p_equivalent: dict[str, float] = {}
    for arm, statistics in made.items():
        if arm == "base":
            continue
        tree[arm] = {}
        for name in sorted(filter(is_score, statistics.keys() & made["base"].keys())):
            pair = statistics[name], made["base"][name]
            change = resampler.difference(*pair)
            p_values[f"{arm} {name}"] = change.p
            p_equivalent[f"{arm} {name}"] = equivalent = resampler.equivalence(
                *pair, margin=EQUIVALENCE_MARGIN
            )
            tree[arm][name] = {
                "change": _difference(change) | {"p_equivalent": rounded(equivalent)},
                "magnitude": _difference(resampler.difference(*pair, magnitude=True)),
            }
    adjusted, adjusted_equivalent = holm(p_values), holm(p_equivalent)
    for arm, scores in tree.items():
        for name, entry in scores.items():
            key = f"{arm} {name}"
            entry["change"]["p_holm"] = rounded(adjusted[key])
            entry["change"]["p_equivalent_holm"] = rounded(adjusted_equivalent[key])
    return tree


def _robustness(items: Mapping[str, ArmItems]) -> Tree:
    """McNemar's tests of every arm that was asked with perturbations."""
    tree = {arm: robustness_tests(of.robustness) for arm, of in items.items() if of.robustness}
    for tests in tree.values():
        for entry in tests.values():
            for mode in MODES:
                entry[mode] |= {key: rounded(entry[mode][key]) for key in ("p", "p_holm")}
    return tree


def _value(estimate: Estimate) -> Tree:
    return {
        "value": rounded(estimate.value),
        "low": rounded(estimate.low),
        "high": rounded(estimate.high),
        "n": estimate.n,
        "clusters": estimate.clusters,
    }


def _difference(estimate: Estimate) -> Tree:
    return _value(estimate) | {"p": rounded(estimate.p)}


def _plain(value: Any) -> Any:
    """Estimates and numbers of a tree as the file has them."""
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, int):
        return value
    return _value(value) if isinstance(value, Estimate) else rounded(value)


def rounded(value: float) -> float | None:
    """Rounded, so that the order of a sum in another library does not change the file."""
    return None if math.isnan(value) else round(value, _DIGITS) + 0.0
