"""Rows of the prepared parts as they really are: a row that is no record stays a row."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rlp_core.data.records import kind_of
from rlp_core.errors import DataError, MissingInputError


@dataclass(frozen=True)
class Row:
    """A line of a part.

    Attributes:
        record: the JSON object as it was read; `{"line": text}` where the line is none.
        fault: why it is no record of the part's kind; empty where it is one.
    """

    record: dict[str, Any]
    fault: str = ""

    def text(self, name: str) -> str:
        """A field as text; empty where it is missing or none."""
        value = self.record.get(name)
        return value if isinstance(value, str) else ""

    def name(self, number: int) -> str:
        """The id, or `line N` where the record has none; `number` counts from 0."""
        return self.text("id") or f"line {number + 1}"


@dataclass(frozen=True)
class Part:
    """All rows of a part, and what its manifest promised.

    Attributes:
        name: one of `rlp_core.workspace.PARTS`.
        rows: in the order of the file.
        promised: the part's entry in the manifest.
        sha256: of the file as it lies there.
    """

    name: str
    rows: tuple[Row, ...]
    promised: dict[str, Any] = field(default_factory=dict)
    sha256: str = ""

    @cached_property
    def worlds(self) -> frozenset[str]:
        """Names of the worlds that made some of the rows, as the manifest says."""
        return frozenset(
            str(source["name"])
            for source in self.promised.get("sources", [])
            if isinstance(source, dict) and source.get("kind") == "procedural" and "name" in source
        )


def read_part(path: Path) -> tuple[Row, ...]:
    """Read a part line by line; no line is passed over, and none can stop the reading.

    Raises:
        MissingInputError: the file is not there.
    """
    if not path.is_file():
        raise MissingInputError(
            f"the part `{path.stem}` is missing", where=str(path), fix="run stage `prepare`"
        )
    kind = kind_of(path.stem)
    rows = []
    with path.open("rb") as lines:
        for line in lines:
            rows.append(_row(line, kind))
    return tuple(rows)


def _row(line: bytes, kind: Any) -> Row:
    try:
        record = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        return Row({"line": line.decode("utf-8", errors="replace").rstrip("\n")}, str(error))
    if not isinstance(record, dict):
        return Row({"line": record}, "no JSON object")
    try:
        kind.model_validate(record, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(key) for key in first["loc"])
        return Row(record, f"{place}: {first['msg']}")
    return Row(record)


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of stage `prepare`.

    Raises:
        MissingInputError: there is none.
        DataError: it cannot be read.
    """
    if not path.is_file():
        raise MissingInputError("no manifest", where=str(path), fix="run stage `prepare`")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        manifest["parts"].items()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"the manifest cannot be read: {error!r}", where=str(path), fix="run stage `prepare`"
        ) from error
    assert isinstance(manifest, dict)
    return manifest
