"""The page and the figure of a ranking of prompts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlp_core.arms import INK
from rlp_core.evaluation.prompt_ranking import RANKED, verdict
from rlp_core.reporting.charts import dot, text
from rlp_core.reporting.figures import Dot, Figure, dot_plot
from rlp_core.reporting.tables import Cell, Line, markdown_lines, p_text

Tree = Mapping[str, Any]

HEADINGS = {
    "true_gain": "over no prompt and no thought",
    "horizon_gain": "information gain",
    "content_gain": "content gain",
    "empty_thought_gain": "empty thought",
    "other_thought_gain": "other text's thought",
    "random_thought_gain": "random tokens",
}
"""Columns in nats, from left to right."""


def figure(tree: Tree) -> Figure:
    """Gain over the shared baseline, and content gain, of every prompt, best first."""
    rows = []
    said = []
    for name in tree["order"]:
        of = tree["prompts"][name]
        rows.append(
            (
                name,
                [dot(of["true_gain"], INK["ink"]), dot(of["content_gain"], INK["direct"])],
            )
        )
        said.append(f"{name} {text(of['true_gain'])}, content {text(of['content_gain'])}")
    return dot_plot(
        "prompts",
        "What a thought adds to the log-probability of the text that really follows, by prompt: "
        "over the model that reads no prompt and thinks nothing (dark), and over the best of its "
        "controls (grey). Intervals are over texts.",
        f"Nats per place: {'; '.join(said)}.",
        rows,
        label="nats per place",
        legend=[
            ("over no prompt, no thought", Dot(INK["ink"], 0.0, None, None)),
            ("over the best control", Dot(INK["direct"], 0.0, None, None)),
        ],
    )


def page(tree: Tree, drawn: Figure) -> str:
    """`ranking.md`: what was asked, the verdict, the table, and what the columns mean."""
    asked = tree["asked"]
    lines = [_line(name, tree["prompts"][name]) for name in tree["order"]]
    headings = [
        "prompt",
        *HEADINGS.values(),
        "difference to no prompt",
        "p, adjusted",
        "thought tokens",
        "closed",
        "prompt tokens",
    ]
    parts = [
        f"# Prompts of {asked['model']}",
        f"{asked['texts']} texts of {asked['corpus']}, {asked['places']} places, "
        f"{asked['samples']} thoughts of up to {asked['thought_tokens']} tokens at each and under "
        f"every prompt, temperature {asked['temperature']:g}, seed {asked['seed']}; the next "
        f"{asked['horizon']} tokens are scored. The same texts, places and random numbers for "
        "every prompt.",
        f"{verdict(dict(tree))} {_caution(asked)}".rstrip(),
        f"![{drawn.alt}](figures/{drawn.name}.svg)",
        drawn.caption,
        markdown_lines(headings, lines),
        "Nats per place, with 95 % intervals of a bootstrap over "
        f"{tree['prompts'][tree['order'][0]]['true_gain']['clusters']} texts; order by the first "
        "column.",
        "\n".join(f"- {HEADINGS[name]}: {RANKED[name]}" for name in HEADINGS),
    ]
    return "\n\n".join(parts) + "\n"


def terminal(tree: Tree) -> list[str]:
    """The ranking in columns, for a terminal."""
    table = [("prompt", "over no prompt, no thought", "information gain", "content gain")]
    for name in tree["order"]:
        of = tree["prompts"][name]
        cells = (text(of[key], "+") for key in ("true_gain", "horizon_gain", "content_gain"))
        table.append((name, *cells))
    widths = [max(len(row[i]) for row in table) for i in range(4)]
    lines = ("  ".join(f"{cell:{w}}" for cell, w in zip(row, widths, strict=True)) for row in table)
    return [*(line.rstrip() for line in lines), verdict(dict(tree))]


def _line(name: str, of: Tree) -> Line:
    apart = of.get("over_no_prompt")
    return Line(
        name,
        (
            *(Cell(text(of[metric], "+")) for metric in HEADINGS),
            Cell(text(apart, "+") if apart else ""),
            Cell(p_text(apart["p"]) if apart else ""),
            Cell(text(of["thought_tokens"])),
            Cell(text(of["closed_share"])),
            Cell(str(of["prompt_tokens"])),
        ),
    )


def _caution(asked: Tree) -> str:
    """What of the texts makes an interval rather too narrow."""
    if asked["rows"] > 1:
        return ""
    return (
        "The corpus is one text, and its pieces count as texts: neighbours are alike, and the "
        "intervals are rather too narrow."
    )
