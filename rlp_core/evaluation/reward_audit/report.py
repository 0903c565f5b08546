"""The audit of all arms as a tree of numbers and words: `audit` in `reports/comparison.json`.

audit.arms.ARM.metrics.NAME      {value, low, high, n, clusters}
audit.arms.ARM.alarms.NAME       {state, message, value, low, high, n, limit, p, p_holm}
audit.arms.ARM.groups.LOOK/GROUP {state, message, value, low, high, n, p, p_holm, p_equivalent}
audit.run.NAME                   as an alarm: what takes all arms together
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rlp_core.evaluation.abilities import ability_statistics
from rlp_core.evaluation.item_files import ArmItems
from rlp_core.evaluation.reward_audit.against_accuracy import rank_agreement, without_accuracy
from rlp_core.evaluation.reward_audit.alarms import Alarm, alarms, estimate
from rlp_core.evaluation.reward_audit.audit_metrics import audit_statistics
from rlp_core.evaluation.reward_audit.config import RewardAudit
from rlp_core.evaluation.reward_audit.group_preference import Preference, preferences
from rlp_core.evaluation.reward_audit.table import AuditTable, table_of
from rlp_core.evaluation.statistics import Estimate, Resampler, Statistic

_DIGITS = 6

Tree = dict[str, Any]


def audit_tree(
    items: Mapping[str, ArmItems], settings: RewardAudit, resampler: Resampler, base: str = "base"
) -> Tree:
    """Audit every arm that has rows.

    Args:
        items: of all arms.
        settings: the limits.
        resampler: of intervals and tests.
        base: the frozen model.

    Raises:
        ValueError: two files are of different documents or places.
    """
    audited = {arm: of for arm, of in items.items() if of.audit and of.controls}
    first = items[base]
    tables = {
        arm: table_of(of.controls, of.audit, first.controls if arm != base else ())
        for arm, of in audited.items()
    }
    tree: Tree = {"arms": {}}
    for arm, table in tables.items():
        found = alarms(table, settings, resampler)
        if arm == base:  # it is what is measured against
            found = [one for one in found if one.state != "unmeasured"]
        if arm != base and base in tables:
            found.append(_without_accuracy(arm, base, tables, items, settings, resampler))
        before = first.swaps if arm != base else ()
        looks = preferences(table, items[arm].swaps, before, settings, resampler)
        metrics = audit_statistics(table, settings.future)
        tree["arms"][arm] = {
            "metrics": {name: told(estimate(resampler, s)) for name, s in metrics.items()},
            "alarms": {one.name: _alarm(one) for one in found},
            "groups": {one.name: _preference(one) for one in looks},
        }
    agreed = rank_agreement(
        [tables[arm].statistic(tables[arm].gain).value() for arm in tables],
        [_accuracy(items[arm]).value() for arm in tables],
        settings,
    )
    return tree | {"run": {agreed.name: _alarm(agreed)}}


def told(found: Estimate) -> Tree:
    """A number with its interval, rounded as elsewhere in the comparison; null where undefined."""
    return {
        "value": _rounded(found.value),
        "low": _rounded(found.low),
        "high": _rounded(found.high),
        "n": found.n,
        "clusters": found.clusters,
    }


def _accuracy(of: ArmItems) -> Statistic:
    return ability_statistics(of.problems, of.heldout)["pass_at_1_thinking"]


def _without_accuracy(
    arm: str,
    base: str,
    tables: Mapping[str, AuditTable],
    items: Mapping[str, ArmItems],
    settings: RewardAudit,
    resampler: Resampler,
) -> Alarm:
    mine, theirs = (tables[name].statistic(tables[name].gain) for name in (arm, base))
    right = _accuracy(items[arm]), _accuracy(items[base])
    return without_accuracy((mine, theirs), right, settings, resampler)


def _alarm(one: Alarm) -> Tree:
    ends = {"limit": one.limit, "p": _rounded(one.p), "p_holm": _rounded(one.p_holm)}
    return {"state": one.state, "message": one.message} | told(one.found) | ends


def _preference(one: Preference) -> Tree:
    tests = {"p": one.found.p, "p_holm": one.p_holm, "p_equivalent": one.p_equivalent}
    made = {name: _rounded(value) for name, value in (tests | {"moved": one.moved}).items()}
    return {"state": one.state, "message": one.message} | told(one.found) | made


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value, _DIGITS) + 0.0
