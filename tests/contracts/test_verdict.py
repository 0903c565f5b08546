"""Sorting: every row goes to exactly one side, whatever the rules find."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.contracts.rules import BrokenRuleError, Holds, Outcome, Rule, Severity
from rlp_core.contracts.verdict import check_conservation, critical, metrics, sort_rows, summary
from tests.contracts.samples import part_of, record

SEVERITIES = st.sampled_from(list(Severity))


def outcome(name: str, severity: Severity, failed: set[int]) -> Outcome:
    return Outcome(Rule(name, severity, Holds(name), name), "rlp", tuple(sorted(failed)))


@st.composite
def findings(draw: st.DrawFn) -> tuple[int, list[Outcome]]:
    rows = draw(st.integers(0, 12))
    numbers = st.sets(st.integers(0, rows - 1)) if rows else st.just(set())
    rules = draw(st.lists(st.tuples(SEVERITIES, numbers), max_size=5))
    return rows, [outcome(f"r{i}", severity, failed) for i, (severity, failed) in enumerate(rules)]


@given(findings())
def test_rows_in_are_rows_passed_and_quarantined(found: tuple[int, list[Outcome]]) -> None:
    rows, outcomes = found
    verdict = sort_rows(part_of("rlp", [record("rlp", n) for n in range(rows)]), outcomes)
    passed = [row["id"] for row in verdict.passed]
    quarantined = [row["id"] for row in verdict.quarantine]
    assert sorted(passed + quarantined) == sorted(f"rlp-{n}" for n in range(rows))
    grave = [o for o in outcomes if o.rule.severity is not Severity.WARNING]
    for number in range(rows):
        broken = [o.rule.name for o in grave if number in o.failed]
        held = [q["rules"] for q in verdict.quarantine if q["id"] == f"rlp-{number}"]
        assert held == ([broken] if broken else [])


def test_a_count_that_does_not_add_up_is_a_fault_of_the_program() -> None:
    check_conservation("rlp", 3, 2, 1)
    with pytest.raises(BrokenRuleError, match="3 rows in, but 2 passed and 0"):
        check_conservation("rlp", 3, 2, 0)


def test_the_quarantine_keeps_the_record_and_names_rows_without_id() -> None:
    row = {"text": "no id"}
    verdict = sort_rows(part_of("rlp", [row]), [outcome("r", Severity.ERROR, {0})])
    assert verdict.quarantine == [{"id": "line 1", "rules": ["r"], "record": row}]


def test_only_critical_failures_stop() -> None:
    outcomes = [outcome(s.value, s, {0}) for s in Severity] + [
        outcome("x", Severity.CRITICAL, set())
    ]
    assert [o.rule.name for o in critical(outcomes)] == ["critical"]


def test_the_summary_measures_whole_parts() -> None:
    part = part_of("rlp", [record("rlp", n) for n in range(4)])
    part.promised["records"] = 6
    verdict = sort_rows(part, [outcome("r", Severity.ERROR, {1})])
    empty = sort_rows(part_of("base", []), [])
    whole = summary([verdict, empty]).columns
    assert whole["id"] == ["rlp", "base"]
    assert whole["rows"] == [4, 0]
    assert whole["rows_missing"] == [2, 0]
    assert whole["changed"] == [0, 0]
    assert whole["quarantine_share"] == [0.25, 0.0]


def test_metrics_are_flat_numbers() -> None:
    verdict = sort_rows(
        part_of("rlp", [record("rlp", n) for n in range(4)]),
        [outcome("r", Severity.ERROR, {1, 2}), outcome("w", Severity.WARNING, {1})],
    )
    found = metrics([verdict], summary([verdict]), [])
    assert found["rlp_rows_in"] == 4
    assert found["rlp_passed"] == 2
    assert found["rlp_quarantined"] == 2
    assert found["failed_r"] == 2
    assert found["failed_w"] == 1
    assert found["critical_failures"] == 0
    assert all(isinstance(value, int | float) for value in found.values())
