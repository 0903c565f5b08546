"""What the numbers say, in plain sentences: only what a test supports.

"Better" and "worse" are said where the interval of the paired difference does not touch 0 and the
p of its test, adjusted over all that is claimed beside it (Holm), is below 0.05; anything else
"cannot be told apart", which is not the same as equal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlp_core.evaluation.abilities import LOWER_IS_BETTER
from rlp_core.evaluation.claims import ALPHA
from rlp_core.evaluation.control_metrics import CONTROL_LOWER_IS_BETTER
from rlp_core.evaluation.statistics import holm
from rlp_core.reporting.charts import suite_of, text, undefined
from rlp_core.reporting.tables import ALL_COLUMNS, UNJUDGED

Tree = Mapping[str, Any]

_LABELS = ALL_COLUMNS | {
    "position_cross_entropy_direct": "cross-entropy at thinking places, direct",
    "position_cross_entropy_thinking": "cross-entropy at thinking places, thinking",
    "baseline_decay": "decay of direct prediction (nats)",
}


@dataclass(frozen=True)
class Verdict:
    """A sentence, and whether it is `good`, `bad` or `open` news."""

    tone: str
    sentence: str


def thinking_helps(tree: Tree, arm: str) -> Verdict:
    """Whether an arm answers better with thinking than without, on the same problems."""
    found = tree["arms"][arm]["pass_at_1_gain"]
    said = f"Thinking changes {arm}'s pass@1 by {text(found, '+')}"
    known = _shown_by(tree, f"{arm}/pass_at_1_gain", found)
    return _judge(found, known, said, "it helps", "it harms", "whether it helps cannot be told")


def against(tree: Tree, arm: str, reference: str) -> Verdict:
    """Whether an arm answers better than another: each in its better mode, then both thinking."""
    found = tree["differences"][arm][reference]
    modes = " against ".join(f"{name} {better_mode(tree, name)}" for name in (arm, reference))
    said = (
        f"{modes}: pass@1 {text(found['pass_at_1_best'], '+')}; both with thinking: "
        f"{text(found['pass_at_1_thinking'], '+')}. Each in its better mode"
    )
    return _judge(
        found["pass_at_1_best"],
        _shown_by(tree, f"{arm}/pass_at_1_best/{reference}", found["pass_at_1_best"]),
        said,
        f"{arm} is better",
        f"{arm} is worse",
        "the two cannot be told apart",
    )


def better_mode(tree: Tree, arm: str) -> str:
    """In which mode an arm's pass@1 is higher, at the digits that a table shows."""
    metrics = tree["arms"][arm]
    thinking, direct = (
        _shown(metrics[name]["value"]) for name in ("pass_at_1_thinking", "pass_at_1_direct")
    )
    if thinking == direct:
        return "in either mode"
    return "with thinking" if thinking > direct else "without thinking"


def gain(tree: Tree, arm: str) -> Verdict:
    """Whether a thought makes real text likelier, and how much of that is honest."""
    own, honest = tree["arms"][arm]["information_gain"], tree["arms"][arm]["gain_over_base"]
    said = (
        f"A thought of {arm} adds {text(own, '+')} nats over its own direct prediction, and "
        f"{text(honest, '+')} over the base model's"
    )
    return _judge(
        honest,
        _shown_by(tree, f"{arm}/gain_over_base", honest),
        said,
        "the gain is real",
        "against the base it is a loss",
        "against the base a gain cannot be told",
    )


def for_nothing(tree: Tree, arm: str, base: str) -> Verdict:
    """How much of an arm's gain a few examples give the base without any training."""
    found = tree["few_shot"][arm]
    said = (
        f"Asked bare, each in its better mode, {arm} has pass@1 {text(found['gain'], '+')} over "
        f"{base}. Worked examples in the prompt give {base} {text(found['for_nothing'], '+')} for "
        f"nothing; {arm} asked bare against {base} with examples: {text(found['left'], '+')}"
    )
    return _judge(
        found["left"],
        _shown_by(tree, f"{arm}/left", found["left"]),
        said,
        "training gave more than examples do",
        "examples give more than training did",
        "training is not shown to give more than examples do",
    )


def content(tree: Tree, arm: str) -> Verdict:
    """Whether it is the thought that helps, or that there is one."""
    of = tree["arms"][arm]
    said = (
        f"On the text behind the places where it thinks, {arm}'s thought adds "
        f"{text(of['horizon_gain'], '+')} nats over no thought, an empty one "
        f"{text(of['empty_thought_gain'], '+')}, another text's "
        f"{text(of['other_thought_gain'], '+')}, random tokens "
        f"{text(of['random_thought_gain'], '+')}; over the best of these controls its content adds "
        f"{text(of['content_gain'], '+')}"
    )
    return _judge(
        of["content_gain"],
        _shown_by(tree, f"{arm}/content_gain", of["content_gain"]),
        said,
        "what is thought matters",
        "a control does better than the thought",
        "that what is thought matters is not shown",
    )


