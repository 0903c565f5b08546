"""Learning curves of a study: per variant the mean of its seeds, in a band from least to most."""

from __future__ import annotations

import itertools
from typing import Any

from rlp_core.arms import Arms
from rlp_core.reporting.curves import LOSS_COLUMN, RLP_PANELS
from rlp_core.reporting.figures import Figure
from rlp_core.reporting.step_figures import Band, band_plots

Tree = dict[str, Any]


def draw(tree: Tree, arms: Arms) -> dict[str, Figure]:
    """The curves of `rlp`, and the losses of the other stages, as far as there are any."""
    curves = {variant: of for variant, of in tree["curves"].items() if of}
    colours = dict(zip(curves, itertools.cycle(_palette(arms)), strict=False))
    stages = dict.fromkeys(stage for of in curves.values() for stage in of)
    rlp = [(title, _bands(curves, colours, "rlp", column)) for column, title in RLP_PANELS.items()]
    losses = [
        (f"{stage}: loss, nats per token", _bands(curves, colours, stage, LOSS_COLUMN))
        for stage in stages
        if stage != "rlp"
    ]
    figures = {}
    for name, caption, panels in (
        ("rlp-curves", "Reinforcement, step by step", rlp),
        ("loss-curves", "Next-token loss of the supervised stages", losses),
    ):
        shown = [(title, bands) for title, bands in panels if bands]
        if shown:
            said = "; ".join(
                f"{title}, {band.label} from {band.middle[0]:.3g} to {band.middle[-1]:.3g}"
                for title, bands in shown
                for band in bands
            )
            figures[name] = band_plots(name, caption, f"{caption}: {said}.", shown)
    return figures


def _bands(curves: Tree, colours: dict[str, str], stage: str, column: str) -> list[Band]:
    return [
        Band(variant, colours[variant], found["step"], found["mean"], found["low"], found["high"])
        for variant, of in curves.items()
        if (found := of.get(stage, {}).get(column))
    ]


def _palette(arms: Arms) -> list[str]:
    """Colours that can be told apart: those of the arms, the strongest first."""
    own = [colour.light for colour in arms.colours.values()]
    return own[1:] + own[:1]
