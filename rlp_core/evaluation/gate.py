"""Who wins, and whether the winner may become champion.

The winner is the best of several arms, and the best of several is partly the luckiest: on the very
items that it was chosen by it looks better than it is. So problems and held-out documents are
parted by content hash, the arms are ranked on one half, and the gate measures the winner on the
other. The bias items rank nobody, and are used whole.

A rule holds where it is *shown* to hold: the end of the interval that is against the winner must
keep the limit (`gate_rules`). A number that is missing or undefined never passes: what was not
measured is not known to be good. All rules must hold, so no rule needs a correction for the others
(intersection-union test, Berger 1982).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rlp_core.errors import ConfigError, DataError, did_you_mean
from rlp_core.evaluation.bias.scores import bias_statistics, is_score
from rlp_core.evaluation.comparison import rounded
from rlp_core.evaluation.comparison_config import Gate, Promote
from rlp_core.evaluation.gate_audit import audited
from rlp_core.evaluation.gate_rules import GateRule, Reason, clusters_of
from rlp_core.evaluation.item_files import ArmItems, Row, cluster_of
from rlp_core.evaluation.rankable import lower_is_better, rankable_statistics
from rlp_core.evaluation.reward_audit.config import RewardAudit
from rlp_core.evaluation.statistics import Estimate, Resampler, Statistic

PASS_AT_1 = "pass_at_1_thinking"
INFORMATION_GAIN = "information_gain"
REFERENCE = "base"

Statistics = dict[str, Statistic]


def verdict(
    items: Mapping[str, ArmItems],
    params: Promote,
    resampler: Resampler,
    audit: RewardAudit | None = None,
) -> dict[str, Any]:
    """Pick the winner on one half of the items and check every rule of the gate on the other.

    Args:
        items: of every candidate and of the base.
        params: section `promote`.
        resampler: of the intervals.
        audit: section `evaluate.audit`; where it is off, or not given, no rule comes of it.

    Returns:
        `winner`, `metric`, `value` (on the half that ranks), `tied` (candidates with the very same
        value; the one that `candidates` names first wins), `promoted`, `reasons` (a list, as
        `GateRule.judged` says), `ranking` (value by candidate, null where it is undefined), `split`
        (problems and documents of either half) and `results` (per metric, on the half that judges,
        `winner`, `base` and `difference`, each `value`, `low`, `high`; `n` and `clusters`).

    Raises:
        ConfigError: no ability is called like the metric, or no candidate has it.
        DataError: too few items to part, or two arms were measured on different items.
    """
    try:
        ranked = {arm: _half(of, 0) for arm, of in items.items()}
        judged = {arm: _half(of, 1) for arm, of in items.items()}
        ranking = _ranking(ranked, params)
        best = (min if lower_is_better(params.metric) else max)(
            value for value in ranking.values() if value is not None
        )
        tied = [arm for arm, value in ranking.items() if value == best]
        measured = _measured(judged[tied[0]], judged[REFERENCE])
        reasons = _reasons(measured, params.gate, resampler)
        if audit is not None:
            reasons += audited(judged[tied[0]], judged[REFERENCE], audit, resampler)
        results = _results(measured, resampler)
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
        "results": results,
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
        made = rankable_statistics(of, base)
        if params.metric not in made:
            raise ConfigError(
                f"the arms cannot be ranked by {params.metric!r}",
                where="params.yaml, key promote.metric",
                fix=f"{did_you_mean(params.metric, made)}choose among: {', '.join(sorted(made))}; "
                "bias is judged by the gate alone",
            )
        found[arm] = rounded(made[params.metric].value())
    if all(value is None for value in found.values()):
        raise ConfigError(
            f"no candidate has the metric {params.metric!r}: it is undefined for all",
            where="params.yaml, keys promote.metric and promote.candidates",
            fix="choose another metric, or other candidates",
        )
    return found


@dataclass(frozen=True)
class _Measured:
    """The winner and the base on the half that judges: what is named the same can be paired."""

    winner: Statistics
    base: Statistics
    winner_bias: Statistics
    base_bias: Statistics


def _measured(winner: ArmItems, base: ArmItems) -> _Measured:
    return _Measured(
        rankable_statistics(winner, base),
        rankable_statistics(base, base),
        _bias(winner),
        _bias(base),
    )


def _reasons(measured: _Measured, gate: Gate, resampler: Resampler) -> list[Reason]:
    ours, theirs = measured.winner, measured.base
    answers = ours[PASS_AT_1]
    share = GateRule("thinking pass@1", gate.min_pass_at_1, at_least=True)
    reasons = [
        share.judged(answers.value(), len(answers.items), clusters_of(answers)),
        _shown(
            GateRule(
                f"thinking pass@1 above {REFERENCE}, lower bound",
                gate.min_gain_over_base,
                at_least=True,
            ),
            answers,
            resampler.difference(answers, theirs[PASS_AT_1]),
            resampler,
        ),
        _shown(
            GateRule(
                "information gain, nats, lower bound", gate.min_information_gain, at_least=True
            ),
            ours[INFORMATION_GAIN],
            resampler.estimate(ours[INFORMATION_GAIN]),
            resampler,
        ),
    ]
    reasons += [_no_worse(measured, r.metric, r.margin, resampler) for r in gate.no_regression]
    reasons += [_within(measured, one.metric, one.limit, resampler) for one in gate.limits]
    return reasons + _no_more_biased(measured, gate.max_bias_increase, resampler)


def _no_worse(measured: _Measured, metric: str, margin: float, resampler: Resampler) -> Reason:
    """Non-inferiority: the interval of winner minus base ends on the right side of the margin."""
    ours, theirs = measured.winner.get(metric), measured.base.get(metric)
    rule = _rule(f"{metric} minus that of {REFERENCE}", metric, margin, -margin)
    if ours is None or theirs is None:
        return rule.unmeasured()
    return _shown(rule, ours, resampler.difference(ours, theirs), resampler)


def _within(measured: _Measured, metric: str, limit: float, resampler: Resampler) -> Reason:
    """The winner's own interval keeps the limit."""
    ours = measured.winner.get(metric)
    rule = _rule(metric, metric, limit, limit)
    if ours is None:
        return rule.unmeasured()
    return _shown(rule, ours, resampler.estimate(ours), resampler)


