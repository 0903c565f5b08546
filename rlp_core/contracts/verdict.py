"""From outcomes to decisions: which rows pass, which are quarantined, what stops the pipeline.

Nothing is dropped silently: rows in = rows passed + rows quarantined, checked for every part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlp_core.contracts import groups
from rlp_core.contracts.read import PreparedPart
from rlp_core.contracts.rules import BrokenRuleError, Outcome, Severity
from rlp_core.contracts.table import Table, joined
from rlp_core.workspace import REWARDED_PART


@dataclass(frozen=True)
class Sorted:
    """A part's rows, sorted.

    Attributes:
        part: the rows as they were read.
        outcomes: of every rule of the part's suite.
        quarantined: row number to the names of the rules it broke, ascending; warnings left out.
    """

    part: PreparedPart
    outcomes: tuple[Outcome, ...]
    quarantined: Mapping[int, tuple[str, ...]]

    @property
    def passed(self) -> list[dict[str, Any]]:
        """Records that may enter, in their order."""
        return [row.record for n, row in enumerate(self.part.rows) if n not in self.quarantined]

    @property
    def quarantine(self) -> list[dict[str, Any]]:
        """Rows that may not, each with its id and the rules it broke."""
        return [
            {
                "id": self.part.rows[number].name(number),
                "rules": list(rules),
                "record": self.part.rows[number].record,
            }
            for number, rules in self.quarantined.items()
        ]

    @property
    def quarantine_share(self) -> float:
        """Quarantined rows over all rows; 0 for a part without rows."""
        return len(self.quarantined) / len(self.part.rows) if self.part.rows else 0.0


def sort_rows(part: PreparedPart, outcomes: Sequence[Outcome]) -> Sorted:
    """Quarantine every row that breaks a rule of severity error or critical.

    Raises:
        BrokenRuleError: rows in differ from rows passed and quarantined together.
    """
    broken: dict[int, list[str]] = {}
    for outcome in outcomes:
        if outcome.rule.severity is Severity.WARNING:
            continue
        for number in outcome.failed:
            broken.setdefault(number, []).append(outcome.rule.name)
    verdict = Sorted(part, tuple(outcomes), {n: tuple(broken[n]) for n in sorted(broken)})
    check_conservation(part.name, len(part.rows), len(verdict.passed), len(verdict.quarantine))
    return verdict


def check_conservation(part: str, rows: int, passed: int, quarantined: int) -> None:
    """Rows in = passed + quarantined.

    Raises:
        BrokenRuleError: they are not.
    """
    if rows != passed + quarantined:
        raise BrokenRuleError(
            f"{rows} rows in, but {passed} passed and {quarantined} quarantined",
            where=f"part `{part}`",
            fix="this is a fault of the program, not of the data: report it",
        )


def summary(parts: Sequence[Sorted]) -> Table:
    """A row per part: the columns of the summary suite."""
    counts = [
        groups.count(joined(verdict.part.name, row) for row in verdict.part.rows)
        for verdict in parts
    ]
    promised = [int(verdict.part.promised.get("records", 0)) for verdict in parts]
    rows = [len(verdict.part.rows) for verdict in parts]
    return Table(
        "summary",
        {
            "row": list(range(len(parts))),
            "id": [verdict.part.name for verdict in parts],
            "rows": rows,
            "rows_asked": [_rows_asked(verdict.part) for verdict in parts],
            "rows_missing": [max(0, p - n) for p, n in zip(promised, rows, strict=True)],
            "changed": [int(v.part.sha256 != v.part.promised.get("sha256")) for v in parts],
            "quarantine_share": [verdict.quarantine_share for verdict in parts],
            **{f"{group}_terms": [count[group] for count in counts] for group in groups.TERMS},
            "least_group_share": [groups.least_share(count) for count in counts],
        },
    )


def _rows_asked(part: PreparedPart) -> int | None:
    """Rows of a part that has sources; None of one that may have none, and has none."""
    asked = part.name != REWARDED_PART or bool(part.promised.get("sources")) or bool(part.rows)
    return len(part.rows) if asked else None


def critical(outcomes: Sequence[Outcome]) -> Iterator[Outcome]:
    """The outcomes that stop the pipeline."""
    return (o for o in outcomes if o.rule.severity is Severity.CRITICAL and not o.holds)


def metrics(
    parts: Sequence[Sorted], whole: Table, summary_outcomes: Sequence[Outcome]
) -> dict[str, int | float]:
    """Flat numbers: rows of every part, and rows (or parts) that fail each rule."""
    found: dict[str, int | float] = {}
    for number, verdict in enumerate(parts):
        name = verdict.part.name
        found[f"{name}_rows_in"] = len(verdict.part.rows)
        found[f"{name}_passed"] = len(verdict.passed)
        found[f"{name}_quarantined"] = len(verdict.quarantined)
        found[f"{name}_quarantine_share"] = verdict.quarantine_share
        for group in groups.TERMS:
            found[f"{name}_{group}_terms"] = whole.columns[f"{group}_terms"][number]
    everything = [o for verdict in parts for o in verdict.outcomes] + list(summary_outcomes)
    for outcome in everything:
        key = f"failed_{outcome.rule.name}"
        found[key] = found.get(key, 0) + len(outcome.failed)
    found["critical_failures"] = sum(1 for _ in critical(everything))
    return found
