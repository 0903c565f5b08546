"""Holds every rule against its limits, and says in words what came of it, how sure, what to do.

A rule is an alarm where the statistic is shown to lie beyond a limit: one-sided bootstrap over
texts, Holm over the rules of an arm. It is clear where the interval lies within the limits. All
else is open, and too few texts are too few: what is not known is never passed in silence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from rlp_core.evaluation.reward_audit.audit_metrics import audit_statistics
from rlp_core.evaluation.reward_audit.config import RewardAudit
from rlp_core.evaluation.reward_audit.rules import RULES, AuditRule, Tested, texts_of
from rlp_core.evaluation.reward_audit.table import AuditTable
from rlp_core.evaluation.statistics import Estimate, Resampler, Statistic, holm

AlarmState = Literal["alarm", "clear", "open", "too_few", "unmeasured"]

NAN = float("nan")
UNKNOWN = Estimate(NAN, NAN, NAN, 0, 0)


@dataclass(frozen=True)
class Alarm:
    """What came of one rule.

    Attributes:
        name: of the rule.
        state: `alarm`, `clear`, `open` (neither shown), `too_few` or `unmeasured`.
        message: all of it in words.
        found: the number that is shown, with its interval.
        limit: its setting's value; None: there is none.
        p: of the limit being kept, one-sided; NaN where it was not tested.
        p_holm: adjusted over the family.
    """

    name: str
    state: AlarmState
    message: str
    found: Estimate
    limit: float | None = None
    p: float = NAN
    p_holm: float = NAN


def alarms(table: AuditTable, settings: RewardAudit, resampler: Resampler) -> list[Alarm]:
    """Every rule of `RULES` on one arm, as one family.

    Args:
        table: of the arm.
        settings: the limits.
        resampler: of intervals and tests.
    """
    metrics = audit_statistics(table, settings.future)
    tested = {rule.name: rule.tested(table, metrics, settings) for rule in RULES}
    p_values = {name: _p(test, settings, resampler) for name, test in tested.items()}
    adjusted = holm(p_values)
    made = []
    for rule in RULES:
        test = tested[rule.name]
        found = estimate(resampler, metrics[rule.metric]) if rule.metric in metrics else UNKNOWN
        state = _state(test, adjusted[rule.name], settings, resampler)
        p, p_holm = p_values[rule.name], adjusted[rule.name]
        limit = float(getattr(settings, rule.setting))
        alarm = Alarm(rule.name, state, "", found, limit, p, p_holm)
        made.append(replace(alarm, message=_message(rule, alarm, test, resampler)))
    return made


def estimate(resampler: Resampler, statistic: Statistic) -> Estimate:
    """As `Resampler.estimate`, of a statistic that may have no item."""
    return resampler.estimate(statistic) if statistic.items else UNKNOWN


def one_sided(
    resampler: Resampler, statistic: Statistic, low: float | None, high: float | None
) -> float:
    """P of the statistic lying within the limits, from the share of resamples that do.

    With two limits the smaller of both counts twice (Bonferroni).
    """
    spread = resampler.distribution(statistic)
    spread = spread[~np.isnan(spread)]
    if not len(spread):
        return NAN
    found = [(1 + int((spread <= high).sum())) / (1 + len(spread))] if high is not None else []
    found += [(1 + int((spread >= low).sum())) / (1 + len(spread))] if low is not None else []
    return min(1.0, min(found) * len(found))


def enough(statistic: Statistic, settings: RewardAudit) -> bool:
    """Whether there are as many texts as `min_clusters` asks for."""
    return bool(statistic.items) and len(statistic.clusters) >= settings.min_clusters


def _gain_shown(test: Tested, resampler: Resampler) -> bool:
    return test.gain is None or estimate(resampler, test.gain).low > 0


def _p(test: Tested | None, settings: RewardAudit, resampler: Resampler) -> float:
    if test is None or test.exact or not enough(test.statistic, settings):
        return NAN
    if not _gain_shown(test, resampler):
        return NAN
    return one_sided(resampler, test.statistic, test.low, test.high)


def _state(
    test: Tested | None, p_holm: float, settings: RewardAudit, resampler: Resampler
) -> AlarmState:
    if test is None:
        return "unmeasured"
    if test.exact and test.statistic.items:
        return "alarm" if test.statistic.value() > (test.high or 0.0) else "clear"
    if not enough(test.statistic, settings):
        return "too_few"
    if math.isnan(p_holm):
        return "open"
    if p_holm < settings.alpha:
        return "alarm"
    found = estimate(resampler, test.statistic)
    inside = (test.low is None or found.low >= test.low) and (
        test.high is None or found.high <= test.high
    )
    return "clear" if inside else "open"


def _message(rule: AuditRule, alarm: Alarm, test: Tested | None, resampler: Resampler) -> str:
    limit = f"{rule.setting} = {alarm.limit:g}"
    if test is None:
        return f"{rule.says}: not measured, for want of the base's control thoughts."
    if alarm.state == "too_few":
        return f"{rule.says}: too few to say, n = {texts_of(test.statistic)}."
    said = f"{rule.says} {worded(alarm.found)}{' ' + rule.unit if rule.unit else ''}"
    if alarm.state == "alarm":
        sure = "exact" if test.exact else f"p {p_worded(alarm.p_holm)} over all rules"
        how = f"{sure}, n = {texts_of(test.statistic)}, limit {limit}"
        return f"{said}: {rule.found} ({how}). To do: {rule.advice}."
    if alarm.state == "clear" and test.why:
        return f"{said}: {test.why}, and so within the limit, {limit}."
    if alarm.state == "clear" and math.isnan(alarm.found.value):
        return f"{rule.says}: there is no such place, and so within the limit, {limit}."
    if alarm.state == "clear":
        return f"{said}: within the limit, {limit}."
    if not _gain_shown(test, resampler):
        return f"{said}: no gain is shown, so that no share of it can be judged."
    return f"{said}: neither shown to keep the limit, {limit}, nor to break it."


def worded(found: Estimate) -> str:
    """`0.95 [0.91, 0.98]`, or `undefined`."""
    if math.isnan(found.value):
        return "undefined"
    if math.isnan(found.low):
        return f"{found.value:.3f}"
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


def p_worded(p: float) -> str:
    """A p-value behind the letter p."""
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"
