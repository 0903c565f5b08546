"""Figures as SVG, the same bytes for the same numbers.

Drawn once in the light colours, for the files in `reports/figures`; `inline` exchanges the colours
for CSS variables, so that the page can follow the reader's light or dark setting.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from rlp_core.arms import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

WIDTH = 4.2  # inches: 10 points stay above 11 pixels on a telephone of 390
FONT = 10  # points, of every text of a figure
ROW = 0.34  # inches per row of a dot plot


@dataclass(frozen=True)
class Figure:
    """A drawn figure.

    Attributes:
        name: of the file, without ending.
        caption: what it shows, for the reader who sees it.
        alt: what it says, for the reader who does not.
        svg: a whole SVG document.
    """

    name: str
    caption: str
    alt: str
    svg: str

    def document(self) -> str:
        """A file of its own, on white."""
        return self.svg.replace("<svg", '<svg style="background: #ffffff"', 1)

    def inline(self, colours: Mapping[str, str]) -> str:
        """The `<svg>` element alone, with CSS variables for colours and ids of its own.

        Args:
            colours: CSS variable to the colour, `#rrggbb`, that it takes the place of.
        """
        body = self.svg[self.svg.index("<svg") :]
        for name, colour in colours.items():
            body = body.replace(colour, f"var(--{name})")
        body = re.sub(r'\bid="', f'id="{self.name}-', body)
        body = body.replace("url(#", f"url(#{self.name}-").replace(
            'href="#', f'href="#{self.name}-'
        )
        label = f'<svg role="img" aria-label="{escape(self.alt)}"'
        return body.replace("<svg", label, 1)


@dataclass(frozen=True)
class Dot:
    """A value with its interval, in a colour `#rrggbb`; None where it is undefined."""

    colour: str
    value: float | None
    low: float | None
    high: float | None
    hollow: bool = False


def dot_plot(
    name: str,
    caption: str,
    alt: str,
    rows: Sequence[tuple[str, Sequence[Dot]]],
    *,
    label: str,
    zero: bool = True,
    limits: tuple[float, float] | None = None,
    legend: Sequence[tuple[str, Dot]] = (),
) -> Figure:
    """Rows of dots with their intervals, the first row on top.

    Args:
        name, caption, alt: of the figure.
        rows: label of the row, and its dots from top to bottom.
        label: of the axis, with its unit.
        zero: draw a line at 0.
        limits: of the axis, or None.
        legend: what the kinds of dots mean.
    """
    height = 0.75 + ROW * len(rows) + (0.25 if legend else 0)
    with blank_canvas(name, height) as canvas:
        axes = canvas.add_subplot()
        if zero:
            axes.axvline(0, color=INK["soft"], linewidth=0.8)
        _draw_rows(axes, rows)
        if limits:
            axes.set_xlim(*limits)
        axes.set_xlabel(label)
        _legend(canvas, legend)
        return Figure(name, caption, alt, svg_of(canvas))


def dot_panels(
    name: str,
    caption: str,
    alt: str,
    panels: Sequence[tuple[str, Sequence[tuple[str, Sequence[Dot]]]]],
    *,
    label: str,
    legend: Sequence[tuple[str, Dot]] = (),
) -> Figure:
    """Small dot plots of shares, two a row: a title and its rows, with the same labels in each.

    The labels stand beside the left ones alone.
    """
    lines = (len(panels) + 1) // 2
    height = 0.3 + (0.55 + ROW * len(panels[0][1])) * lines + (0.25 if legend else 0)
    with blank_canvas(name, height) as canvas:
        for place, (title, rows) in enumerate(panels, start=1):
            axes = canvas.add_subplot(lines, 2, place)
            _draw_rows(axes, rows if place % 2 else [("", dots) for _, dots in rows])
            axes.set_xlim(-0.04, 1.04)
            axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])  # short: two panels meet here
            axes.set_title(title, loc="left", fontsize=FONT)
            if place > len(panels) - 2:
                axes.set_xlabel(label)
        _legend(canvas, legend)
        return Figure(name, caption, alt, svg_of(canvas))


def bar_plot(
    name: str, caption: str, alt: str, bars: Mapping[str, tuple[str, float]], *, label: str
) -> Figure:
    """Horizontal bars: label to colour and length."""
    with blank_canvas(name, 0.75 + ROW * len(bars)) as canvas:
        axes = canvas.add_subplot()
        for row, (colour, value) in enumerate(bars.values()):
            axes.barh(row, value, height=0.6, color=colour)
        axes.set_yticks(range(len(bars)), list(bars))
        axes.set_ylim(len(bars) - 0.4, -0.6)
        axes.set_xlabel(label)
        axes.grid(axis="x", color=INK["line"], linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["left", "top", "right"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        return Figure(name, caption, alt, svg_of(canvas))


def _draw_rows(axes: Axes, rows: Sequence[tuple[str, Sequence[Dot]]]) -> None:
    for row, (_, dots) in enumerate(rows):
        for n, dot in enumerate(dots):
            _draw(axes, dot, row + 0.3 * (n - (len(dots) - 1) / 2))
    axes.set_yticks(range(len(rows)), [text for text, _ in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="x", color=INK["line"], linewidth=0.6)
    axes.spines[["left", "top", "right"]].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _draw(axes: Axes, dot: Dot, height: float) -> None:
    if dot.value is None:
        return
    colour = dot.colour
    if dot.low is not None and dot.high is not None:
        axes.plot([dot.low, dot.high], [height, height], color=colour, linewidth=1.6)
    face = "none" if dot.hollow else colour
    axes.plot([dot.value], [height], "o", markersize=5, markeredgecolor=colour, color=face)


def _legend(canvas: Canvas, entries: Sequence[tuple[str, Dot]]) -> None:
    from matplotlib.lines import Line2D

    if not entries:
        return
    handles = [
        Line2D(
            [],
            [],
            linestyle="none",
            marker="o",
            markersize=5,
            markeredgecolor=dot.colour,
            color="none" if dot.hollow else dot.colour,
            label=text,
        )
        for text, dot in entries
    ]
    canvas.legend(handles=handles, loc="outside upper left", ncols=len(entries), frameon=False)


@contextmanager
def blank_canvas(name: str, height: float) -> Iterator[Canvas]:
    """A blank figure under fixed settings, whatever the user's own matplotlib settings are."""
    from matplotlib import style
    from matplotlib.figure import Figure as Canvas

    settings = {
        "svg.hashsalt": name,
        "svg.fonttype": "path",
        "font.family": "DejaVu Sans",
        "font.size": FONT,
        "text.color": INK["ink"],
        "axes.edgecolor": INK["soft"],
        "axes.labelcolor": INK["soft"],
        "axes.facecolor": "none",
        "xtick.color": INK["soft"],
        "ytick.color": INK["ink"],
        "xtick.labelsize": FONT,
        "ytick.labelsize": FONT,
        "figure.facecolor": "none",
    }
    with style.context(["default", settings]):
        yield Canvas(figsize=(WIDTH, height), layout="constrained")


def svg_of(canvas: Canvas) -> str:
    """The drawing without its date and its maker's version."""
    out = io.StringIO()
    none: dict[str, str | None] = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    canvas.savefig(out, format="svg", metadata=none)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"
