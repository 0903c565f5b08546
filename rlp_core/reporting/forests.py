"""Forest plots: effects with their intervals beside a line of no effect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlp_core.arms import INK, Arms
from rlp_core.evaluation.claims import ALPHA
from rlp_core.reporting.charts import colour, dot, score_pairs, suite_of, text
from rlp_core.reporting.figures import Dot, Figure, dot_plot

Tree = Mapping[str, Any]


def draw(tree: Tree, arms: Arms) -> dict[str, Figure]:
    """Those that the comparison allows, by name."""
    made = [bias_changes(tree, arms), overconfidence(tree, arms)]
    return {figure.name: figure for figure in made if figure is not None}


def bias_changes(tree: Tree, arms: Arms) -> Figure | None:
    """By how much training changed the size of every bias score; None without scores.

    Of several suites the fine-tuned arms are left to the table.
    """
    pairs = score_pairs(tree)
    trained = arms.names if len(pairs) == 1 else arms.pretrained
    rows, said = [], []
    for pair in pairs:
        for arm in trained:
            entries = [(n, tree["bias"].get(arm, {}).get(n)) for n in pair]
            dots = [
                dot(of["magnitude"], _shade(arms, arm, name), not _shown(of["change"]))
                for name, of in entries
                if of is not None and of["magnitude"]["value"] is not None
            ]
            if dots:
                rows.append((f"{suite_of(pair[1])}: {arm}" if len(pairs) > 1 else arm, dots))
                said += [f"{arm} {text(of['magnitude'])} in {n}" for n, of in entries if of]
    if not rows:
        return None
    return dot_plot(
        "bias-changes",
        "What training changed: the size of each bias score less that of the base on the same "
        "items, with thinking (colour) and without (grey). Left of 0: fairer; right of 0: less "
        "fair. Filled where the score is shown to have changed (p adjusted over all below 0.05).",
        f"Changes of the size of bias scores: {'; '.join(said)}.",
        rows,
        label="change of the score's size",
        legend=_LEGEND,
    )


def overconfidence(tree: Tree, arms: Arms) -> Figure | None:
    """Mean confidence less the share of right answers; None without weighed choices."""
    rows, said = [], []
    for benchmark, by_arm in tree.get("calibration", {}).items():
        for arm in (name for name in arms.pretrained if name in by_arm):
            of = {mode: by_arm[arm][mode]["overconfidence"] for mode in ("thinking", "direct")}
            dots = [dot(found, _shade(arms, arm, mode)) for mode, found in of.items()]
            rows.append((f"{benchmark}: {arm}", dots))
            said += [f"{benchmark}, {arm}, {mode} {text(found)}" for mode, found in of.items()]
    if not rows:
        return None
    return dot_plot(
        "overconfidence",
        "Mean confidence in the likeliest choice less the share of right answers, with thinking "
        "(colour) and without (grey): 0 is ideal, right of it a model is surer than it is right.",
        f"Overconfidence: {'; '.join(said)}.",
        rows,
        label="confidence − share right",  # noqa: RUF001
        legend=_LEGEND,
    )


def _shade(arms: Arms, arm: str, mode: str) -> str:
    return INK["direct"] if mode.endswith("direct") else colour(arms, arm)


def _shown(change: Tree) -> bool:
    return change["p_holm"] is not None and change["p_holm"] < ALPHA


_LEGEND = (
    ("with thinking", Dot(INK["ink"], 0.0, None, None)),
    ("without", Dot(INK["direct"], 0.0, None, None)),
)
