"""Figures: the same bytes for the same numbers, and safe inside a page."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import matplotlib
import pytest

from rlp_core.reporting.figures import COLOURS, Dot, Figure, bar_plot, dot_plot, line_plots


def dots(name: str = "one") -> Figure:
    rows = [
        ("rlp", [Dot("rlp", 0.9, 0.8, 0.95), Dot("direct", 0.2, None, None)]),
        ("cpt", [Dot("cpt", None, None, None), Dot("cpt", 0.1, 0.0, 0.2, hollow=True)]),
    ]
    legend = [("with", rows[0][1][0])]
    return dot_plot(name, "caption", 'says "0.9" & <more>', rows, label="x", legend=legend)


def lines() -> Figure:
    nan = float("nan")
    panels = [("a", "rlp", [0.0, 1.0], [1.0, nan]), ("b", "cpt", [0.0], [2.0])]
    return line_plots("lines", "caption", "alt", [*panels, ("c", "base", [0.0, 1.0], [1.0, 2.0])])


def bars() -> Figure:
    return bar_plot("bars", "caption", "alt", {"x": ("rlp", 1.0), "y": ("cpt", 0.0)}, label="n")


@pytest.mark.parametrize("draw", [dots, lines, bars])
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
    one, two = dots("one").inline(), dots("two").inline()
    ids = [set(re.findall(r'\bid="([^"]+)"', svg)) for svg in (one, two)]
    assert ids[0]
    assert not ids[0] & ids[1]
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', one))
    assert used <= ids[0]
    assert not any(colour in one for colour in COLOURS.values())
    assert "var(--rlp)" in one


def test_alt_text_is_escaped() -> None:
    assert "says &quot;0.9&quot; &amp; &lt;more&gt;" in dots().inline()
    ElementTree.fromstring(dots().inline())


def test_figure_shows_the_numbers() -> None:
    moved = dot_plot("one", "c", "a", [("rlp", [Dot("rlp", 0.5, 0.4, 0.6)])], label="x")
    again = dot_plot("one", "c", "a", [("rlp", [Dot("rlp", 0.5, 0.4, 0.7)])], label="x")
    assert moved.svg != again.svg
