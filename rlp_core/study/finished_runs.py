"""Reads what a finished run left: items of its arms, learning curves, ledgers, audits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from rlp_core.arms import POST_TRAINING, Arms
from rlp_core.errors import DataError
from rlp_core.evaluation import item_files
from rlp_core.evaluation.comparison import statistics_of
from rlp_core.evaluation.item_files import ArmItems
from rlp_core.evaluation.statistics import Statistic
from rlp_core.reporting.sources import Curve, read_curve, read_json
from rlp_core.study.planned import StudyRun
from rlp_core.workspace import Workspace

CONTROLS = {
    "true_gain": "a thought, over the model that the run began with",
    "baseline_decay": "what the moving average lost against it",
    "content_gain": "a thought, over the best of the controls",
    "null_gain": "an empty thought, over the moving average",
    "shuffled_gain": "another text's thought, over the moving average",
    "random_gain": "random tokens, over the moving average",
}
"""Columns of `rlp/steps.csv` that an audit fills, and what each is."""

LAST_SHARE = 0.25
"""The audits of so large a share of the steps, the last ones, are averaged."""


@dataclass(frozen=True)
class FinishedRun:
    """What a run measured.

    Attributes:
        run: which.
        items: per arm that was evaluated.
        statistics: per arm its metrics.
        curves: per training stage its `steps.csv`.
        compute: per training stage `flops` and `tokens`; of `rlp` also `usual_recipe`.
        controls: the audit's columns at the end of `rlp`.
    """

    run: StudyRun
    items: Mapping[str, ArmItems]
    statistics: Mapping[str, Mapping[str, Statistic]]
    curves: Mapping[str, Curve]
    compute: Mapping[str, Mapping[str, float]]
    controls: Mapping[str, float]


def read(run: StudyRun, arms: Arms) -> FinishedRun:
    """Read the reports of a run; what the run did not go so far as to make is left out.

    Raises:
        DataError: a report is malformed, or two arms were measured on different items.
    """
    workspace = Workspace(run.folder)
    folders = {arm: workspace.report(f"evaluate@{arm}") / "items" for arm in arms.names}
    items = {arm: item_files.read(folder) for arm, folder in folders.items() if folder.is_dir()}
    try:
        statistics = {arm: statistics_of(of, items.get(arms.base)) for arm, of in items.items()}
    except ValueError as error:
        raise DataError(
            f"the arms cannot be compared: {error}",
            where=str(run.folder / "reports" / "evaluate"),
            fix="remove the folder and run the study again",
        ) from error
    stages = [*arms.stages, *(f"{kind}@{arm}" for kind in POST_TRAINING for arm in arms.starts)]
    reports = {stage: workspace.report(stage) for stage in stages}
    curves = {
        stage: read_curve(path / "steps.csv")
        for stage, path in reports.items()
        if (path / "steps.csv").is_file()
    }
    return FinishedRun(
        run,
        items,
        statistics,
        curves,
        {stage: found for stage, path in reports.items() if (found := _spent(path))},
        controls(curves.get("rlp", {})),
    )


def controls(curve: Curve) -> dict[str, float]:
    """Mean of each column of an audit over the last audits; empty where there was none."""
    steps = curve.get("step") or []
    first = max(steps, default=0.0) * (1 - LAST_SHARE)
    found = {}
    for name in CONTROLS:
        audits = [(s, v) for s, v in zip(steps, curve.get(name, ()), strict=False) if v == v]
        if audits:
            last = [value for step, value in audits if step > first] or [audits[-1][1]]
            found[name] = fmean(last)
    return found


def _spent(folder: Path) -> dict[str, float]:
    """FLOPs and tokens of a training stage, from its ledger or its metrics."""
    if (folder / "ledger.json").is_file():
        ledger: dict[str, Any] = read_json(folder / "ledger.json")
        found = {name: float(ledger[name]["total"]) for name in ("flops", "tokens")}
        if "usual_recipe" in ledger:
            found["usual_recipe"] = float(ledger["usual_recipe"]["flops"])
        return found
    if not (folder / "metrics.json").is_file():
        return {}
    metrics = read_json(folder / "metrics.json")
    return {name: float(metrics[name]) for name in ("flops", "tokens") if name in metrics}
