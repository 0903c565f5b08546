"""Which figures the comparison needs, and what each says in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rlp_core.evaluation.bias.scores import is_score
from rlp_core.reporting.figures import Dot, Figure, bar_plot, dot_plot, line_plots
from rlp_core.reporting.sources import CURVES, Curve, Sources

Tree = Mapping[str, Any]

RLP_PANELS = {
    "information_gain": "information gain, nats",
    "reward_std": "reward spread in a group, nats",
    "thought_tokens": "tokens of a thought",
    "forced": "share of thoughts closed by force",
    "entropy": "entropy per thought token, nats",
    "grad_norm": "gradient norm before clipping",
}
"""Columns of `rlp/steps.csv` that are drawn where they exist, in this order."""

LOSS_COLUMN = "loss"

_FEW_ARMS = ("base", "cpt", "rlp")  # in a bias figure of many suites; the table has all


def draw(sources: Sources) -> dict[str, Figure]:
    """Every figure that the sources allow, by name."""
    tree = sources.comparison.tree
    made = [
        thinking_and_direct(tree),
        information_gain(tree),
        differences(tree),
        rlp_curves(sources.curves["rlp"]),
        loss_curves(sources.curves),
        compute(sources),
        bias(tree),
    ]
    return {figure.name: figure for figure in made if figure is not None}


def thinking_and_direct(tree: Tree) -> Figure:
    """Pass@1 of every arm with thinking and without."""
    rows = [
        (arm, [dot(of["pass_at_1_thinking"], colour(arm)), dot(of["pass_at_1_direct"], "direct")])
        for arm, of in tree["arms"].items()
    ]
    said = (
        f"{arm} {text(of['pass_at_1_thinking'])} with thinking and "
        f"{text(of['pass_at_1_direct'])} without"
        for arm, of in tree["arms"].items()
    )
    legend = [("with thinking", _mark("rlp")), ("without", _mark("direct"))]
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


def information_gain(tree: Tree) -> Figure:
    """Gain of a thought over the model's own direct prediction, and over the base's."""
    rows = [
        (
            arm,
            [
                dot(of["information_gain"], colour(arm)),
                dot(of["gain_over_base"], colour(arm), hollow=True),
            ],
        )
        for arm, of in tree["arms"].items()
    ]
    said = (f"{arm} {text(of['information_gain'])}" for arm, of in tree["arms"].items())
    legend = [("over its own", _mark("rlp")), ("over the base model's", _mark("rlp", hollow=True))]
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


def differences(tree: Tree) -> Figure:
    """Paired differences of thinking pass@1, the controls first."""
    rows, said = [], []
    for arm, references in sorted(tree["differences"].items(), key=lambda x: x[0] != "rlp"):
        for reference, metrics in references.items():
            found = metrics["pass_at_1_thinking"]
            rows.append((f"{arm} − {reference}", [dot(found, colour(arm))]))  # noqa: RUF001
            said.append(f"{arm} minus {reference} {text(found)}")
    return dot_plot(
        "differences",
        "Paired differences of thinking pass@1 on the same problems. An interval that does not "
        "touch 0 is a difference that the choice of problems does not explain.",
        _sentence("Differences of pass@1", said),
        rows,
        label="difference of pass@1",
    )


def rlp_curves(curve: Curve) -> Figure | None:
    """How the thoughts changed while they were rewarded; None without steps."""
    panels = [
        (title, "rlp", curve["step"], curve[name])
        for name, title in RLP_PANELS.items()
        if curve.get(name)
    ]
    if not panels:
        return None
    ends = (
        f"{name} from {curve[name][0]:.3g} to {curve[name][-1]:.3g}"
        for name in RLP_PANELS
        if curve.get(name)
    )
    return line_plots(
        "rlp-curves",
        "Reinforcement: what the thoughts earned, and how they changed.",
        _sentence("Over the steps of rlp", ends),
        panels,
    )


def loss_curves(curves: Mapping[str, Curve]) -> Figure | None:
    """Next-token loss of the supervised stages; None where none took a step."""
    shown = [stage for stage in CURVES if stage != "rlp" and curves[stage].get(LOSS_COLUMN)]
    panels = [
        (f"{stage}: loss, nats per token", stage, curves[stage]["step"], curves[stage][LOSS_COLUMN])
        for stage in shown
    ]
    if not panels:
        return None
    ends = (
        f"{stage} from {curves[stage][LOSS_COLUMN][0]:.3g} to {curves[stage][LOSS_COLUMN][-1]:.3g}"
        for stage in shown
    )
    return line_plots(
        "loss-curves",
        "Next-token prediction: loss of the base, of the imitation and of the control.",
        _sentence("Loss", ends),
        panels,
    )


def compute(sources: Sources) -> Figure:
    """Where the compute of rlp went, and what the control was given."""
    spent = sources.ledger["flops"]
    phases = {name: flops for name, flops in spent.items() if name != "total"}
    bars = {f"rlp: {name}": ("rlp", flops / 1e12) for name, flops in phases.items()}
    bars["rlp: total"] = ("rlp", spent["total"] / 1e12)
    bars["cpt: total"] = ("cpt", sources.cpt["flops"] / 1e12)
    return bar_plot(
        "compute",
        "Model FLOPs of rlp by phase, and of the control that was given the same budget.",
        _sentence("TeraFLOPs", (f"{name} {value:.3g}" for name, (_, value) in bars.items())),
        bars,
        label="TFLOPs (10¹²)",
    )


def bias(tree: Tree) -> Figure | None:
    """Every bias score of every arm, with thinking and without; None without scores."""
    pairs = score_pairs(tree)
    shown = tree["arms"] if len(pairs) == 1 else [a for a in _FEW_ARMS if a in tree["arms"]]
    rows, said = [], []
    for thinking, direct in pairs:
        for arm in shown:
            of = tree["arms"][arm]
            dots = [dot(of[thinking], colour(arm))] if thinking in of else []
            dots += [dot(of[direct], "direct")] if direct in of else []
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
        legend=[("with thinking", _mark("rlp")), ("without", _mark("direct"))],
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


def colour(arm: str) -> str:
    """The colour of an arm: its fine-tuned version's too."""
    return arm.removesuffix("-ft")


def dot(found: Tree, shade: str, hollow: bool = False) -> Dot:
    """A dot from an entry of the tree."""
    return Dot(shade, found["value"], found["low"], found["high"], hollow)


def text(found: Tree, sign: str = "") -> str:
    """`0.95 [0.91, 0.98]`, or `undefined`; with `sign` "+" also above 0."""
    if found["value"] is None:
        return "undefined"
    value, low, high = (
        None if found[end] is None else format(found[end], f"{sign}.3f")
        for end in ("value", "low", "high")
    )
    return f"{value}" if low is None or high is None else f"{value} [{low}, {high}]"


def _mark(shade: str, hollow: bool = False) -> Dot:
    return Dot(shade, 0.0, None, None, hollow)


def _sentence(start: str, parts: Iterable[str]) -> str:
    return f"{start}: {'; '.join(parts)}."
