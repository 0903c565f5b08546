"""Pass@1 by difficulty: a figure per benchmark, and a table of every arm, thinking and not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlp_core.arms import INK, Arms
from rlp_core.evaluation.difficulty import MEASURED, level_name
from rlp_core.reporting.charts import colour, dot, text, undefined
from rlp_core.reporting.figures import Dot, Figure, dot_panels
from rlp_core.reporting.tables import (
    Cell,
    Line,
    LineGroup,
    markdown_lines,
    plain_cell,
    signed_cell,
)

Tree = Mapping[str, Any]

HEADINGS = ("problems", "pass@1, thinking", "pass@1, direct", "gain of thinking")
"""Of the table's columns, behind the level."""


def draw(tree: Tree, arms: Arms) -> dict[str, Figure]:
    """A figure per benchmark that has several levels of which something can be said, by name.

    The fine-tuned arms are left to the table.
    """
    made = [
        _figure(benchmark, of["levels"], arms)
        for benchmark, of in tree.get("difficulty", {}).items()
        if sum(_told(level) for level in of["levels"]) > 1
    ]
    return {figure.name: figure for figure in made}


def figure_name(benchmark: str) -> str:
    """Of the figure that `draw` makes of a benchmark."""
    return f"difficulty-{benchmark}"


def table(tree: Tree, arms: Arms) -> dict[str, list[LineGroup]]:
    """Per benchmark and arm a row for each level, as `HEADINGS`."""
    return {
        benchmark: [
            LineGroup(arm, tuple(_line(level, arm) for level in of["levels"]))
            for arm in arms.names
            if arm in tree["arms"]
        ]
        for benchmark, of in tree.get("difficulty", {}).items()
    }


def untold(tree: Tree) -> dict[str, str]:
    """Per benchmark what is said of problems that are left out; only where there are any."""
    return {
        benchmark: f"{of['untold']} problems do not tell how hard they are, and are left out."
        for benchmark, of in tree.get("difficulty", {}).items()
        if of["untold"]
    }


def markdown(tree: Tree, arms: Arms) -> str:
    """What `reports/comparison.md` says; empty where no problem tells how hard it is."""
    parts = []
    for benchmark, groups in table(tree, arms).items():
        lines = [line for group in groups for line in (Line(f"_{group.name}_", ()), *group.lines)]
        parts += [f"### {benchmark}", markdown_lines(["difficulty", *HEADINGS], lines)]
        parts += [untold(tree)[benchmark]] if benchmark in untold(tree) else []
    if not parts:
        return ""
    head = (
        "Of a world, and where a worked solution tells it, difficulty is the number of steps; "
        "elsewhere what the benchmark's own file says. The higher the harder."
    )
    return "\n" + "\n\n".join(["## By difficulty", head, *parts]) + "\n"


def _figure(benchmark: str, levels: list[Tree], arms: Arms) -> Figure:
    shown = [arm for arm in arms.pretrained if arm in levels[0]["arms"]]
    panels = [
        (
            arm,
            [
                (
                    f"{level_name(level)} (n = {level['n']})",
                    [
                        dot(level["arms"][arm]["thinking"], colour(arms, arm)),
                        dot(level["arms"][arm]["direct"], INK["direct"]),
                    ],
                )
                for level in levels
            ],
        )
        for arm in shown
    ]
    said = (
        f"{arm} at {level_name(level)} {text(level['arms'][arm]['thinking'])} with thinking and "
        f"{text(level['arms'][arm]['direct'])} without"
        for arm in shown
        for level in levels
        if _told(level)
    )
    few = [f"{level_name(level)} (n = {level['n']})" for level in levels if not _told(level)]
    left_out = f" Too few problems to say: {', '.join(few)}." if few else ""
    return dot_panels(
        figure_name(benchmark),
        f"{benchmark}: share of right answers (pass@1) by difficulty, easy on top, with thinking "
        f"in colour and without in grey.{left_out}",
        f"Pass@1 by difficulty: {'; '.join(said)}.{left_out}",
        panels,
        label="pass@1",
        legend=(
            ("with thinking", Dot(INK["ink"], 0.0, None, None)),
            ("without", Dot(INK["direct"], 0.0, None, None)),
        ),
    )


def _told(level: Tree) -> bool:
    """Whether the level has enough problems to say something."""
    return all(of["thinking"]["value"] is not None for of in level["arms"].values())


def _line(level: Tree, arm: str) -> Line:
    cells = [Cell(str(level["n"]))]
    for name in MEASURED:
        found = level["arms"][arm][name]
        if found["value"] is None:
            cells.append(Cell(undefined(found)))
        else:
            cells.append(signed_cell(found) if name == "gain" else plain_cell(found))
    return Line(level_name(level), tuple(cells))