def winner(tree: Tree, group: str, members: Sequence[str]) -> Verdict:
    """Who wins a group, each arm in its better mode; ties and what cannot be told name nobody."""
    values = {arm: _shown(tree["arms"][arm]["pass_at_1_best"]["value"]) for arm in members}
    best = max(values.values())
    first = [arm for arm in members if values[arm] == best]
    said = f"Among the {group} arms, each in its better mode"
    if best < 0:
        return Verdict("open", f"{said}, pass@1 is undefined.")
    if len(first) > 1:
        return Verdict("open", f"{said}, {', '.join(first)} are level at {best:.3f}: none wins.")
    top = first[0]
    unclear = [arm for arm in members if arm != top and not _beats(tree, top, arm)]
    if unclear:
        return Verdict(
            "open",
            f"{said}, {top} has the highest pass@1, {best:.3f}, and is not shown to be better than "
            f"{', '.join(unclear)}: none wins.",
        )
    return Verdict("good", f"{said}, {top} wins with {best:.3f}: better than every other.")


def _beats(tree: Tree, arm: str, other: str) -> bool:
    """Whether a paired difference shows it; a pair that is not declared shows nothing."""
    pairs = tree["differences"]
    if other in pairs.get(arm, {}):
        low = pairs[arm][other]["pass_at_1_best"]["low"]
        return low is not None and low > 0
    if arm in pairs.get(other, {}):
        high = pairs[other][arm]["pass_at_1_best"]["high"]
        return high is not None and high < 0
    return False


def _shown(value: float | None) -> float:
    """A share at the digits that a table shows; below every share where it is undefined."""
    return -1.0 if value is None else round(value, 3)


def where_better(tree: Tree, arm: str, reference: str) -> tuple[list[str], list[str]]:
    """Metrics in which `reference` beats `arm`, and the reverse: what holds after adjustment.

    The family are all metrics of the two of which more or less is better.
    """
    theirs: list[str] = []
    ours: list[str] = []
    judged = {
        metric: found
        for metric, found in tree["differences"][arm][reference].items()
        if metric in _LABELS and metric not in UNJUDGED and found["p"] is not None
    }
    adjusted = holm({metric: found["p"] for metric, found in judged.items()})
    for metric, found in judged.items():
        if not (_clear(found) and adjusted[metric] < ALPHA):
            continue
        better = (found["value"] > 0) != (metric in LOWER_IS_BETTER | CONTROL_LOWER_IS_BETTER)
        (ours if better else theirs).append(f"{_LABELS[metric]} {text(found, '+')}")
    return theirs, ours


def bias_findings(tree: Tree) -> list[Verdict]:
    """What happened to bias: growth and decrease named, the rest counted."""
    findings, same, unknown = [], 0, 0
    few: dict[str, str] = {}
    for arm, scores in tree["bias"].items():
        for name, entry in scores.items():
            change, size = entry["change"], entry["magnitude"]
            if change["value"] is None and (why := undefined(change)) != "undefined":
                few[suite_of(name)] = why
                continue
            told = change["p_holm"] is not None and change["p_holm"] < ALPHA and _clear(size)
            if told:
                grew = size["value"] > 0
                mode = "with thinking" if name.endswith("_thinking") else "without thinking"
                findings.append(
                    Verdict(
                        "bad" if grew else "good",
                        f"{arm}, {suite_of(name)}, {mode}: the score {'grew' if grew else 'fell'} "
                        f"in size by {text(size, '+')}.",
                    )
                )
            elif (equal := change["p_equivalent_holm"]) is not None and equal < ALPHA:
                same += 1
            else:
                unknown += 1
    margin = tree["settings"]["equivalence_margin"]
    if same:
        findings.append(
            Verdict(
                "good",
                f"{_scores(same)} shown to have changed by less than {margin:g} (TOST, Holm).",
            )
        )
    findings += [Verdict("open", f"{suite}: {why}.") for suite, why in few.items()]
    if unknown:
        findings.append(
            Verdict("open", f"{_scores(unknown)} neither shown to have changed nor to have stayed.")
        )
    return findings


def _scores(count: int) -> str:
    return f"{count} score is" if count == 1 else f"{count} scores are"


def _judge(found: Tree, known: bool, said: str, good: str, bad: str, unclear: str) -> Verdict:
    if not known:
        return Verdict("open", f"{said}: {unclear}.")
    return (
        Verdict("good", f"{said}: {good}.")
        if found["low"] > 0
        else Verdict("bad", f"{said}: {bad}.")
    )


def _shown_by(tree: Tree, claim: str, found: Tree) -> bool:
    """Whether the interval excludes 0 and the adjusted test of a claim says so too."""
    p = tree["claims"][claim]["p_holm"]
    return _clear(found) and p is not None and p < ALPHA


def _clear(found: Tree) -> bool:
    """Whether the interval exists and excludes 0."""
    return found["low"] is not None and (found["low"] > 0 or found["high"] < 0)
