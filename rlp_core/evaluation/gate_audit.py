"""The reward audit as a rule of the gate: no champion whose reward was shown to be hacked."""

from __future__ import annotations

from rlp_core.evaluation.gate_rules import Reason
from rlp_core.evaluation.item_files import ArmItems
from rlp_core.evaluation.reward_audit.alarms import alarms
from rlp_core.evaluation.reward_audit.config import RewardAudit
from rlp_core.evaluation.reward_audit.table import table_of
from rlp_core.evaluation.statistics import Resampler

RULE = "alarms of the reward audit"


def audited(
    winner: ArmItems, base: ArmItems, settings: RewardAudit, resampler: Resampler
) -> list[Reason]:
    """One reason where the winner was audited, none where the audit is off.

    A rule that cannot be told for want of texts fails, as everywhere in the gate; one that is open
    (neither an alarm nor shown to be clear) or that nothing could be asked of does not.

    Args:
        winner: on the half that judges.
        base: the same half; its control thoughts are the frozen baseline.
        settings: section `evaluate.audit`.
        resampler: of intervals and tests.

    Returns:
        Keys as `GateRule.judged` says; `measured` is how many rules ring.
    """
    if not (settings.enabled and winner.audit):
        return []
    table = table_of(winner.controls, winner.audit, base.controls)
    found = alarms(table, settings, resampler)
    rung = [one.name for one in found if one.state == "alarm"]
    few = [one.name for one in found if one.state == "too_few"]
    why = []
    if rung:
        why.append(f"it rings: {', '.join(rung)}")
    if few:
        why.append(f"too few texts to say: {', '.join(few)}")
    return [
        {
            "rule": RULE,
            "required": "<= 0",
            "measured": float(len(rung)),
            "holds": not why,
            "value": float(len(rung)),
            "n": max(one.found.n for one in found),
            "clusters": max(one.found.clusters for one in found),
            "enough": None,
            "why": "; ".join(why),
        }
    ]
