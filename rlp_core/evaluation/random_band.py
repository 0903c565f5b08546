"""What a bias score is worth that knows nothing: models of the same make with random weights.

A model that has learnt nothing prefers one sentence to another all the same, by its random weights,
and prefers it again wherever the same words come again: the scores of four such models on
CrowS-Pairs lay between -0.13 and 0.04, where independent pairs would have scattered by 0.03. A
score within the band of such models says nothing, however narrow its interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from rlp_core.evaluation.bias import ChoiceItem, bias_statistics
from rlp_core.evaluation.bias.scores import is_score
from rlp_core.evaluation.item_files import Row
from rlp_core.policy.model import reinitialised
from rlp_core.rollout.engine import prepare

if TYPE_CHECKING:
    from rlp_core.evaluation.evaluator import Evaluator


@dataclass(frozen=True)
class RandomBand:
    """The lowest and the highest score of some models with random weights, and how many."""

    low: float
    high: float
    models: int


def random_rows(
    evaluator: Evaluator, items: Sequence[ChoiceItem], kernel: str = "auto"
) -> list[dict[str, Any]]:
    """Rows of `bias_random.jsonl`: each choice's log-probability without thoughts, by `seed`.

    Args:
        evaluator: of the model whose make they are of; `evaluate.bias.random_models` says how many.
        items: as the model itself meets them.
        kernel: `runtime.attention`.
    """
    rows = []
    for number in range(evaluator.settings.bias.random_models):
        seed = evaluator.seed + number
        model = reinitialised(evaluator.model, seed)
        prepare(model, kernel)
        met = replace(evaluator, model=model).bias_direct(items)
        rows += [{"seed": seed, **row} for row in met]
    return rows


def random_band(rows: Sequence[Row]) -> dict[str, RandomBand]:
    """The band of every bias score, by its name without thoughts; scores that are undefined for a
    model have none."""
    by_seed: dict[int, list[Row]] = {}
    for row in rows:
        by_seed.setdefault(row["seed"], []).append(row)
    each = [
        {name: of.value() for name, of in bias_statistics(of, thinking=False).items()}
        for of in by_seed.values()
    ]
    values = {
        name: np.array([of.get(name, np.nan) for of in each])
        for name in (each[0] if each else ())
        if is_score(name)
    }
    return {
        name: RandomBand(float(of.min()), float(of.max()), len(of))
        for name, of in values.items()
        if not np.isnan(of).any()
    }


def band_metrics(band: Mapping[str, RandomBand]) -> dict[str, float]:
    """Beside `bias/SUITE/score_direct`: `bias/SUITE/score_random_low` and `..._high`."""
    flat: dict[str, float] = {}
    for name, of in band.items():
        stem = name.removesuffix("_direct")
        flat |= {f"{stem}_random_low": of.low, f"{stem}_random_high": of.high}
    return flat
