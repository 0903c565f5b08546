"""What a model can be ranked and judged by: its abilities, and its gains over control thoughts.

Bias scores are no part of it: they are judged by a rule of their own, and rank nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from rlp_core.errors import ConfigError, did_you_mean
from rlp_core.evaluation.abilities import (
    DESCRIPTIONS,
    GROUP,
    KIND_DESCRIPTIONS,
    LOWER_IS_BETTER,
    OF_A_BENCHMARK,
    ability_statistics,
)
from rlp_core.evaluation.control_metrics import (
    CONTROL_DESCRIPTIONS,
    CONTROL_LOWER_IS_BETTER,
    control_statistics,
)
from rlp_core.evaluation.item_files import ArmItems
from rlp_core.evaluation.statistics import Statistic
from rlp_core.workspace import BenchmarkGroup


def rankable_statistics(items: ArmItems, base: ArmItems) -> dict[str, Statistic]:
    """Every metric of an arm that can rank and judge, ready to be resampled.

    Raises:
        ValueError: the base was measured on other documents or positions.
    """
    made = ability_statistics(items.problems, items.heldout, base.heldout)
    return made | control_statistics(items.controls, base.controls)


def lower_is_better(metric: str) -> bool:
    """Whether less of a metric is better; `METRIC/BENCHMARK` as `METRIC`."""
    return metric.partition("/")[0] in LOWER_IS_BETTER | CONTROL_LOWER_IS_BETTER


def metric_fault(
    metric: str, key: str, benchmarks: Sequence[str], *, controls: bool
) -> ConfigError | None:
    """Why a metric that `params.yaml` names will not be measured; None where it may be.

    Which kinds of problems there are, and whether a group has several benchmarks, only items tell.

    Args:
        metric: the name.
        key: where it stands, `promote.metric`.
        benchmarks: those in use.
        controls: whether control thoughts are measured.
    """
    known = DESCRIPTIONS | KIND_DESCRIPTIONS | CONTROL_DESCRIPTIONS
    told_apart = OF_A_BENCHMARK | KIND_DESCRIPTIONS.keys()
    places = [*benchmarks, *(f"{GROUP}{group}" for group in get_args(BenchmarkGroup))]
    name, slash, place = metric.partition("/")
    where = f"params.yaml, key {key}"
    if name not in (told_apart if slash else known):
        return ConfigError(
            f"no metric that can rank or judge models is called {metric!r}",
            where=where,
            fix=f"{did_you_mean(name, known)}choose among: {', '.join(known)}; or "
            f"METRIC/BENCHMARK with one of {', '.join(sorted(told_apart))}; bias is judged by "
            "`promote.gate.max_bias_increase`",
        )
    if slash and place not in places:
        return ConfigError(
            f"{key} names the benchmark {place!r}, which is not in use",
            where=where,
            fix=f"{did_you_mean(place, places)}choose among: {', '.join(places)}",
        )
    if name in CONTROL_DESCRIPTIONS and not controls:
        return ConfigError(
            f"{metric!r} is not measured: it needs control thoughts",
            where=where,
            fix="set `evaluate.controls: true`, or choose another metric",
        )
    return None
