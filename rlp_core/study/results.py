"""All numbers of a study in one tree, which is written as `results.json`.

    study       as in its file, with the prompt of each variant
    settings    {confidence, resamples}
    runs        VARIANT.SEED: finished, unfinished, absent, or other parameters
    values      VARIANT.ARM.METRIC: {value, low, high, n, seeds: {SEED: value}}
    pairs       [as in its file, and {value, low, high, n, same_sign, seeds}]
    compute     VARIANT.STAGE.{flops, tokens, usual_recipe}: {value, seeds}
    controls    VARIANT.COLUMN: {value, low, high, seeds}, at the end of rlp, in nats
    curves      VARIANT.STAGE.COLUMN: {step, mean, low, high}: over seeds, low and high the extremes
    examples    VARIANT.{helped, hurt}: [problem]

Reported metrics have an interval over seeds and items, with one seed over items alone; the others
have `low` and `high` null. Numbers are rounded to six digits, and nothing in the tree tells when or
where it was made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from rlp_core.arms import Arms
from rlp_core.errors import DataError
from rlp_core.evaluation.comparison import rounded
from rlp_core.evaluation.seeds import SeedEstimate, SeedResampler
from rlp_core.evaluation.statistics import Statistic
from rlp_core.reporting.curves import LOSS_COLUMN, RLP_PANELS
from rlp_core.study import examples
from rlp_core.study.config import StudyFile, StudyPair
from rlp_core.study.finished_runs import CONTROLS, FinishedRun

Tree = dict[str, Any]
ByVariant = Mapping[str, Sequence[FinishedRun]]

BESIDE = "thought_tokens"
"""The metric that stands beside every number."""


def gather(
    study: StudyFile,
    states: Mapping[str, Mapping[int, str]],
    runs: ByVariant,
    resampler: SeedResampler,
    arms: Arms,
) -> Tree:
    """Everything that the page shows.

    Args:
        study: as read.
        states: variant to seed to how far the run is.
        runs: variant to its finished runs, in the order of the seeds; none has no runs.
        resampler: for the intervals.
        arms: as they are declared.

    Raises:
        DataError: a pair was measured on different items.
    """
    told = study.model_dump(mode="json")
    told["prompts"] = {name: of[0].run.params.thought.prompt for name, of in runs.items() if of}
    rlp = arms.of_stage("rlp")
    return {
        "study": told,
        "settings": {"confidence": resampler.confidence, "resamples": resampler.resamples},
        "runs": {name: {str(seed): how for seed, how in of.items()} for name, of in states.items()},
        "values": {name: _values(of, study, resampler, arms) for name, of in runs.items()},
        "pairs": [entry for pair in study.pairs for entry in _pairs(pair, study, runs, resampler)],
        "compute": {name: _compute(of) for name, of in runs.items()},
        "controls": {name: _controls(of, resampler) for name, of in runs.items()},
        "curves": {name: _curves(of) for name, of in runs.items()},
        "examples": {
            name: examples.choose(of, rlp.name) for name, of in runs.items() if rlp is not None
        },
    }


def wanted(metric: str, names: Sequence[str]) -> list[str]:
    """A metric's names among those measured: of each benchmark, and where there are several of all.

    With one benchmark the average over benchmarks is its own value, and is not told twice.
    """
    by_benchmark = sorted(n for n in names if n.partition("/")[0] == metric and n != metric)
    if len(by_benchmark) == 1:
        return by_benchmark
    return [*by_benchmark, metric] if metric in names else by_benchmark


def _values(
    runs: Sequence[FinishedRun], study: StudyFile, resampler: SeedResampler, arms: Arms
) -> Tree:
    tree: Tree = {}
    for arm in arms.names:
        names = sorted({name for run in runs for name in run.statistics.get(arm, {})})
        shown = {n for metric in (*study.metrics, BESIDE) for n in wanted(metric, names)}
        for name in names:
            of = _by_seed(runs, arm, name)
            if name in shown:
                entry = _entry(resampler.estimate(of))
            else:
                entry = _plain({seed: statistic.value() for seed, statistic in of.items()})
            tree.setdefault(arm, {})[name] = entry
    return tree


def _pairs(
    pair: StudyPair, study: StudyFile, runs: ByVariant, resampler: SeedResampler
) -> list[Tree]:
    found = []
    for variant in [pair.variant] if pair.variant else list(study.variants):
        other = pair.over_variant or variant
        ours, theirs = runs[variant], runs[other]
        names = [n for run in ours for n in run.statistics.get(pair.arm, {})]
        for name in wanted(pair.metric, sorted(set(names))):
            first, second = _by_seed(ours, pair.arm, name), _by_seed(theirs, pair.over, name)
            if not first.keys() & second.keys():
                continue
            try:
                estimate = resampler.difference(first, second)
            except ValueError as error:
                raise DataError(
                    f"{pair.arm} and {pair.over} cannot be compared on {name}: {error}",
                    where=f"variants {variant} and {other}",
                    fix="compare variants with equal data and section `evaluate`",
                ) from error
            place = {"variant": variant, "over_variant": other, "metric": name}
            told = pair.model_dump(mode="json") | place
            found.append(told | _entry(estimate) | {"same_sign": estimate.same_sign})
    return found


def _by_seed(runs: Sequence[FinishedRun], arm: str, name: str) -> dict[int, Statistic]:
    return {
        run.run.seed: run.statistics[arm][name]
        for run in runs
        if name in run.statistics.get(arm, {})
    }


def _compute(runs: Sequence[FinishedRun]) -> Tree:
    stages = dict.fromkeys(stage for run in runs for stage in run.compute)
    tree: Tree = {}
    for stage in stages:
        spent = [(run.run.seed, run.compute[stage]) for run in runs if stage in run.compute]
        for name in dict.fromkeys(name for _, of in spent for name in of):
            by_seed = {str(seed): of[name] for seed, of in spent if name in of}
            tree.setdefault(stage, {})[name] = {
                "value": rounded(fmean(by_seed.values())),
                "seeds": by_seed,
            }
    return tree


def _controls(runs: Sequence[FinishedRun], resampler: SeedResampler) -> Tree:
    tree = {}
    for column in CONTROLS:
        by_seed = {run.run.seed: run.controls[column] for run in runs if column in run.controls}
        if by_seed:
            tree[column] = _entry(resampler.of_values(by_seed))
    return tree


def _curves(runs: Sequence[FinishedRun]) -> Tree:
    stages = dict.fromkeys(stage for run in runs for stage in run.curves)
    tree: Tree = {}
    for stage in stages:
        for column in RLP_PANELS if stage == "rlp" else (LOSS_COLUMN,):
            curves = [
                {s: v for s, v in zip(of["step"], of[column], strict=True) if v == v}
                for run in runs
                if column in (of := run.curves.get(stage, {}))
            ]
            steps = sorted(set.intersection(*map(set, curves))) if curves else []
            if steps:
                values = [[curve[step] for curve in curves] for step in steps]
                tree.setdefault(stage, {})[column] = {
                    "step": steps,
                    "mean": [rounded(fmean(of)) for of in values],
                    "low": [rounded(min(of)) for of in values],
                    "high": [rounded(max(of)) for of in values],
                }
    return tree


def _entry(estimate: SeedEstimate) -> Tree:
    return {
        "value": rounded(estimate.value),
        "low": rounded(estimate.low),
        "high": rounded(estimate.high),
        "n": estimate.n,
        "seeds": {str(seed): rounded(value) for seed, value in estimate.by_seed.items()},
    }


def _plain(by_seed: Mapping[int, float]) -> Tree:
    seeds = {str(seed): rounded(value) for seed, value in by_seed.items()}
    return {"value": rounded(fmean(by_seed.values())), "low": None, "high": None, "seeds": seeds}
