"""The table of perturbations: what each costs an arm, thinking against not, and its reward."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlp_core.arms import Arms
from rlp_core.evaluation.perturbed_metrics import MODES
from rlp_core.reporting.tables import (
    EMPTY,
    Cell,
    Line,
    LineGroup,
    markdown_lines,
    p_text,
    plain_cell,
    signed_cell,
)

Tree = Mapping[str, Any]

COLUMNS = {
    "robust_pass_at_1": "pass@1",
    "robust_drop": "drop",
    "robust_drop_rate": "drop rate",
    "robust_flip_rate": "flips",
}
"""Stem of a metric to heading, in each mode; behind them the test and the drop against the base."""

_SIGNED = frozenset({"robust_drop", "robust_drop_rate"})
_TESTED = "p (McNemar, Holm)"
_MORE = "drop minus that of the base"


def headings() -> list[str]:
    """Of the columns, from left to right."""
    each = (*COLUMNS.values(), _TESTED, _MORE)
    return [
        "problems",
        *(f"{heading}, {mode}" for mode in MODES for heading in each),
        "information gain of the answer (nats)",
        "its change",
    ]


def table(tree: Tree, arms: Arms) -> list[LineGroup]:
    """Per arm a row for each perturbation; no group where none was tried."""
    found = tree.get("robustness", {})
    return [
        LineGroup(arm, tuple(_line(tree, arms, arm, name) for name in found[arm]))
        for arm in arms.names
        if arm in found
    ]


def markdown(tree: Tree, arms: Arms) -> str:
    """What `reports/comparison.md` says of perturbations; empty where none was tried."""
    groups = table(tree, arms)
    if not groups:
        return ""
    lines = [line for group in groups for line in (Line(f"_{group.name}_", ()), *group.lines)]
    parts = [
        "## Robustness",
        "The same problems, perturbed so that the right answer stays: `problems` says to how many "
        "of all a perturbation applies, and all else is of these. Drop: pass@1 as they are minus "
        "perturbed. Drop rate: the same as a share. Flips: greedy answers that turn right or "
        "wrong. p: McNemar's exact test on these, adjusted over the rows of an arm in both modes.",
        markdown_lines(["perturbation", *headings()], lines),
    ]
    return "\n" + "\n\n".join(parts) + "\n"


def _line(tree: Tree, arms: Arms, arm: str, name: str) -> Line:
    of, tests = tree["arms"][arm], tree["robustness"][arm][name]
    against = tree["differences"].get(arm, {}).get(arms.base, {})
    cells = [Cell(f"{tests['applied']} of {tests['problems']}")]
    for mode in MODES:
        for stem in COLUMNS:
            show = signed_cell if stem in _SIGNED else plain_cell
            cells.append(show(of.get(f"{stem}_{mode}/{name}", EMPTY)))
        cells.append(Cell(p_text(tests[mode]["p_holm"])))
        cells.append(signed_cell(against.get(f"robust_drop_{mode}/{name}", EMPTY)))
    cells.append(signed_cell(of.get(f"robust_gain/{name}", EMPTY)))
    cells.append(signed_cell(of.get(f"robust_gain_change/{name}", EMPTY)))
    return Line(name, tuple(cells))
