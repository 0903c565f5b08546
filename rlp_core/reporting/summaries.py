"""Small tables of the page: what compute bought, and whether a model is as often right as sure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlp_core.arms import Arms
from rlp_core.reporting.tables import Line, plain_cell, signed_cell

Tree = Mapping[str, Any]

BOUGHT = (
    "pass@1 over the base",
    "gain over the base (nats)",
    "bits per byte against the base (less is better)",
    "thought tokens",
)
CALIBRATION = ("confidence", "right", "overconfidence", "expected calibration error")


def bought(tree: Tree, rlp: float, cpt: float) -> list[tuple[float, Line]]:
    """FLOPs after the bootstrap, and what the arm gained over the base: as `BOUGHT`.

    Args:
        tree: of the comparison.
        rlp: what reinforcement spent.
        cpt: what the control spent.
    """
    spent = {"bootstrap": 0.0, "rlp": rlp, "cpt": cpt}
    lines = []
    for arm, flops in spent.items():
        over, own = tree["differences"][arm]["base"], tree["arms"][arm]
        cells = (
            signed_cell(over["pass_at_1_best"]),
            signed_cell(own["gain_over_base"]),
            signed_cell(over["bits_per_byte"]),
            plain_cell(own["thought_tokens"]),
        )
        lines.append((flops, Line(arm, cells)))
    return lines


def calibration_lines(tree: Tree, arms: Arms) -> list[Line]:
    """A row per benchmark with weighed choices, arm and mode: as `CALIBRATION`."""
    lines = []
    for benchmark, by_arm in tree.get("calibration", {}).items():
        for arm in (name for name in arms.names if name in by_arm):
            for mode, of in by_arm[arm].items():
                bare = (
                    plain_cell({"value": of[name], "low": None, "high": None})
                    for name in ("confidence", "right", "error")
                )
                confidence, right, error = bare
                cells = (confidence, right, signed_cell(of["overconfidence"]), error)
                lines.append(Line(f"{benchmark}, {arm}, {mode}", cells))
    return lines
