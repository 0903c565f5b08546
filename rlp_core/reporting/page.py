"""`reports/index.html`: one file that loads nothing and tells the whole run.

Texts come from models and data and may be hostile: Jinja escapes all of them. Equal runs give
equal bytes: no time, no host, no run id.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import markupsafe

from rlp_core.arms import INK, Arms
from rlp_core.evaluation.comparison import MEANINGS
from rlp_core.reporting import audit, difficulty, examples, robustness, summaries, tables, verdicts
from rlp_core.reporting.figures import Figure
from rlp_core.reporting.inspector import inspector
from rlp_core.reporting.sources import Sources
from rlp_core.workspace import PARTS


def render(sources: Sources, figures: Mapping[str, Figure]) -> str:
    """The whole page.

    Args:
        sources: what was measured.
        figures: what `charts.draw` made of it.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    tree, arms = sources.comparison.tree, sources.arms
    shown = tables.shown_differences(tree)
    variables = INK | {f"arm-{name}": colour.light for name, colour in arms.colours.items()}
    page = environment.get_template("page.html.j2").render(
        arms=arms,
        tree=tree,
        findings=_findings(tree, arms),
        tiles=_tiles(tree, arms),
        figures={name: _drawn(figure, variables) for name, figure in figures.items()},
        table=tables.main_table(tree, arms),
        columns=[(heading, MEANINGS[name]) for name, heading in tables.columns_of(tree).items()],
        differences=tables.difference_table(tree, arms, shown),
        difference_columns=[tables.ALL_COLUMNS[name] for name in shown],
        benchmarks=(of_benchmarks := tables.benchmark_tables(tree, arms)),
        benchmark_titles={name: tables.benchmark_title(tree, name) for name in of_benchmarks},
        difficulty=difficulty.table(tree, arms),
        difficulty_columns=difficulty.HEADINGS,
        difficulty_untold=difficulty.untold(tree),
        winners=_winners(tree, arms),
        trade=_trade(tree),
        controls=audit.control_lines(tree, arms),
        control_columns=[(head, MEANINGS[name]) for name, head in audit.CONTROL_HEADINGS.items()],
        audit=audit.told(tree, arms),
        examples=examples.choose(sources.comparison.items),
        inspector=inspector(sources.comparison.items, arms),
        ledger=_ledger(sources),
        robustness=robustness.table(tree, arms),
        robustness_columns=robustness.headings(),
        bought=summaries.bought(tree, sources.ledger["flops"]["total"], sources.cpt["flops"]),
        bought_columns=summaries.BOUGHT,
        calibration=summaries.calibration_lines(tree, arms),
        calibration_columns=summaries.CALIBRATION,
        bias=verdicts.bias_findings(tree),
        bias_table=tables.bias_table(tree),
        bias_columns=tables.bias_headings(tree),
        data=_data(sources),
        settings=_settings(sources.settings),
        said=_said(sources),
    )
    return page.encode("utf-8", "backslashreplace").decode()


def _drawn(figure: Figure, colours: Mapping[str, str]) -> dict[str, Any]:
    # The SVG was drawn here from numbers and arm names; its alt text is escaped by `inline`.
    return {"svg": markupsafe.Markup(figure.inline(colours)), "caption": figure.caption}


def _tiles(tree: Mapping[str, Any], arms: Arms) -> list[dict[str, Any]]:
    """The numbers at the top: every arm that is neither the base nor fine-tuned."""
    return [
        {
            "arm": arm,
            "thinking": tables.plain_cell(tree["arms"][arm]["pass_at_1_thinking"]),
            "direct": tables.plain_cell(tree["arms"][arm]["pass_at_1_direct"]),
            "gain": tables.signed_cell(tree["arms"][arm]["information_gain"]),
            "controls": audit.on_tile(tree["arms"][arm]),
        }
        for arm in arms.pretrained
        if arm != arms.base
    ]


def _findings(tree: Mapping[str, Any], arms: Arms) -> list[verdicts.Verdict]:
    found = [
        verdicts.thinking_helps(tree, "rlp"),
        *(verdicts.against(tree, arm.name, other) for arm in arms.all for other in arm.headlines),
        verdicts.gain(tree, "rlp"),
    ]
    if "content_gain" in tree["arms"]["rlp"]:
        found.append(verdicts.content(tree, "rlp"))
    found += audit.headline(tree, "rlp")
    few_shot = tree.get("few_shot", {})
    trained = (arm for arm in arms.pretrained if arm in few_shot)
    return found + [verdicts.for_nothing(tree, arm, arms.base) for arm in trained]


def _winners(tree: Mapping[str, Any], arms: Arms) -> list[verdicts.Verdict]:
    groups = {
        "pretrained": arms.pretrained,
        "fine-tuned": tuple(arm for arm in arms.names if arm not in arms.pretrained),
    }
    return [verdicts.winner(tree, name, members) for name, members in groups.items() if members]


def _trade(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Where the control beats reinforcement, and the reverse."""
    theirs, ours = verdicts.where_better(tree, "rlp", "cpt")
    return {"cpt": theirs, "rlp": ours}


def _ledger(sources: Sources) -> dict[str, Any]:
    flops, tokens = sources.ledger["flops"], sources.ledger.get("tokens", {})
    total = flops["total"]
    phases = [name for name in flops if name != "total"]
    return {
        "rows": [
            {
                "phase": name,
                "flops": flops[name],
                "share": flops[name] / total if total else 0.0,
                "tokens": tokens.get(name),
            }
            for name in [*phases, "total"]
        ],
        "cpt": sources.cpt["flops"],
        "ratio": sources.cpt["flops"] / total if total else None,
    }


def _data(sources: Sources) -> list[dict[str, Any]]:
    """Rows of every part of the data, from source to training."""
    validated = sources.validated
    return [
        {
            "part": part,
            "records": sources.prepared.get(f"{part}_records"),
            "characters": sources.prepared.get(f"{part}_characters"),
            "passed": validated.get(f"{part}_passed"),
            "quarantined": validated.get(f"{part}_quarantined"),
        }
        for part in PARTS
    ]


def _settings(settings: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Sections with their keys as `a.b`, in the order of the file."""
    return [
        (name, list(_flat(section, "")) if isinstance(section, Mapping) else [("", str(section))])
        for name, section in settings.items()
    ]


def _flat(section: Mapping[str, Any], prefix: str) -> list[tuple[str, str]]:
    rows = []
    for key, value in section.items():
        if isinstance(value, Mapping):
            rows += _flat(value, f"{prefix}{key}.")
        else:
            rows.append((f"{prefix}{key}", "none" if value in ("", None) else str(value)))
    return rows


def _said(sources: Sources) -> dict[str, Any]:
    """The few numbers that the text itself names."""
    items = sources.comparison.items["base"]
    return {
        "problems": len(items.problems),
        "samples": len(items.problems[0]["thinking"]),
        "documents": len(items.heldout),
        "steps": {stage: len(curve["step"]) for stage, curve in sources.curves.items()},
        "suites": sorted({row["suite"] for row in items.bias}),
    }
