"""The tables of `docs/reference/metrics.md`, made from the names that tracking gives.

`make params-reference` writes them anew; a test keeps page and names in step.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rlp_core.files import write_text
from rlp_core.params.marked import replaced
from rlp_core.tracking.metric_names import OF_EVERY_STAGE, PLACEHOLDERS, REST, TABLES, MetricName

PAGE = Path("docs/reference/metrics.md")
MARK = "names"


def names_tables() -> str:
    """A Markdown table per kind of stage, and what the placeholders in them stand for."""
    stages: dict[tuple[MetricName, ...], list[str]] = {}
    for stage, lines in TABLES.items():
        stages.setdefault(lines, []).append(f"`{stage}`")
    parts = [_names(", ".join(alike), lines) for lines, alike in stages.items()]
    every = _names("Every stage", (*OF_EVERY_STAGE, REST))
    return "\n".join([*parts, every, _placeholders()])


def main() -> None:
    """Write the page below the current folder."""
    write_text(PAGE, replaced(PAGE.read_text(encoding="utf-8"), MARK, names_tables()))


def _names(title: str, lines: Sequence[MetricName]) -> str:
    rows = [(f"`{line.measured}`", f"`{line.logged}`", line.what) for line in lines]
    return f"### {title}\n\n{_table(('as measured', 'in MLflow', 'what'), rows)}"


def _placeholders() -> str:
    rows = [(f"`{{{name}}}`", what) for name, (_, what) in PLACEHOLDERS.items()]
    return f"### Placeholders\n\n{_table(('placeholder', 'stands for'), rows)}"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    cells = ([cell.replace("|", "\\|") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


if __name__ == "__main__":
    main()