def _rule(name: str, metric: str, at_most: float, at_least: float) -> GateRule:
    """The limit on the side on which the metric gets worse."""
    if lower_is_better(metric):
        return GateRule(f"{name}, upper bound", at_most, at_least=False)
    return GateRule(f"{name}, lower bound", at_least, at_least=True)


def _no_more_biased(measured: _Measured, limit: float, resampler: Resampler) -> list[Reason]:
    """A rule for every bias score that either of the two has; one that fails where there is none.

    The limit is in points of 100.
    """
    before, after = measured.base_bias, measured.winner_bias
    reasons = []
    for name in sorted(before.keys() | after.keys()):
        told = f"growth of |{name}| over {REFERENCE}, upper bound, points of 100"
        rule = GateRule(told, limit, at_least=False)
        if name in before and name in after:
            grown = resampler.difference(after[name], before[name], magnitude=True)
            reasons.append(_shown(rule, after[name], grown, resampler, scale=100))
        else:
            reasons.append(rule.unmeasured())
    return reasons or [GateRule("bias", limit, at_least=False).unmeasured()]


def _shown(
    rule: GateRule, of: Statistic, estimate: Estimate, resampler: Resampler, scale: float = 1.0
) -> Reason:
    return rule.shown(estimate, clusters_of(of), resampler.confidence, scale)


def _results(measured: _Measured, resampler: Resampler) -> dict[str, Any]:
    """What was measured of the winner and of the base, and the paired difference, by metric."""
    ours, theirs = measured.winner | measured.winner_bias, measured.base | measured.base_bias
    return {
        name: {
            "winner": _ends(estimate := resampler.estimate(of)),
            "base": _ends(resampler.estimate(theirs[name])) if name in theirs else None,
            "difference": _ends(resampler.difference(of, theirs[name])) if name in theirs else None,
            "n": estimate.n,
            "clusters": clusters_of(of),
        }
        for name, of in sorted(ours.items())
    }


def _ends(estimate: Estimate) -> dict[str, float | None]:
    return {name: rounded(getattr(estimate, name)) for name in ("value", "low", "high")}


def _bias(items: ArmItems) -> Statistics:
    """Every bias score, in both modes."""
    made = bias_statistics(items.bias, thinking=False) | bias_statistics(items.bias, thinking=True)
    return {name: statistic for name, statistic in made.items() if is_score(name)}


def _half(items: ArmItems, side: int) -> ArmItems:
    """The problems and documents of one side: 0 ranks, 1 judges.

    Control thoughts and the audit are of the held-out documents, and go with them.
    """
    heldout = _side(items.heldout, side, "documents")
    kept = {row["key"] for row in heldout}
    controls = tuple(row for row in items.controls if row["key"] in kept)
    audit = tuple(row for row in items.audit if row["key"] in kept)
    if items.controls and not controls:
        raise ValueError("control thoughts were measured on no document of one half")
    return replace(
        items,
        problems=tuple(
            row for rows in _by_benchmark(items) for row in _side(rows, side, "problems")
        ),
        heldout=heldout,
        controls=controls,
        audit=audit,
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


def arms_needed(candidates: Iterable[str]) -> list[str]:
    """The arms whose items a verdict needs, each once."""
    return list(dict.fromkeys([REFERENCE, *candidates]))
