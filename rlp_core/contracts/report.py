"""The data report: one HTML file that loads nothing, for the person who has to mend the data.

Every text comes from the data and may be hostile: Jinja escapes all of it. Equal validations give
equal bytes: no time, no host, no run id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from rlp_core.contracts import groups
from rlp_core.contracts.config import Validate
from rlp_core.contracts.rules import Outcome, Severity
from rlp_core.contracts.table import Table
from rlp_core.contracts.validation import Validation
from rlp_core.workspace import PARTS

EXAMPLES = 3
"""Rows named per rule and part; the quarantine holds them all."""

BINS = 24
WIDTH, HEIGHT = 264, 72  # of a histogram, in SVG units

_ORDER = {Severity.CRITICAL: 0, Severity.ERROR: 1, Severity.WARNING: 2}
_SHORT = 160


@dataclass(frozen=True)
class Bar:
    """A bar of a histogram, in SVG units, and what it says when pointed at."""

    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True)
class Histogram:
    """Lengths of one part."""

    part: str
    unit: str
    bars: tuple[Bar, ...]
    least: int
    median: int
    most: int


def render(validation: Validation, settings: Validate) -> str:
    """The whole page."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code"] = _code
    template = environment.get_template("data_report.html.j2")
    stop = validation.stop_reason()
    page = template.render(
        stop=stop.what.splitlines()[1:] if stop else [],
        parts=_parts(validation),
        failing=_failures(validation),
        suites=_suites(validation),
        histograms=_histograms(validation.tables[:-1]),
        size=(WIDTH, HEIGHT),
        sources=_sources(validation.manifest),
        balance=_balance(validation.tables[-1]),
        group_names=list(groups.TERMS),
        enough=groups.ENOUGH,
        settings=sorted(settings.model_dump().items()),
    )
    return page.encode("utf-8", "backslashreplace").decode()


def _code(text: str) -> Markup:
    """Escaped text; what stands between backticks is set as code."""
    pieces = [escape(piece) for piece in text.split("`")]
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if index % 2 else piece
        for index, piece in enumerate(pieces)
    )


def _parts(validation: Validation) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {
            "name": verdict.part.name,
            "kind": verdict.part.promised.get("kind", ""),
            "rows": len(verdict.part.rows),
            "passed": len(verdict.passed),
            "quarantined": len(verdict.quarantined),
            "share": verdict.quarantine_share,
        }
        for verdict in validation.parts
    ]
    totals = {key: sum(row[key] for row in found) for key in ("rows", "passed", "quarantined")}
    share = totals["quarantined"] / totals["rows"] if totals["rows"] else 0.0
    return [*found, {"name": "all", "kind": "", **totals, "share": share}]


def _failures(validation: Validation) -> list[dict[str, Any]]:
    """A row per failing rule and part, the gravest first."""
    sizes = {held.name: len(held.columns["row"]) for held in validation.tables}
    failing = [outcome for outcome in validation.outcomes if not outcome.holds]
    return [
        {
            "severity": outcome.rule.severity.value,
            "rule": outcome.rule.name,
            "text": outcome.rule.text,
            "part": outcome.table,
            "failed": len(outcome.failed),
            "share": len(outcome.failed) / sizes[outcome.table],
            "examples": [
                _short(validation.evidence(outcome, n)) for n in outcome.failed[:EXAMPLES]
            ],
        }
        for outcome in sorted(failing, key=_gravity)
    ]


def _gravity(outcome: Outcome) -> tuple[int, str, str]:
    return _ORDER[outcome.rule.severity], outcome.rule.name, outcome.table


def _short(text: str) -> str:
    return text if len(text) <= _SHORT else f"{text[: _SHORT - 1]}…"


def _suites(validation: Validation) -> list[dict[str, Any]]:
    """Every rule that was checked, with the parts that it was checked on."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for outcome in validation.outcomes:
        key = outcome.rule.name, outcome.rule.severity.value
        entry = found.setdefault(
            key, {"rule": key[0], "severity": key[1], "text": outcome.rule.text, "parts": []}
        )
        entry["parts"].append(f"{outcome.table} {len(outcome.failed)}")
    return list(found.values())


def _histograms(tables: Sequence[Table]) -> list[Histogram]:
    units = ("characters", "tokens")
    return [
        histogram(held.name, unit, held.columns[unit])
        for held in tables
        for unit in units
        if held.columns[unit]
    ]


def histogram(part: str, unit: str, lengths: Sequence[int]) -> Histogram:
    """Bars of equal width over the range of the lengths.

    Args:
        part: what the lengths are of.
        unit: `characters` or `tokens`.
        lengths: one per row; at least one.
    """
    ordered = sorted(lengths)
    least, most = ordered[0], ordered[-1]
    step = max(1, -(-(most - least + 1) // BINS))
    counts = [0] * ((most - least) // step + 1)
    for length in lengths:
        counts[(length - least) // step] += 1
    width = WIDTH / len(counts)
    bars = []
    for index, count in enumerate(counts):
        low = least + index * step
        reach = f"{low}" if step == 1 else f"{low} to {low + step - 1}"
        height = HEIGHT * count / max(counts)
        bars.append(
            Bar(
                round(index * width, 2),
                round(HEIGHT - height, 2),
                round(width * 0.9, 2),
                round(height, 2),
                f"{reach} {unit}: {count} rows",
            )
        )
    return Histogram(part, unit, tuple(bars), least, ordered[len(ordered) // 2], most)


def _sources(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "part": name,
            "name": source.get("name", "")
            + (", examples" if source.get("role") == "example" else ""),
            "kind": source.get("kind", ""),
            "licence": source.get("licence", ""),
            "records": source.get("records", ""),
            "left_out": _left_out(source),
        }
        for name in PARTS
        for source in manifest["parts"].get(name, {}).get("sources", [])
    ]


def _left_out(source: dict[str, Any]) -> str:
    """What `prepare` did not take of a source: `40 rows by only, 12 by limit`."""
    passed = source.get("rows_passed_over", {})
    words = [f"{rows} rows by {why}" for why, rows in passed.items()]
    gaps = source.get("characters_in_gaps", 0)
    return ", ".join(words + ([f"{gaps} characters between blocks"] if gaps else [])) or "nothing"


def _balance(whole: Table) -> list[dict[str, Any]]:
    found = []
    for number, part in enumerate(whole.columns["id"]):
        counts = {group: whole.columns[f"{group}_terms"][number] for group in groups.TERMS}
        total = sum(counts.values())
        shares = {group: n / total if total else None for group, n in counts.items()}
        found.append({"part": part, "counts": counts, "shares": shares, "total": total})
    return found
