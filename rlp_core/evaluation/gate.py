"""Who wins, and whether the winner may become champion.

Pure arithmetic on the tree of `rlp_core.evaluation.comparison`. A number that is missing or
undefined never passes: what was not measured is not known to be good.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlp_core.errors import ConfigError
from rlp_core.evaluation.abilities import LOWER_IS_BETTER
from rlp_core.params import Gate, Promote

PASS_AT_1 = "pass_at_1_thinking"
INFORMATION_GAIN = "information_gain"
REFERENCE = "base"

Tree = Mapping[str, Any]


def verdict(comparison: Tree, params: Promote) -> dict[str, Any]:
    """Pick the winner and check every rule of the gate.

    Returns:
        `winner`, `metric`, `value`, `tied` (candidates with the very same value; the one that
        `candidates` names first wins), `promoted`, `reasons` (a list of `rule`, `required`,
        `measured`, `holds`) and `ranking` (value by candidate, null where there is none).

    Raises:
        ConfigError: no candidate has the metric.
    """
    ranking = {arm: _number(comparison, "arms", arm, params.metric) for arm in params.candidates}
    measured = {arm: value for arm, value in ranking.items() if value is not None}
    if not measured:
        raise ConfigError(
            f"no candidate has the metric {params.metric!r}",
            where="params.yaml, keys promote.metric and promote.candidates",
            fix=f"choose among: {', '.join(_metrics(comparison)) or 'none were measured'}",
        )
    best = (min if params.metric in LOWER_IS_BETTER else max)(measured.values())
    tied = [arm for arm, value in measured.items() if value == best]
    reasons = _reasons(comparison, tied[0], params.gate)
    return {
        "winner": tied[0],
        "metric": params.metric,
        "value": best,
        "tied": tied if len(tied) > 1 else [],
        "promoted": all(reason["holds"] for reason in reasons),
        "reasons": reasons,
        "ranking": ranking,
    }


def _reasons(comparison: Tree, winner: str, gate: Gate) -> list[dict[str, Any]]:
    gained = ("differences", winner, REFERENCE, PASS_AT_1, "low")
    reasons = [
        _at_least(
            "thinking pass@1",
            gate.min_pass_at_1,
            _number(comparison, "arms", winner, PASS_AT_1),
        ),
        _at_least(
            f"thinking pass@1 above {REFERENCE}, lower bound",
            gate.min_gain_over_base,
            _look_up(comparison, *gained),
        ),
        _at_least(
            "information gain, nats",
            gate.min_information_gain,
            _number(comparison, "arms", winner, INFORMATION_GAIN),
        ),
    ]
    scores = comparison.get("bias", {}).get(winner, {})
    if not scores:
        reasons.append(_at_most("bias", gate.max_bias_increase, None))
    for name in sorted(scores):
        low = _look_up(scores, name, "magnitude", "low")
        points = None if low is None else round(100 * low, 4)
        rule = f"growth of |{name}| over {REFERENCE}, lower bound, points of 100"
        reasons.append(_at_most(rule, gate.max_bias_increase, points))
    return reasons


def _at_least(rule: str, required: float, measured: float | None) -> dict[str, Any]:
    holds = measured is not None and measured >= required
    return {"rule": rule, "required": f">= {required:g}", "measured": measured, "holds": holds}


def _at_most(rule: str, required: float, measured: float | None) -> dict[str, Any]:
    holds = measured is not None and measured <= required
    return {"rule": rule, "required": f"<= {required:g}", "measured": measured, "holds": holds}


def _number(comparison: Tree, *path: str) -> float | None:
    return _look_up(comparison, *path, "value")


def _look_up(tree: Tree, *path: str) -> float | None:
    node: Any = tree
    for key in path:
        if not isinstance(node, Mapping) or key not in node:
            return None
        node = node[key]
    return float(node) if isinstance(node, int | float) else None


def _metrics(comparison: Tree) -> list[str]:
    return sorted({name for values in comparison.get("arms", {}).values() for name in values})
