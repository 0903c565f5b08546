"""Figures: the same bytes for the same numbers, and safe inside a page."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import matplotlib
import pytest

from rlp_core.arms import INK, declared
from rlp_core.reporting.figures import FONT, Dot, Figure, bar_plot, dot_panels, dot_plot
from rlp_core.reporting.step_figures import Band, line_plots

SHADES = {name: colour.light for name, colour in declared().colours.items()}
COLOURS = INK | {f"arm-{name}": shade for name, shade in SHADES.items()}
RLP, CPT, BASE = (SHADES[name] for name in ("rlp", "cpt", "base"))


def dots(name: str = "one") -> Figure:
    rows = [
        ("rlp", [Dot(RLP, 0.9, 0.8, 0.95), Dot(INK["direct"], 0.2, None, None)]),
        ("cpt", [Dot(CPT, None, None, None), Dot(CPT, 0.1, 0.0, 0.2, hollow=True)]),
    ]
    legend = [("with", rows[0][1][0])]
    return dot_plot(name, "caption", 'says "0.9" & <more>', rows, label="x", legend=legend)


def lines() -> Figure:
    nan = float("nan")
    panels = [("a", RLP, [0.0, 1.0], [1.0, nan]), ("b", CPT, [0.0], [2.0])]
    return line_plots("lines", "caption", "alt", [*panels, ("c", BASE, [0.0, 1.0], [1.0, 2.0])])


def bands() -> Figure:
    steps = [0.0, 1.0, 2.0]
    band = Band("a", RLP, steps, [1.0, 2.0, 2.0], [0.5, 1.5, 1.0], [1.5, 2.5, 3.0])
    panels = [("a", RLP, steps, [0.0, 4.0, 1.0]), ("b", CPT, steps, steps)]
    return line_plots("bands", "caption", "alt", panels, [band, None])


def levels() -> Figure:
    rows = [("2 (n = 9)", [Dot(RLP, 0.9, 0.8, 1.0)]), ("3", [Dot(RLP, None, None, None)])]
    panels = [(arm, rows) for arm in ("base", "rlp", "cpt")]
    return dot_panels("levels", "caption", "alt", panels, label="pass@1")


def bars() -> Figure:
    return bar_plot("bars", "caption", "alt", {"x": (RLP, 1.0), "y": (CPT, 0.0)}, label="n")


@pytest.mark.parametrize("draw", [dots, lines, bars, bands, levels])
def test_same_numbers_same_bytes(draw: object) -> None:
    assert callable(draw)
    first, second = draw(), draw()
    assert first == second
    assert "<dc:date>" not in first.svg
    assert matplotlib.__version__ not in first.svg
    ElementTree.fromstring(first.document())


def test_user_settings_do_not_change_a_figure() -> None:
    before = dots().svg
    with matplotlib.rc_context({"font.size": 20, "axes.grid": True, "lines.linewidth": 9}):
        assert dots().svg == before


def test_inline_figures_share_no_ids_and_take_the_pages_colours() -> None:
    one, two = dots("one").inline(COLOURS), dots("two").inline(COLOURS)
    ids = [set(re.findall(r'\bid="([^"]+)"', svg)) for svg in (one, two)]
    assert ids[0]
    assert not ids[0] & ids[1]
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', one))
    assert used <= ids[0]
    assert not any(colour in one for colour in COLOURS.values())
    assert "var(--arm-rlp)" in one


def test_alt_text_is_escaped() -> None:
    assert "says &quot;0.9&quot; &amp; &lt;more&gt;" in dots().inline(COLOURS)
    ElementTree.fromstring(dots().inline(COLOURS))


def test_a_band_is_drawn_over_its_single_steps() -> None:
    svg = bands().svg
    assert svg.count("fill-opacity: 0.2") == 1
    assert svg.count("stroke-opacity: 0.45") == 1


def test_figure_shows_the_numbers() -> None:
    moved = dot_plot("one", "c", "a", [("rlp", [Dot(RLP, 0.5, 0.4, 0.6)])], label="x")
    again = dot_plot("one", "c", "a", [("rlp", [Dot(RLP, 0.5, 0.4, 0.7)])], label="x")
    assert moved.svg != again.svg


@pytest.mark.parametrize("draw", [dots, lines, bars, bands, levels])
def test_text_is_readable_on_a_telephone(draw: object) -> None:
    """Glyphs are drawn in units of a hundredth; their scale is the size in points / 100."""
    assert callable(draw)
    svg = draw().svg
    view = re.search(r'viewBox="0 0 ([0-9.]+) ', svg)
    assert view is not None
    points = [100 * float(scale) for scale in re.findall(r"scale\(([0-9.]+) -", svg)]
    assert points
    phone = 390 - 2 * 12 - 2 * 8 - 2  # the page's rule for narrow screens: paddings and borders
    assert min(points) * phone / float(view[1]) >= 11
    assert set(points) == {FONT}
