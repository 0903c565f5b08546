"""Which figures the comparison needs, and what each says in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rlp_core.arms import INK, Arms
from rlp_core.evaluation.bias.forms import FEWEST_CLUSTERS
from rlp_core.evaluation.bias.scores import is_score
from rlp_core.reporting.figures import Dot, Figure, bar_plot, dot_plot
from rlp_core.reporting.sources import Sources

Tree = Mapping[str, Any]


def draw(sources: Sources) -> dict[str, Figure]:
    """Every figure of single numbers that the sources allow, by name."""
    tree, arms = sources.comparison.tree, sources.arms
    made = [
        thinking_and_direct(tree, arms),
        information_gain(tree, arms),
        differences(tree, arms),
        compute(sources),
        bias(tree, arms),
    ]
    return {figure.name: figure for figure in made if figure is not None}


def thinking_and_direct(tree: Tree, arms: Arms) -> Figure:
    """Pass@1 of every arm with thinking and without."""
    rows = [
        (
            arm,
            [
                dot(of["pass_at_1_thinking"], colour(arms, arm)),
                dot(of["pass_at_1_direct"], INK["direct"]),
            ],
        )
        for arm, of in tree["arms"].items()
    ]
    said = (
        f"{arm} {text(of['pass_at_1_thinking'])} with thinking and "
        f"{text(of['pass_at_1_direct'])} without"
        for arm, of in tree["arms"].items()
    )
    legend = [("with thinking", _mark(INK["ink"])), ("without", _mark(INK["direct"]))]
    return dot_plot(
        "thinking-and-direct",
        "Share of right answers (pass@1), with thinking in colour and without in grey.",
        _sentence("Pass@1", said),
        rows,
        label="pass@1",
        zero=False,
        limits=(-0.02, 1.02),
        legend=legend,
    )


def information_gain(tree: Tree, arms: Arms) -> Figure:
    """Gain of a thought over the model's own direct prediction, and over the base's."""
    rows = [
        (
            arm,
            [
                dot(of["information_gain"], colour(arms, arm)),
                dot(of["gain_over_base"], colour(arms, arm), hollow=True),
            ],
        )
        for arm, of in tree["arms"].items()
    ]
    said = (f"{arm} {text(of['information_gain'])}" for arm, of in tree["arms"].items())
    legend = [
        ("over its own", _mark(INK["ink"])),
        ("over the base model's", _mark(INK["ink"], hollow=True)),
    ]
    return dot_plot(
        "information-gain",
        "What a thought adds to the log-probability of the true next token on held-out text: over "
        "the same model's own prediction without a thought (filled), and over the base model's "
        "(hollow). Where filled lies right of hollow, a part of the gain is the model's own decay.",
        _sentence("Information gain in nats", said),
        rows,
        label="nats per thinking place",
        legend=legend,
    )


def differences(tree: Tree, arms: Arms) -> Figure:
    """Paired differences of pass@1, the headlines first."""
    rows, said = [], []
    for arm, reference, _ in sorted(arms.pairs, key=lambda p: p[1] not in arms[p[0]].headlines):
        best, thinking = (
            tree["differences"][arm][reference][name]
            for name in ("pass_at_1_best", "pass_at_1_thinking")
        )
        shade = colour(arms, arm)
        rows.append((f"{arm} − {reference}", [dot(best, shade), dot(thinking, shade, hollow=True)]))  # noqa: RUF001
        said.append(f"{arm} minus {reference} {text(best)}, both thinking {text(thinking)}")
    return dot_plot(
        "differences",
        "Paired differences of pass@1 on the same problems: each arm in its better mode (filled), "
        "and both with thinking (hollow). An interval that does not touch 0 is a difference that "
        "the choice of problems does not explain.",
        _sentence("Differences of pass@1, each in its better mode", said),
        rows,
        label="difference of pass@1",
        legend=[("better mode", _mark(INK["ink"])), ("thinking", _mark(INK["ink"], hollow=True))],
    )


def compute(sources: Sources) -> Figure:
    """Where the compute of rlp went, and what the control was given."""
    spent = sources.ledger["flops"]
    phases = {name: flops for name, flops in spent.items() if name != "total"}
    ours, theirs = (colour(sources.arms, arm) for arm in ("rlp", "cpt"))
    bars = {f"rlp: {name}": (ours, flops / 1e12) for name, flops in phases.items()}
    bars["rlp: total"] = (ours, spent["total"] / 1e12)
    bars["cpt: total"] = (theirs, sources.cpt["flops"] / 1e12)
    return bar_plot(
        "compute",
        "Model FLOPs of rlp by phase, and of the control that was given the same budget.",
        _sentence("TeraFLOPs", (f"{name} {value:.3g}" for name, (_, value) in bars.items())),
        bars,
        label="TFLOPs (10¹²)",
    )


def bias(tree: Tree, arms: Arms) -> Figure | None:
    """Every bias score with thinking and without; None without scores.

    Of several suites the fine-tuned arms are left to the table.
    """
    pairs = score_pairs(tree)
    shown = (
        tree["arms"] if len(pairs) == 1 else [arm for arm in arms.pretrained if arm in tree["arms"]]
    )
    rows, said = [], []
    for thinking, direct in pairs:
        for arm in shown:
            of = tree["arms"][arm]
            dots = [dot(of[thinking], colour(arms, arm))] if thinking in of else []
            dots += [dot(of[direct], INK["direct"])] if direct in of else []
            prefix = f"{suite_of(direct)}: " if len(pairs) > 1 else ""
            rows.append((f"{prefix}{arm}", dots))
            said += [
                f"{arm} {text(of[name])} in {name}" for name in (thinking, direct) if name in of
            ]
    if not rows:
        return None
    return dot_plot(
        "bias",
        "Bias scores with thinking (colour) and without (grey): 0 is ideal, positive follows the "
        "stereotype, 1 is the most.",
        _sentence("Bias scores", said),
        rows,
        label="bias score",
        legend=[("with thinking", _mark(INK["ink"])), ("without", _mark(INK["direct"]))],
    )


def score_pairs(tree: Tree) -> list[tuple[str, str]]:
    """Names of every bias score with thinking and without, (thinking, direct)."""
    stems = {
        name.rpartition("_")[0] for of in tree["arms"].values() for name in of if is_score(name)
    }
    return [(f"{stem}_thinking", f"{stem}_direct") for stem in sorted(stems)]


def suite_of(metric: str) -> str:
    """What a bias metric is called in a table: `bbq/Age/s_amb`, `templates`."""
    stem = metric.removeprefix("bias/").rpartition("_")[0]
    return stem.removesuffix("/score")


def colour(arms: Arms, arm: str) -> str:
    """The colour of an arm, shared with its fine-tuned version."""
    return arms[arm].colour.light


def dot(found: Tree, shade: str, hollow: bool = False) -> Dot:
    """A dot from an entry of the tree."""
    return Dot(shade, found["value"], found["low"], found["high"], hollow)


def text(found: Tree, sign: str = "") -> str:
    """`0.95 [0.91, 0.98]`, `undefined` or `too few`; with `sign` "+" also above 0."""
    if found["value"] is None:
        return undefined(found)
    value, low, high = (
        None if found[end] is None else format(found[end], f"{sign}.3f")
        for end in ("value", "low", "high")
    )
    return f"{value}" if low is None or high is None else f"{value} [{low}, {high}]"


def undefined(found: Tree) -> str:
    """What is said of a number that is none: why, where too few items are the reason."""
    if found.get("clusters", FEWEST_CLUSTERS) < FEWEST_CLUSTERS:
        return f"too few to say (n = {found['n']})"
    return "undefined"


def _mark(shade: str, hollow: bool = False) -> Dot:
    return Dot(shade, 0.0, None, None, hollow)


def _sentence(start: str, parts: Iterable[str]) -> str:
    return f"{start}: {'; '.join(parts)}."
