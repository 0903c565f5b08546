"""What a rule is: a name, a severity, and one check over one column.

The checks are plain data, so that the suites (`suites.py`) can be read, listed and tested without
Great Expectations. `expectations.py` turns each into the expectation of the same meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from rlp_core.errors import EXIT_SOFTWARE, RlpError


class BrokenRuleError(RlpError):
    """A rule could not be evaluated: a fault of the program, which says nothing about the data."""

    exit_code = EXIT_SOFTWARE


class Severity(StrEnum):
    """What follows when a rule fails."""

    CRITICAL = "critical"  # nothing may go on: the pipeline stops
    ERROR = "error"  # the row goes to quarantine
    WARNING = "warning"  # reported, and the row passes


@dataclass(frozen=True)
class NotNull:
    """Every row has a value in `column`."""

    column: str


@dataclass(frozen=True)
class Unique:
    """No value of `column` occurs twice."""

    column: str


@dataclass(frozen=True)
class Between:
    """Every number of `column` lies in [low, high]; None leaves a side open."""

    column: str
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Matches:
    """`pattern`, a regular expression, is found in every text of `column`."""

    column: str
    pattern: str


@dataclass(frozen=True)
class NotMatches:
    """`pattern`, a regular expression, is found in no text of `column`."""

    column: str
    pattern: str


@dataclass(frozen=True)
class Holds:
    """The computed column `rule_NAME` is true in every row (`table.py` fills it)."""

    name: str

    @property
    def column(self) -> str:
        return f"rule_{self.name}"


Check = NotNull | Unique | Between | Matches | NotMatches | Holds


@dataclass(frozen=True)
class Rule:
    """One thing that must hold.

    Attributes:
        name: identifier; the same in metrics, quarantine and reports.
        severity: what follows when it fails.
        check: what is tested.
        text: the rule in words, for reports.
    """

    name: str
    severity: Severity
    check: Check
    text: str


@dataclass(frozen=True)
class Outcome:
    """What came of one rule on one table.

    Attributes:
        rule: the rule.
        table: name of the table: a part, or `summary`.
        failed: row numbers that break the rule, ascending.
    """

    rule: Rule
    table: str
    failed: tuple[int, ...]

    @property
    def holds(self) -> bool:
        return not self.failed
