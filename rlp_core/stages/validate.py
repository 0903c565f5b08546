"""Stage `validate`: what breaks the contracts is quarantined, the rest may enter.

Great Expectations' Data Docs go to the untracked `.rlp/data-docs`, because they carry run ids and
times; `reports/validate/data-report.html` is the report to read.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlp_core.contracts import report
from rlp_core.contracts.text import has_unpaired_surrogate
from rlp_core.contracts.validation import Validation, validate, validated_manifest
from rlp_core.contracts.verdict import metrics
from rlp_core.data import seam
from rlp_core.files import replacing_folder, sha256, write_json, write_jsonl, write_text
from rlp_core.workspace import DEMONSTRATION_PARTS, PROBLEM_PARTS

if TYPE_CHECKING:
    from rlp_core.stage import StageContext


def run(context: StageContext) -> None:
    """Write `data/validated`, `data/quarantine` and `reports/validate`.

    Raises:
        DataError: a critical rule failed. Reports and quarantine are written, and no
            `data/validated` is left.
        MissingInputError: stage `prepare` has not run.
    """
    workspace, settings = context.workspace, context.params.validate_
    docs = workspace.private / "data-docs"
    shutil.rmtree(docs, ignore_errors=True)
    thought, answer_tokens = context.params.thought, context.params.evaluate.answer_tokens
    found = validate(workspace.prepared, settings, thought, answer_tokens, docs)
    folder = workspace.report(context.name)
    numbers = metrics(found.parts, found.tables[-1], found.summary_outcomes)
    write_json(folder / "metrics.json", numbers)
    write_text(folder / "data-report.html", report.render(found, settings))
    with replacing_folder(workspace.quarantine) as quarantine:
        for verdict in found.parts:
            _write_escaped(quarantine / f"{verdict.part.name}.jsonl", verdict.quarantine)
    context.tracker.metrics({name: float(value) for name, value in numbers.items()})
    context.tracker.artifact(folder / "data-report.html")
    _tell(found, folder, docs)
    stop = found.stop_reason()
    if stop is not None:
        shutil.rmtree(workspace.validated, ignore_errors=True)
        raise stop
    with replacing_folder(workspace.validated) as validated:
        written = [_write_passed(validated, v.part.name, v.passed) for v in found.parts]
        write_json(validated / "manifest.json", validated_manifest(found.manifest, written))
        passed = {v.part.name: v.passed for v in found.parts}
        seam.write(validated / workspace.seams.name, passed)
    _tell_unlike_prompts(passed)
    for name, _, digest in written:
        context.tracker.dataset(
            name=name, path=workspace.part(name), digest=digest, context=context.name
        )


def _write_passed(folder: Path, name: str, rows: list[dict[str, Any]]) -> tuple[str, int, str]:
    path = folder / f"{name}.jsonl"
    return name, write_jsonl(path, rows), sha256(path)


def _write_escaped(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """JSON lines, with escapes where UTF-8 cannot hold a row: the quarantine must keep it."""
    lines = []
    for row in rows:
        line = json.dumps(row, ensure_ascii=False)
        lines.append(json.dumps(row) if has_unpaired_surrogate(line) else line)
    write_text(path, "".join(f"{line}\n" for line in lines))


def _tell_unlike_prompts(passed: dict[str, list[dict[str, Any]]]) -> None:
    demonstrations = [row for part in DEMONSTRATION_PARTS for row in passed[part]]
    problems = [row for part in PROBLEM_PARTS for row in passed[part]]
    for line in seam.unlike_prompts(demonstrations, problems):
        print(f"warning: validate: {line}")


def _tell(found: Validation, folder: Path, docs: Path) -> None:
    for verdict in found.parts:
        print(
            f"{verdict.part.name}: {len(verdict.part.rows)} rows in, {len(verdict.passed)} "
            f"passed, {len(verdict.quarantined)} quarantined"
        )
    print(f"data report: {folder / 'data-report.html'}")
    print(f"Great Expectations' Data Docs: {docs / 'index.html'}")
