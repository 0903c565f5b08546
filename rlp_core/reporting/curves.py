"""Learning curves: every step of training, its moving mean, and how sure that is.

The band is that of one run (`moving_mean`), and every caption says what it does not cover.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rlp_core.arms import Arms
from rlp_core.reporting.charts import colour
from rlp_core.reporting.figures import Figure
from rlp_core.reporting.moving_mean import FEWEST_STEPS, MOST_POINTS, moving_mean
from rlp_core.reporting.sources import Curve
from rlp_core.reporting.step_figures import Band, line_plots

RLP_PANELS = {
    "information_gain": "information gain, nats",
    "reward_std": "reward spread in a group, nats",
    "thought_tokens": "tokens of a thought",
    "forced": "share of thoughts closed by force",
    "entropy": "entropy per thought token, nats",
    "grad_norm": "gradient norm before clipping",
}
"""Columns of `rlp/steps.csv` that are drawn where they exist, in this order."""

AUDIT_PANELS = {
    "true_gain": "true gain, over the start, nats",
    "baseline_decay": "decay of the baseline, nats",
    "content_gain": "content gain, over the best control, nats",
    "null_gain": "gain of an empty thought, nats",
    "shuffled_gain": "gain of another text's thought, nats",
    "random_gain": "gain of random tokens, nats",
}
"""Columns of `rlp/steps.csv` that its audit fills now and then (`rlp.audit`)."""

LOSS_COLUMN = "loss"

_Panel = tuple[str, str, Sequence[float], Sequence[float]]


def draw(curves: Mapping[str, Curve], arms: Arms, confidence: float) -> dict[str, Figure]:
    """Those that the stages' `steps.csv` allow, by name.

    Args:
        curves: by stage.
        arms: as they are declared.
        confidence: of the bands.
    """
    made = [
        rlp_curves(curves["rlp"], arms, confidence),
        audit_curves(curves["rlp"], arms, confidence),
        loss_curves(curves, arms, confidence),
    ]
    return {figure.name: figure for figure in made if figure is not None}


def rlp_curves(curve: Curve, arms: Arms, confidence: float) -> Figure | None:
    """How the thoughts changed while they were rewarded; None without steps."""
    shown = [name for name in RLP_PANELS if curve.get(name)]
    panels = [(RLP_PANELS[name], colour(arms, "rlp"), curve["step"], curve[name]) for name in shown]
    ends = (f"{name} from {curve[name][0]:.3g} to {curve[name][-1]:.3g}" for name in shown)
    return _drawn(
        "rlp-curves",
        "Reinforcement: what the thoughts earned, and how they changed.",
        "Over the steps of rlp",
        ends,
        panels,
        confidence,
    )


def audit_curves(curve: Curve, arms: Arms, confidence: float) -> Figure | None:
    """What the control thoughts earned while rlp trained; None where nothing was audited."""
    panels: list[_Panel] = []
    ends = []
    for name, title in AUDIT_PANELS.items():
        told = [(s, v) for s, v in zip(curve["step"], curve.get(name, ()), strict=False) if v == v]
        if told:
            steps, values = zip(*told, strict=True)
            panels.append((title, colour(arms, "rlp"), steps, values))
            ends.append(f"{name} from {values[0]:.3g} to {values[-1]:.3g}")
    return _drawn(
        "audit-curves",
        "The audit while rlp trained: what is real of the gain, and what control thoughts earned. "
        "A gain that grows by decay, or that a control earns too, is not thinking.",
        "Over the audits of rlp",
        ends,
        panels,
        confidence,
    )


def loss_curves(curves: Mapping[str, Curve], arms: Arms, confidence: float) -> Figure | None:
    """Next-token loss of the supervised stages; None where none took a step."""
    shown = [stage for stage in arms.stages if stage != "rlp" and curves[stage].get(LOSS_COLUMN)]
    panels = [
        (
            f"{stage}: loss, nats per token",
            arm.colour.light,
            curves[stage]["step"],
            curves[stage][LOSS_COLUMN],
        )
        for stage in shown
        if (arm := arms.of_stage(stage)) is not None
    ]
    ends = (
        f"{stage} from {curves[stage][LOSS_COLUMN][0]:.3g} to {curves[stage][LOSS_COLUMN][-1]:.3g}"
        for stage in shown
    )
    return _drawn(
        "loss-curves",
        "Next-token prediction: loss of the base, of the imitation and of the control.",
        "Loss",
        ends,
        panels,
        confidence,
    )


def _drawn(
    name: str,
    caption: str,
    start: str,
    ends: Iterable[str],
    panels: Sequence[_Panel],
    confidence: float,
) -> Figure | None:
    """Every step thin, its moving mean thick; None without panels."""
    if not panels:
        return None
    bands: list[Band | None] = []
    thinned: list[_Panel] = []
    windows, every = [], 1
    for title, shade, steps, values in panels:
        found = moving_mean(steps, values, confidence)
        if found is None:
            bands.append(None)
            thinned.append((title, shade, steps, values))
            continue
        windows.append(found.window)
        bands.append(
            Band(
                title,
                shade,
                found.steps.tolist(),
                found.middle.tolist(),
                found.low.tolist(),
                found.high.tolist(),
            )
        )
        stride = -(-len(steps) // _MOST_SINGLE)
        every = max(every, stride)
        thinned.append((title, shade, steps[::stride], values[::stride]))
    said = caption + _words(windows, len(panels), every, confidence)
    alt = f"{start}: {'; '.join(ends)}."
    return line_plots(name, said, alt, thinned, bands)


def _words(windows: Sequence[int], panels: int, every: int, confidence: float) -> str:
    """What the caption says of thin lines, thick lines and bands."""
    few = f"fewer than {FEWEST_STEPS} steps"
    if not windows:
        return f" Single steps; with {few} there is no band."
    widths = " to ".join(str(width) for width in sorted({min(windows), max(windows)}))
    thin = "single steps" if every == 1 else f"single steps, of long curves one in {every}"
    without = f" Curves of {few} have none." if len(windows) < panels else ""
    return (
        f" Thin: {thin}; thick: their mean over {widths} steps (fewer at the ends), in its "
        f"{confidence:.0%} band of batch means: where that mean would lie had this run met other "
        f"texts and thoughts on its way. It says nothing about another seed.{without}"
    )


_MOST_SINGLE = 3 * MOST_POINTS
"""Single steps that are drawn of a curve at most: the page stays light however long the run."""
