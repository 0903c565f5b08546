"""Figures of trials: a value over each parameter, and over the trials in their order."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlp_core.arms import INK
from rlp_core.reporting.figures import FONT, Figure, blank_canvas, svg_of
from rlp_core.reporting.step_figures import TITLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Slice:
    """The values of one parameter, and what came of each.

    Attributes:
        title: of the panel.
        places: the parameter's values, numbers; of choices their place in `labels`.
        values: of the metric.
        labels: of choices, in order; none: an axis of numbers.
        log: an axis of logarithms.
    """

    title: str
    places: Sequence[float]
    values: Sequence[float]
    labels: Sequence[str] = ()
    log: bool = False


def slice_plots(
    name: str,
    caption: str,
    alt: str,
    slices: Sequence[Slice],
    *,
    colour: str,
    best: int,
    label: str,
) -> Figure:
    """Small multiples, two a row, with the same axis of values.

    Args:
        name, caption, alt: of the figure.
        slices: one of each parameter, with the trials in the same order.
        colour: of the dots, `#rrggbb`.
        best: the trial whose dot is filled.
        label: of the metric.
    """
    lines = (len(slices) + 1) // 2
    with blank_canvas(name, 2.0 * lines + 0.3) as canvas:
        left: Axes | None = None
        for place, of in enumerate(slices, start=1):
            axes = canvas.add_subplot(lines, 2, place, sharey=left)
            left = left or axes
            axes.plot(of.places, of.values, "o", markersize=4, color="none", markeredgecolor=colour)
            axes.plot([of.places[best]], [of.values[best]], "o", markersize=5, color=colour)
            _finish(axes, of)
            if place % 2 == 0:
                axes.tick_params(axis="y", labelleft=False)
        canvas.supylabel(label, fontsize=FONT, color=INK["soft"])
        return Figure(name, caption, alt, svg_of(canvas))


def _finish(axes: Axes, of: Slice) -> None:
    axes.set_title(textwrap.fill(of.title, TITLE), loc="left", fontsize=FONT)
    axes.grid(color=INK["line"], linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    if of.labels:
        axes.set_xticks(range(len(of.labels)), list(of.labels), rotation=30, ha="right")
        axes.set_xlim(-0.5, len(of.labels) - 0.5)
    elif of.log:
        axes.set_xscale("log")
    else:
        axes.locator_params(axis="x", nbins=4)


def best_so_far(
    name: str,
    caption: str,
    alt: str,
    numbers: Sequence[int],
    values: Sequence[float],
    bests: Sequence[float],
    *,
    colour: str,
    label: str,
) -> Figure:
    """Each trial's value in the order of the trials, and the best until then as a line."""
    from matplotlib.ticker import MaxNLocator

    with blank_canvas(name, 2.4) as canvas:
        axes = canvas.add_subplot()
        axes.step(numbers, bests, where="post", color=colour, linewidth=1.3)
        axes.plot(numbers, values, "o", markersize=4, color="none", markeredgecolor=colour)
        axes.grid(color=INK["line"], linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xlabel("trial")
        axes.set_ylabel(label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        return Figure(name, caption, alt, svg_of(canvas))
