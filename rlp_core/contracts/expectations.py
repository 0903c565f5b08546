"""Great Expectations: the rules as expectations, run in an ephemeral context.

The only file that imports it (3.6 s, in a process of its own). GX holds every verdict; what it
finds comes back as row numbers. A check that itself broke is told from bad data by GX's
`exception_info`.

Data Docs carry run ids and times and load styles from CDNs. They are therefore built into an
untracked folder; the report to read, keep and compare is `data-report.html`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlp_core.contracts.rules import (
    Between,
    BrokenRuleError,
    Check,
    Holds,
    Matches,
    NotMatches,
    NotNull,
    Outcome,
    Rule,
    Severity,
    Unique,
)
from rlp_core.contracts.table import Table

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.data_context.data_context.ephemeral_data_context import (
        EphemeralDataContext,
    )
    from great_expectations.expectations.expectation import Expectation

SITE = "contracts"
_GX_SEVERITY = {Severity.CRITICAL: "critical", Severity.ERROR: "warning", Severity.WARNING: "info"}


class Validator:
    """Runs suites and remembers them for the Data Docs."""

    def __init__(self, docs: Path) -> None:
        """Open a context that lives in memory; `docs` is where the Data Docs will stand."""
        import great_expectations as gx
        from great_expectations.data_context.types.base import ProgressBarsConfig

        logging.getLogger("great_expectations").setLevel(logging.ERROR)
        self._context: EphemeralDataContext = gx.get_context(mode="ephemeral")
        self._context.variables.progress_bars = ProgressBarsConfig(globally=False)
        for site in self._context.get_site_names():
            self._context.delete_data_docs_site(site)
        self._context.add_data_docs_site(
            SITE,
            {
                "class_name": "SiteBuilder",
                "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
                "store_backend": {
                    "class_name": "TupleFilesystemStoreBackend",
                    "base_directory": str(docs.absolute()),
                },
            },
        )
        self._source = self._context.data_sources.add_pandas("prepared")

    def run(self, table: Table, rules: Sequence[Rule]) -> list[Outcome]:
        """Check one table against its suite; the outcomes come in the order of the rules.

        Raises:
            BrokenRuleError: an expectation raised instead of judging.
        """
        import great_expectations as gx

        asset = self._source.add_dataframe_asset(table.name)
        suite = gx.ExpectationSuite(table.name, expectations=[_expectation(rule) for rule in rules])
        definition = self._context.validation_definitions.add(
            gx.ValidationDefinition(
                name=table.name,
                data=asset.add_batch_definition_whole_dataframe("all rows"),
                suite=self._context.suites.add(suite),
            )
        )
        checkpoint = self._context.checkpoints.add(
            gx.Checkpoint(
                name=table.name,
                validation_definitions=[definition],
                result_format={
                    "result_format": "COMPLETE",
                    "unexpected_index_column_names": ["row", "id"],
                },
            )
        )
        result = checkpoint.run(batch_parameters={"dataframe": _frame(table)})
        (found,) = result.run_results.values()
        return _outcomes(table, rules, found)

    def build_docs(self) -> None:
        """Write the Data Docs of all that was run."""
        self._context.build_data_docs(site_names=[SITE])


def _frame(table: Table) -> Any:
    import pandas as pd

    def series(values: list[Any]) -> Any:
        textual = any(value is None or isinstance(value, str) for value in values)
        return pd.Series(values, dtype=object) if textual or not values else pd.Series(values)

    return pd.DataFrame({name: series(values) for name, values in table.columns.items()})


def _expectation(rule: Rule) -> Expectation:
    kind, arguments = _translated(rule.check)
    import great_expectations.expectations as expectations

    made: Expectation = getattr(expectations, kind)(
        **arguments,
        severity=_GX_SEVERITY[rule.severity],
        meta={"rule": rule.name, "severity": rule.severity.value},
        notes=f"{rule.name} ({rule.severity.value}): {rule.text}",
    )
    return made


def expectation_name(check: Check) -> str:
    """Which expectation of Great Expectations stands for a check."""
    return _translated(check)[0]


def _translated(check: Check) -> tuple[str, dict[str, Any]]:
    match check:
        case NotNull(column):
            return "ExpectColumnValuesToNotBeNull", {"column": column}
        case Unique(column):
            return "ExpectColumnValuesToBeUnique", {"column": column}
        case Between(column, low, high):
            limits = {"min_value": low, "max_value": high}
            return "ExpectColumnValuesToBeBetween", {"column": column, **limits}
        case Matches(column, pattern):
            return "ExpectColumnValuesToMatchRegex", {"column": column, "regex": pattern}
        case NotMatches(column, pattern):
            return "ExpectColumnValuesToNotMatchRegex", {"column": column, "regex": pattern}
        case Holds():
            return "ExpectColumnValuesToBeInSet", {"column": check.column, "value_set": [True]}


def _outcomes(
    table: Table, rules: Sequence[Rule], found: ExpectationSuiteValidationResult
) -> list[Outcome]:
    results = {
        (entry.expectation_config.meta or {})["rule"]: entry
        for entry in found.results
        if entry.expectation_config is not None
    }
    outcomes = []
    for rule in rules:
        entry = results.get(rule.name)
        broken = "no result" if entry is None else _exception(entry.exception_info)
        if entry is None or broken:
            raise BrokenRuleError(
                f"the rule `{rule.name}` could not be evaluated: {broken}",
                where=f"suite `{table.name}`",
                fix="this is a fault of the program, not of the data: report it",
            )
        indices = entry.result.get("unexpected_index_list") or []
        failed = tuple(sorted(int(index["row"]) for index in indices))
        if entry.success != (not failed):
            raise BrokenRuleError(
                f"the rule `{rule.name}` failed without naming rows",
                where=f"suite `{table.name}`",
                fix="this is a fault of the program, not of the data: report it",
            )
        outcomes.append(Outcome(rule, table.name, failed))
    return outcomes


def _exception(information: Any) -> str:
    """The message of an exception in GX's result: flat, or nested below the metric's name."""
    if not isinstance(information, dict):
        return ""
    if information.get("raised_exception"):
        return str(information.get("exception_message") or "no message")
    nested = (_exception(value) for value in information.values() if isinstance(value, dict))
    return next((message for message in nested if message), "")
