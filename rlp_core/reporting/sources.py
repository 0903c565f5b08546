"""What the page is made from, beside the items: the reports that earlier stages left."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlp_core.arms import Arms
from rlp_core.errors import DataError, MissingInputError
from rlp_core.evaluation.comparison import Comparison

Curve = Mapping[str, list[float]]


@dataclass(frozen=True)
class Sources:
    """Everything that the page shows.

    Attributes:
        comparison: of all arms.
        arms: as they are declared.
        settings: `params.yaml`, section to key to value.
        prepared, validated: metrics of the stages `prepare` and `validate`.
        curves: per training stage its `steps.csv`, by column; a field that is empty is NaN.
        ledger: what `rlp` spent, `{"flops": {phase: n, "total": n}, "tokens": {...}}`.
        cpt: metrics of the stage `cpt`.
    """

    comparison: Comparison
    arms: Arms
    settings: Mapping[str, Any]
    prepared: Mapping[str, float]
    validated: Mapping[str, float]
    curves: Mapping[str, Curve]
    ledger: Mapping[str, Mapping[str, float]]
    cpt: Mapping[str, float]


def read_json(path: Path) -> dict[str, Any]:
    """A report of another stage.

    Raises:
        MissingInputError: it is absent.
        DataError: it is not a JSON object.
    """
    try:
        value = json.loads(_text(path))
    except ValueError as error:
        raise _malformed(str(error), path) from error
    if not isinstance(value, dict):
        raise _malformed("not a JSON object", path)
    return value


def read_compute(ledger: Path, cpt: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What `rlp` spent and what the control spent.

    Raises:
        MissingInputError, DataError: as `read_json`, or a count of FLOPs is absent.
    """
    spent, control = read_json(ledger), read_json(cpt)
    if not isinstance(spent.get("flops"), dict) or "total" not in spent["flops"]:
        raise _malformed("no `flops.total`", ledger)
    if "flops" not in control:
        raise _malformed("no `flops`", cpt)
    return spent, control


def read_curve(path: Path) -> dict[str, list[float]]:
    """The columns of a `steps.csv`. An empty field is NaN; a stage without steps has no rows.

    Raises:
        MissingInputError: it is absent.
        DataError: no column `step`, a row of another length, or a field that is no number.
    """
    rows = list(csv.reader(_text(path).splitlines()))
    if not rows or "step" not in rows[0]:
        raise _malformed("no column `step`", path)
    names, *lines = rows
    try:
        columns = list(zip(names, zip(*lines, strict=True), strict=True)) if lines else []
        made = {name: [float(x) if x else float("nan") for x in of] for name, of in columns}
    except ValueError as error:
        raise _malformed(str(error), path) from error
    return made or {name: [] for name in names}


def _text(path: Path) -> str:
    if not path.is_file():
        raise MissingInputError(
            "a report of an earlier stage is missing",
            where=str(path),
            fix="run `dvc repro`, which makes it first",
        )
    return path.read_text(encoding="utf-8")


def _malformed(what: str, path: Path) -> DataError:
    return DataError(f"not a report: {what}", where=str(path), fix="run its stage again")
