"""Draws what `benchmarks.advice` found: pass@1 over the number of demonstrations, way by way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rlp_core.arms import INK, declared
from rlp_core.reporting.figures import Figure, blank_canvas, svg_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HEIGHT = 2.1
"""Inches of a panel."""

TITLES = {
    "sound": "experts who show sound work",
    "unsound": "three experts in ten slip",
    "bare": "one expert in four shows the work",
}


def drawn(result: Mapping[str, Any]) -> Figure:
    """A panel per quality: imitation and both over demonstrations, the base and RLP alone across.

    Args:
        result: what `benchmarks.advice` writes.

    Raises:
        ValueError: it holds no cell.
    """
    rows: Sequence[Mapping[str, Any]] = result["summary"]
    if not rows:
        raise ValueError("there is no cell to draw")
    qualities = [name for name in result["qualities"] if any(r["quality"] == name for r in rows)]
    with blank_canvas("imitation-or-rlp", 0.6 + HEIGHT * len(qualities)) as canvas:
        panels = canvas.subplots(len(qualities), 1, sharex=True, squeeze=False)[:, 0]
        for panel, quality in zip(panels, qualities, strict=True):
            _panel(
                panel, [row for row in rows if row["quality"] == quality and row["amount"]], rows
            )
            panel.set_title(TITLES.get(quality, quality), fontsize=10, loc="left")
        panels[-1].set_xlabel("demonstrations (log scale)")
        handles, labels = panels[0].get_legend_handles_labels()
        canvas.legend(handles, labels, loc="outside upper left", ncols=2, frameon=False)
        seeds = sorted({seed for row in rows for seed in row["seeds"]})
        return Figure(
            "imitation-or-rlp",
            f"pass@1 thinking on held-out problems, mean over {len(seeds)} seeds with 95 % "
            "intervals over seeds and problems. Where the line of both lies above that of "
            "imitation, RLP overtakes it.",
            "Imitation and imitation followed by RLP over the number of demonstrations: "
            + "; ".join(map(_said, rows)),
            svg_of(canvas),
        )


def _panel(
    axes: Axes, mine: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]
) -> None:
    arms = declared()
    amounts = [row["amount"] for row in mine]
    colours = {"imitation": arms["bootstrap"].colour.light, "both": arms["rlp"].colour.light}
    labels = {"imitation": "imitation", "both": "imitation, then RLP"}
    for way, colour in colours.items():
        values = [row[way]["value"] for row in mine]
        axes.plot(amounts, values, "o-", color=colour, markersize=4, label=labels[way])
        ends = [(row["amount"], row[way]["low"], row[way]["high"]) for row in mine]
        for amount, low, high in ends:
            if low is not None:
                axes.plot([amount, amount], [low, high], color=colour, linewidth=1.4)
    across = {"base": ("the base", ":"), "rlp": ("RLP alone", "--")}
    for way, (label, style) in across.items():
        found = next((row[way] for row in rows if way in row and row["amount"] == 0), None)
        if found is not None:
            axes.axhline(found["value"], color=INK["soft"], linestyle=style, label=label)
    axes.set_xscale("log")
    axes.set_xticks(amounts, [str(amount) for amount in amounts])
    axes.minorticks_off()
    axes.set_ylim(-0.03, 1.03)
    axes.set_ylabel("pass@1")
    axes.grid(axis="y", color=INK["line"], linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _said(row: Mapping[str, Any]) -> str:
    ways = ", ".join(f"{way} {row[way]['value']:.2f}" for way in ("imitation", "both"))
    return f"{row['amount']} {row['quality']}: {ways}"
