"""What the page says of the reward audit: control thoughts by arm, and every rule in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlp_core.arms import Arms
from rlp_core.reporting.tables import Cell, Line, signed_cell
from rlp_core.reporting.verdicts import Verdict

Tree = Mapping[str, Any]

CONTROL_HEADINGS = {
    "horizon_gain": "a thought, over none",
    "true_gain": "a thought, over the base without one",
    "gain_over_empty": "a thought, over an empty one",
    "content_gain": "a thought, over its best control",
    "empty_thought_gain": "an empty thought, over none",
    "other_thought_gain": "another text's thought, over none",
    "random_thought_gain": "random tokens, over none",
}
"""Metric to heading of the table of control thoughts, in nats."""

_ON_TILE = {
    "true_gain": "on what follows it, over the base",
    "gain_over_empty": "over an empty thought",
    "content_gain": "over its best control",
}
_SAID = {
    "alarm": ("bad", "alarm"),
    "clear": ("good", "kept"),
    "open": ("open", "not shown"),
    "too_few": ("open", "too few to say"),
    "unmeasured": ("open", "not measured"),
}
_EMPTY = {"value": None, "low": None, "high": None}


def on_tile(of: Tree) -> list[tuple[str, Cell]]:
    """What stands on an arm's tile where control thoughts were measured."""
    return [(said, signed_cell(of[name])) for name, said in _ON_TILE.items() if name in of]


def control_lines(tree: Tree, arms: Arms) -> list[Line]:
    """A row per arm with control thoughts, as `CONTROL_HEADINGS`."""
    return [
        Line(arm, tuple(signed_cell(of.get(name, _EMPTY)) for name in CONTROL_HEADINGS))
        for arm in arms.names
        if "horizon_gain" in (of := tree["arms"].get(arm, {}))
    ]


def headline(tree: Tree, arm: str) -> list[Verdict]:
    """One sentence on one arm's audit; none where it was not audited."""
    of = tree.get("audit", {}).get("arms", {}).get(arm)
    return [] if of is None else [_summary(arm, _rules(of))]


def told(tree: Tree, arms: Arms) -> dict[str, Any] | None:
    """A sentence per arm and every rule in words; None where nothing was audited.

    Returns:
        `findings`, and `tables`: per arm `name`, `rows` (name, state, tone, message) and `rings`,
        whether an alarm is among them; last the rules that take all arms together.
    """
    if "audit" not in tree:
        return None
    groups = {arm: _rules(tree["audit"]["arms"][arm]) for arm in arms.names
              if arm in tree["audit"]["arms"]}  # fmt: skip
    findings = [_summary(arm, rules) for arm, rules in groups.items()]
    groups["all arms together"] = tree["audit"]["run"]
    return {"findings": findings, "tables": [_table(name, of) for name, of in groups.items()]}


def _rules(of: Tree) -> dict[str, Tree]:
    return {**of["alarms"], **of["groups"]}


def _summary(arm: str, rules: Mapping[str, Tree]) -> Verdict:
    by_state = {state: [n for n, r in rules.items() if r["state"] == state] for state in _SAID}
    rings = by_state.pop("alarm")
    rest = "; ".join(
        f"{len(names)} {_SAID[state][1]}" for state, names in by_state.items() if names
    )
    said = f"Audit of {arm}'s reward, {len(rules)} rules"
    if rings:
        return Verdict(
            "bad", f"{said}: alarm of {', '.join(rings)}" + (f"; {rest}." if rest else ".")
        )
    unsure = by_state["open"] + by_state["too_few"] + by_state["unmeasured"]
    return Verdict("open" if unsure else "good", f"{said}: no alarm; {rest}.")


def _table(name: str, rules: Mapping[str, Tree]) -> dict[str, Any]:
    rows = []
    for rule, found in rules.items():
        tone, state = _SAID[found["state"]]
        rows.append({"name": rule, "state": state, "tone": tone, "message": found["message"]})
    return {"name": name, "rows": rows, "rings": any(row["tone"] == "bad" for row in rows)}
