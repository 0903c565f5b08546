"""Figures of what changes over the steps of training: small multiples of lines and bands."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlp_core.arms import INK
from rlp_core.reporting.figures import FONT, Figure, blank_canvas, svg_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = 23  # characters of a line of a panel's title, of which two stand in a row


@dataclass(frozen=True)
class Band:
    """A line over steps, and the band from `low` to `high` that it lies in."""

    label: str
    colour: str
    steps: Sequence[float]
    middle: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


def line_plots(
    name: str,
    caption: str,
    alt: str,
    panels: Sequence[tuple[str, str, Sequence[float], Sequence[float]]],
    bands: Sequence[Band | None] = (),
) -> Figure:
    """Small multiples, two a row: title, colour, steps and values of each.

    Where a panel has a band, that is drawn over its values, which are thin then.
    """
    lines = (len(panels) + 1) // 2
    with blank_canvas(name, 1.85 * lines + 0.1) as canvas:
        for place, (title, colour, steps, values) in enumerate(panels, start=1):
            axes = canvas.add_subplot(lines, 2, place)
            band = bands[place - 1] if bands else None
            marker = "o" if len(steps) == 1 else ""
            if band is None:
                axes.plot(steps, values, color=colour, linewidth=1.3, marker=marker)
            else:
                axes.plot(steps, values, color=colour, linewidth=0.6, alpha=0.45)
                _draw_band(axes, band)
            _finish_panel(axes, title, last=place > len(panels) - 2)
        return Figure(name, caption, alt, svg_of(canvas))


def band_plots(
    name: str, caption: str, alt: str, panels: Sequence[tuple[str, Sequence[Band]]]
) -> Figure:
    """Small multiples, two a row: a title and its bands, which have the same labels in each."""
    lines = (len(panels) + 1) // 2
    labels = {band.label: band for _, bands in panels for band in bands}
    styles = dict(zip(labels, itertools.cycle(["-", "--", ":", "-."]), strict=False))
    with blank_canvas(name, 1.85 * lines + 0.1 + 0.2 * len(labels)) as canvas:
        for place, (title, bands) in enumerate(panels, start=1):
            axes = canvas.add_subplot(lines, 2, place)
            for band in bands:
                _draw_band(axes, band, styles[band.label])
            _finish_panel(axes, title, last=place > len(panels) - 2)
        handles = {line.get_label(): line for axes in canvas.axes for line in axes.get_lines()}
        canvas.legend(handles=list(handles.values()), loc="outside upper left", frameon=False)
        return Figure(name, caption, alt, svg_of(canvas))


def _draw_band(axes: Axes, band: Band, style: str = "-") -> None:
    marker = "o" if len(band.steps) == 1 else ""
    axes.fill_between(band.steps, band.low, band.high, color=band.colour, alpha=0.2, linewidth=0)
    axes.plot(
        band.steps,
        band.middle,
        color=band.colour,
        linewidth=1.3,
        marker=marker,
        linestyle=style,
        label=band.label,
    )


def _finish_panel(axes: Axes, title: str, *, last: bool) -> None:
    axes.set_title(textwrap.fill(title, TITLE), loc="left", fontsize=FONT)
    axes.grid(color=INK["line"], linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    if last:
        axes.set_xlabel("step")
