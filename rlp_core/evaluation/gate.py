"""Who wins, and whether the winner may become champion.

The winner is the best of several arms, and the best of several is partly the luckiest: on the very
items that it was chosen by it looks better than it is. So problems and held-out documents are
parted by content hash, the arms are ranked on one half, and the gate measures the winner on the
other. The bias items rank nobody, and are used whole.

A rule holds where it is *shown* to hold: the end of the interval that is against the winner must
keep the limit. A number that is missing or undefined never passes: what was not measured is not
known to be good. All rules must hold, so no rule needs a correction for the others
(intersection-union test, Berger 1982).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rlp_core.errors import ConfigError, DataError, did_you_mean
from rlp_core.evaluation.abilities import LOWER_IS_BETTER, ability_statistics
from rlp_core.evaluation.bias.scores import bias_statistics, is_score
from rlp_core.evaluation.comparison_config import Gate, Promote
from rlp_core.evaluation.item_files import ArmItems, Row, cluster_of
from rlp_core.evaluation.statistics import Resampler, Statistic

PASS_AT_1 = "pass_at_1_thinking"
INFORMATION_GAIN = "information_gain"
REFERENCE = "base"

_DIGITS = 6

Statistics = dict[str, Statistic]


def verdict(items: Mapping[str, ArmItems], params: Promote, resampler: Resampler) -> dict[str, Any]:
    """Pick the winner on one half of the items and check every rule of the gate on the other.

    Args:
        items: of every candidate and of the base.
        params: section `promote`.
        resampler: of the intervals.

    Returns:
        `winner`, `metric`, `value` (on the half that ranks), `tied` (candidates with the very same
        value; the one that `candidates` names first wins), `promoted`, `reasons` (a list of
        `rule`, `required`, `measured`, `holds`), `ranking` (value by candidate, null where it is
        undefined) and `split` (problems and documents of either half).

    Raises:
        ConfigError: no ability is called like the metric, or no candidate has it.
        DataError: too few items to part, or two arms were measured on different items.
    """
    try:
        ranked = {arm: _half(of, 0) for arm, of in items.items()}
        judged = {arm: _half(of, 1) for arm, of in items.items()}
        ranking = _ranking(ranked, params)
        best = (min if _lower_is_better(params.metric) else max)(
            value for value in ranking.values() if value is not None
        )
        tied = [arm for arm, value in ranking.items() if value == best]
        reasons = _reasons(judged[tied[0]], judged[REFERENCE], params.gate, resampler)
    except ValueError as error:
        raise DataError(
            f"the arms cannot be ranked and judged: {error}",
            where="reports/evaluate/*/items",
            fix="evaluate all arms anew with the same parameters, on at least two problems and "
            "two documents: `dvc repro --force evaluate`",
        ) from error
    return {
        "winner": tied[0],
        "metric": params.metric,
        "value": best,
        "tied": tied if len(tied) > 1 else [],
        "promoted": all(reason["holds"] for reason in reasons),
        "reasons": reasons,
        "ranking": ranking,
        "split": {
            name: {"problems": len(half.problems), "documents": len(half.heldout)}
            for name, half in (("ranked", ranked[REFERENCE]), ("judged", judged[REFERENCE]))
        },
    }


def _ranking(ranked: Mapping[str, ArmItems], params: Promote) -> dict[str, float | None]:
    base = ranked[REFERENCE]
    found: dict[str, float | None] = {}
    for arm in params.candidates:
        of = ranked[arm]
        made = ability_statistics(of.problems, of.heldout, base.heldout)
        if params.metric not in made:
            raise ConfigError(
                f"the arms cannot be ranked by {params.metric!r}",
                where="params.yaml, key promote.metric",
                fix=f"{did_you_mean(params.metric, made)}choose among: {', '.join(sorted(made))}; "
                "bias is judged by the gate alone",
            )
        found[arm] = _known(made[params.metric].value())
    if all(value is None for value in found.values()):
        raise ConfigError(
            f"no candidate has the metric {params.metric!r}: it is undefined for all",
            where="params.yaml, keys promote.metric and promote.candidates",
            fix="choose another metric, or other candidates",
        )
    return found


def _reasons(
    winner: ArmItems, base: ArmItems, gate: Gate, resampler: Resampler
) -> list[dict[str, Any]]:
    ours = ability_statistics(winner.problems, winner.heldout, base.heldout)
    theirs = ability_statistics(base.problems, base.heldout, base.heldout)
    gained = resampler.difference(ours[PASS_AT_1], theirs[PASS_AT_1]).low
    reasons = [
        _at_least("thinking pass@1", gate.min_pass_at_1, ours[PASS_AT_1].value()),
        _at_least(
            f"thinking pass@1 above {REFERENCE}, lower bound", gate.min_gain_over_base, gained
        ),
        _at_least(
            "information gain, nats, lower bound",
            gate.min_information_gain,
            resampler.estimate(ours[INFORMATION_GAIN]).low,
        ),
    ]
    before, after = _bias(base), _bias(winner)
    names = sorted(before.keys() | after.keys())
    for name in names:
        high = math.nan
        if name in before and name in after:
            high = resampler.difference(after[name], before[name], magnitude=True).high
        rule = f"growth of |{name}| over {REFERENCE}, upper bound, points of 100"
        reasons.append(_at_most(rule, gate.max_bias_increase, 100 * high))
    if not names:
        reasons.append(_at_most("bias", gate.max_bias_increase, math.nan))
    return reasons


def _bias(items: ArmItems) -> Statistics:
    """Every bias score, in both modes."""
    made = bias_statistics(items.bias, thinking=False) | bias_statistics(items.bias, thinking=True)
    return {name: statistic for name, statistic in made.items() if is_score(name)}


def _half(items: ArmItems, side: int) -> ArmItems:
    """The problems and documents of one side: 0 ranks, 1 judges."""
    return replace(
        items,
        problems=tuple(
            row for rows in _by_benchmark(items) for row in _side(rows, side, "problems")
        ),
        heldout=_side(items.heldout, side, "documents"),
    )


def _by_benchmark(items: ArmItems) -> Iterator[list[Row]]:
    """Each is parted by itself, so that either half has of all."""
    for name in sorted({row["benchmark"] for row in items.problems}):
        yield [row for row in items.problems if row["benchmark"] == name]


def _side(rows: Sequence[Row], side: int, what: str) -> tuple[Row, ...]:
    """Every other cluster in the order of the content hashes, whole."""
    keys = sorted({cluster_of(row) for row in rows}, key=_rank)
    chosen = set(keys[side::2])
    kept = tuple(row for row in rows if cluster_of(row) in chosen)
    if not kept:
        raise ValueError(f"{len(keys)} different {what} cannot be parted in two")
    return kept


def _rank(key: str) -> str:
    return hashlib.blake2b(f"gate/{key}".encode(), digest_size=16).hexdigest()


def _lower_is_better(metric: str) -> bool:
    return metric.partition("/")[0] in LOWER_IS_BETTER


def _at_least(rule: str, required: float, measured: float) -> dict[str, Any]:
    found = _known(measured)
    holds = found is not None and found >= required
    return {"rule": rule, "required": f">= {required:g}", "measured": found, "holds": holds}


def _at_most(rule: str, required: float, measured: float) -> dict[str, Any]:
    found = _known(measured)
    holds = found is not None and found <= required
    return {"rule": rule, "required": f"<= {required:g}", "measured": found, "holds": holds}


def _known(value: float) -> float | None:
    """Rounded, as in the comparison; None where it is undefined."""
    return None if math.isnan(value) else round(value, _DIGITS) + 0.0


def arms_needed(candidates: Iterable[str]) -> list[str]:
    """The arms whose items a verdict needs, each once."""
    return list(dict.fromkeys([REFERENCE, *candidates]))
