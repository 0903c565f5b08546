"""All numbers of a sweep in one tree, which is written as `results.json`.

    sweep         as in its file
    stages        {shared, own}: computed once, and by each trial
    counts        {trials, finished, pruned, died, to_go, attempts}
    trials        [{number, state, parameters, value, reason, attempts,
                    pruned_at: step or null}]
    best          {number, value, parameters}, or null
    overrides     those of all trials with the best trial's parameters, or null
    importances   {PARAMETER: share of the variance}, or null
    no_importance why there are none; else empty

Nothing in the tree tells when or where it was made: equal trials give equal bytes.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from rlp_core.evaluation.comparison import rounded
from rlp_core.sweep.config import Choices
from rlp_core.sweep.planned import SweepPlan
from rlp_core.sweep.trials import TrialRecord, Trials

Tree = dict[str, Any]

FEWEST = 4
"""Finished trials without which no importance is told."""


def gather(planned: SweepPlan, trials: Trials) -> Tree:
    """Everything that the page shows."""
    sweep, records, best = planned.sweep, trials.records(), trials.best()
    states = Counter(record.state for record in records)
    importances, why = _importances(planned, trials, states["finished"])
    return {
        "sweep": sweep.model_dump(mode="json"),
        "stages": {"shared": list(planned.shared), "own": list(planned.own)},
        "counts": {
            "trials": sweep.size,
            "finished": states["finished"],
            "pruned": states["pruned"],
            "died": states["failed"],
            "to_go": trials.left(),
            "attempts": sum(record.attempts for record in records),
        },
        "trials": [_trial(record) for record in records if record.attempts],
        "best": None if best is None else _best(best),
        "overrides": None if best is None else {**sweep.overrides, **best.values},
        "importances": importances,
        "no_importance": why,
    }


def _best(record: TrialRecord) -> Tree:
    return {key: _trial(record)[key] for key in ("number", "value", "parameters")}


def _trial(record: TrialRecord) -> Tree:
    return {
        "number": record.number,
        "state": record.state,
        "parameters": dict(record.values),
        "value": None if record.value is None else rounded(record.value),
        "reason": record.reason,
        "attempts": record.attempts,
        "pruned_at": max(record.at_steps) if record.state == "pruned" else None,
    }


def _importances(
    planned: SweepPlan, trials: Trials, finished: int
) -> tuple[dict[str, float] | None, str]:
    """Each parameter's share of the variance, by fANOVA (Hutter et al., 2014); or why none."""
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    if finished < FEWEST:
        return None, f"{finished} finished trials say nothing of them: {FEWEST} at least"
    if len({record.value for record in trials.records() if record.value is not None}) < 2:
        return None, "all finished trials have the same value"
    found = get_param_importances(
        trials.study,
        evaluator=FanovaImportanceEvaluator(seed=0),
        params=[key for key, of in planned.sweep.space.items() if _varies(of)],
    )
    return {key: round(float(share), 4) for key, share in found.items()}, ""


def _varies(domain: Any) -> bool:
    return not isinstance(domain, Choices) or len(domain.values) > 1
