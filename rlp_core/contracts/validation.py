"""The whole of a validation: read, measure, judge, sort. Writing is left to the stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlp_core.contracts import table
from rlp_core.contracts.config import Validate
from rlp_core.contracts.expectations import Validator
from rlp_core.contracts.read import PreparedPart, read_manifest, read_part
from rlp_core.contracts.rules import Between, Outcome
from rlp_core.contracts.suites import rules_for, summary_rules
from rlp_core.contracts.verdict import Sorted, critical, sort_rows, summary
from rlp_core.data.thought import ThoughtConfig
from rlp_core.errors import DataError
from rlp_core.files import sha256
from rlp_core.workspace import PARTS


@dataclass(frozen=True)
class Validation:
    """What came of a validation.

    Attributes:
        manifest: of stage `prepare`.
        parts: every part, sorted.
        tables: the measured columns, in the order of `parts`, then the summary.
        summary_outcomes: of the rules over whole parts.
    """

    manifest: dict[str, Any]
    parts: tuple[Sorted, ...]
    tables: tuple[table.Table, ...]
    summary_outcomes: tuple[Outcome, ...]

    @property
    def outcomes(self) -> list[Outcome]:
        """Of all rules on all parts."""
        return [o for verdict in self.parts for o in verdict.outcomes] + list(self.summary_outcomes)

    def evidence(self, outcome: Outcome, row: int) -> str:
        """Which row it is and why it failed, in a few words."""
        held = next(t for t in self.tables if t.name == outcome.table)
        name = str(held.columns["id"][row] or f"line {row + 1}")
        reason = held.evidence.get(outcome.rule.name, {}).get(row, "")
        if not reason and isinstance(outcome.rule.check, Between):
            reason = f"{held.columns[outcome.rule.check.column][row]:.6g}"
        return f"{name}: {reason}" if reason else name

    def stop_reason(self) -> DataError | None:
        """The error that stops the pipeline, or None where no critical rule failed."""
        failed = list(critical(self.outcomes))
        if not failed:
            return None
        lines = []
        for outcome in failed:
            rows = ", ".join(self.evidence(outcome, row) for row in outcome.failed[:3])
            more = f" and {len(outcome.failed) - 3} more" if len(outcome.failed) > 3 else ""
            lines.append(f"  - {outcome.table}: `{outcome.rule.name}` fails for {rows}{more}")
        return DataError(
            "\n".join(["critical rules fail:", *lines]),
            where="data/prepared",
            fix="read reports/validate/data-report.html and data/quarantine, mend the sources "
            "or the limits in section `validate`, then run stages `prepare` and `validate` again",
        )


def validate(
    prepared: Path, settings: Validate, thought: ThoughtConfig, answer_tokens: int, docs: Path
) -> Validation:
    """Check every part against its suite.

    Args:
        prepared: folder of stage `prepare`.
        settings: section `validate`.
        thought: section `thought`, for the delimiters.
        answer_tokens: `evaluate.answer_tokens`, which an answer must fit into.
        docs: folder for GX's Data Docs.

    Raises:
        MissingInputError: a part or the manifest is not there.
        BrokenRuleError: a rule could not be evaluated.
    """
    manifest = read_manifest(prepared / "manifest.json")
    parts = [_read(prepared, name, manifest) for name in PARTS]
    evaluations = table.Evaluations(parts, settings.contamination_ngram)
    validator = Validator(docs)
    verdicts: list[Sorted] = []
    tables: list[table.Table] = []
    for part in parts:
        rules = rules_for(part.name, settings, thought, answer_tokens)
        measured = table.build(part, rules, evaluations, settings)
        verdicts.append(sort_rows(part, validator.run(measured, rules)))
        tables.append(measured)
    whole = summary(verdicts)
    outcomes = validator.run(whole, summary_rules(settings))
    validator.build_docs()
    return Validation(manifest, tuple(verdicts), (*tables, whole), tuple(outcomes))


def _read(prepared: Path, name: str, manifest: dict[str, Any]) -> PreparedPart:
    path = prepared / f"{name}.jsonl"
    rows = read_part(path)
    return PreparedPart(name, rows, manifest["parts"].get(name, {}), sha256(path))


def validated_manifest(manifest: dict[str, Any], counts: Sequence[tuple[str, int, str]]) -> Any:
    """The manifest of what passed: that of `prepare`, with the new counts and digests.

    Args:
        manifest: of stage `prepare`.
        counts: name, records and SHA-256 of every part as it was written.
    """
    parts = {
        name: {**manifest["parts"].get(name, {}), "records": records, "sha256": digest}
        for name, records, digest in counts
    }
    for part in parts.values():
        part.pop("characters", None)
    return {**manifest, "parts": parts}
