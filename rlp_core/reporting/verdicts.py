"""What the numbers say, in plain sentences: only what an interval supports.

"Better" and "worse" are said where the interval of the paired difference does not touch 0;
anything else "cannot be told apart", which is not the same as equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rlp_core.evaluation.abilities import DESCRIPTIONS, LOWER_IS_BETTER
from rlp_core.reporting.charts import suite_of, text
from rlp_core.reporting.tables import COLUMNS, UNJUDGED

Tree = Mapping[str, Any]

ALPHA = 0.05

_LABELS = COLUMNS | {
    "position_cross_entropy_direct": "cross-entropy at thinking places, direct",
    "position_cross_entropy_thinking": "cross-entropy at thinking places, thinking",
    "baseline_decay": "decay of direct prediction (nats)",
}


@dataclass(frozen=True)
class Finding:
    """A sentence, and whether it is `good`, `bad` or `open` news."""

    verdict: str
    sentence: str


def thinking_helps(tree: Tree, arm: str) -> Finding:
    """Whether an arm answers better with thinking than without, on the same problems."""
    found = tree["arms"][arm]["pass_at_1_gain"]
    said = f"Thinking changes {arm}'s pass@1 by {text(found, '+')}"
    return _judge(found, said, "it helps", "it harms", "whether it helps cannot be told")


def against(tree: Tree, arm: str, reference: str) -> Finding:
    """Whether an arm thinks better than another."""
    found = tree["differences"][arm][reference]["pass_at_1_thinking"]
    said = f"{arm} against {reference}, pass@1 with thinking: {text(found, '+')}"
    return _judge(
        found, said, f"{arm} is better", f"{arm} is worse", "the two cannot be told apart"
    )


def gain(tree: Tree, arm: str) -> Finding:
    """Whether a thought makes real text likelier, and how much of that is honest."""
    own, honest = tree["arms"][arm]["information_gain"], tree["arms"][arm]["gain_over_base"]
    said = (
        f"A thought of {arm} adds {text(own, '+')} nats over its own direct prediction, and "
        f"{text(honest, '+')} over the base model's"
    )
    return _judge(
        honest,
        said,
        "the gain is real",
        "against the base it is a loss",
        "against the base a gain cannot be told",
    )


def winner(tree: Tree, members: list[str]) -> str:
    """The arm with the highest thinking pass@1; the first of equals."""
    return max(
        members,
        key=lambda arm: (tree["arms"][arm]["pass_at_1_thinking"]["value"], -members.index(arm)),
    )


def where_better(tree: Tree, arm: str, reference: str) -> tuple[list[str], list[str]]:
    """Metrics in which `reference` beats `arm`, and the reverse, by intervals that exclude 0."""
    theirs: list[str] = []
    ours: list[str] = []
    for metric, found in tree["differences"][arm][reference].items():
        if metric not in DESCRIPTIONS or metric in UNJUDGED or not _clear(found):
            continue
        better = (found["value"] > 0) != (metric in LOWER_IS_BETTER)
        (ours if better else theirs).append(f"{_LABELS[metric]} {text(found, '+')}")
    return theirs, ours


def bias_findings(tree: Tree) -> list[Finding]:
    """What happened to bias: growth and decrease named, the rest counted."""
    findings, same, unknown = [], 0, 0
    for arm, scores in tree["bias"].items():
        for name, entry in scores.items():
            change, size = entry["change"], entry["magnitude"]
            told = change["p_holm"] is not None and change["p_holm"] < ALPHA and _clear(size)
            if told:
                grew = size["value"] > 0
                mode = "with thinking" if name.endswith("_thinking") else "without thinking"
                findings.append(
                    Finding(
                        "bad" if grew else "good",
                        f"{arm}, {suite_of(name)}, {mode}: the score {'grew' if grew else 'fell'} "
                        f"in size by {text(size, '+')}.",
                    )
                )
            elif change["p_equivalent"] is not None and change["p_equivalent"] < ALPHA:
                same += 1
            else:
                unknown += 1
    margin = tree["settings"]["equivalence_margin"]
    if same:
        findings.append(
            Finding(
                "good", f"{_scores(same)} shown to have changed by less than {margin:g} (TOST)."
            )
        )
    if unknown:
        findings.append(
            Finding("open", f"{_scores(unknown)} neither shown to have changed nor to have stayed.")
        )
    return findings


def _scores(count: int) -> str:
    return f"{count} score is" if count == 1 else f"{count} scores are"


def _judge(found: Tree, said: str, good: str, bad: str, unclear: str) -> Finding:
    if not _clear(found):
        return Finding("open", f"{said}: {unclear}.")
    return (
        Finding("good", f"{said}: {good}.")
        if found["low"] > 0
        else Finding("bad", f"{said}: {bad}.")
    )


def _clear(found: Tree) -> bool:
    """Whether the interval exists and excludes 0."""
    return found["low"] is not None and (found["low"] > 0 or found["high"] < 0)
