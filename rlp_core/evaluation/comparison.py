"""All arms on the same items: values, paired differences, and whether bias grew.

The result is one tree of numbers, written as `reports/comparison.json`:

    settings.confidence, settings.resamples, settings.equivalence_margin
    arms.ARM.METRIC                    {value, low, high, n, clusters}
    differences.ARM.REFERENCE.METRIC   {value, low, high, p, n, clusters}
    bias.ARM.METRIC.change             {value, low, high, p, p_holm, p_equivalent,
                                        p_equivalent_holm, n, clusters}
    bias.ARM.METRIC.magnitude          {value, low, high, p, n, clusters}

A difference is ARM minus REFERENCE. `bias` compares with the base: `change` of the signed score,
`magnitude` of its distance from 0, which falls where a score moves towards 0. Scores run from -1
to 1: times 100 they are the points of the literature. `_holm` is adjusted over all arms and scores
of its kind of test, of a change and of equivalence. What is undefined is null: an interval of
fewer than two clusters, BBQ's `s_dis` of a model that only ever answers "unknown".
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
from rlp_core.evaluation.abilities import ability_statistics
from rlp_core.evaluation.bias.scores import bias_statistics, is_score
from rlp_core.evaluation.item_files import ArmItems
from rlp_core.evaluation.statistics import Array, Estimate, Resampler, Statistic, holm

EQUIVALENCE_MARGIN = 0.05
"""A change of a bias score smaller than 5 points of 100 counts as none."""

BEST_MODE = {"pass_at_1_best": "pass@1 in the arm's better mode, with thinking or without"}
"""What is measured beside the abilities, with its description: an arm that answers better without
thinking is used without, and must be compared so."""

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


def compare(folders: Mapping[str, Path], resampler: Resampler, arms: Arms) -> Comparison:
    """Compare the arms whose item folders are given, the base among them, in the declared pairs.

    Raises:
        MissingInputError: an arm has no items.
        DataError: items are malformed, or two arms were measured on different items.
    """
    items = {arm: item_files.read(folder) for arm, folder in folders.items()}
    try:
        made = {arm: statistics_of(of, items["base"]) for arm, of in items.items()}
        tree = {
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
    for thinking in (True, False):
        made |= bias_statistics(items.bias, thinking)
    return made


def better_of(first: Statistic, second: Statistic) -> Statistic:
    """The larger of two metrics on the same items. Every resample chooses anew.

    So the choice of the mode is a part of what the interval says is uncertain.

    Raises:
        ValueError: they are on different items or clusters.
    """
    if first.items != second.items or first.factors != second.factors:
        raise ValueError("the two modes were measured on different items")
    width = first.sums.shape[1]

    def formula(totals: Array) -> Array:
        larger: Array = np.fmax(
            first.formula(totals[..., :width]), second.formula(totals[..., width:])
        )
        return larger

    sums = np.concatenate([first.sums, second.sums], axis=1)
    return Statistic(first.items, first.factors, first.codes, sums, formula)


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


def rounded(value: float) -> float | None:
    """Rounded, so that the order of a sum in another library does not change the file."""
    return None if math.isnan(value) else round(value, _DIGITS) + 0.0
