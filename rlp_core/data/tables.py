"""Rows of files that are tables: csv, tsv and parquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rlp_core.data import opening
from rlp_core.data.opening import FileRow, Form
from rlp_core.errors import DataError

_ROW_NUMBERS = "index"
"""What a first column without a name is called, as in pandas."""


def comma_separated(file: Path, form: Form) -> Iterator[FileRow]:
    """Rows of a .csv file."""
    separator = form.separator or ","
    lines = (line for _, line in opening.lines(file, form.max_line_bytes, form.encoding))
    csv.field_size_limit(max(csv.field_size_limit(), form.max_line_bytes))
    reader = csv.reader(lines, delimiter=separator, strict=True)
    return _table(file, reader, separator, chosen=bool(form.separator))


def tab_separated(file: Path, form: Form) -> Iterator[FileRow]:
    """Rows of a .tsv file, which has no quoting."""
    separator = form.separator or "\t"
    lines = (line for _, line in opening.lines(file, form.max_line_bytes, form.encoding))
    csv.field_size_limit(max(csv.field_size_limit(), form.max_line_bytes))
    reader = csv.reader(lines, delimiter=separator, quoting=csv.QUOTE_NONE, strict=True)
    return _table(file, reader, separator, chosen=bool(form.separator))


def _table(file: Path, reader: Any, separator: str, *, chosen: bool) -> Iterator[FileRow]:
    """Rows of a `csv.reader`: the first names the columns, all have as many fields.

    `chosen`: whether the user named the separator. Where not, a header of one column that holds
    another one is refused, not guessed at.
    """
    header: list[str] = []
    number = 0
    try:
        for cells in reader:
            where = f"{file}, line {reader.line_num}"
            if not cells:
                continue
            if not header:
                header = _header(cells, where)
                if not chosen:
                    _check_separator(header, separator, where)
                continue
            number += 1
            if len(cells) != len(header):
                raise DataError(
                    f"the row has {len(cells)} fields, the header has {len(header)}",
                    where=where,
                    fix="quote fields that hold the separator, or mend the row",
                )
            yield FileRow(file, number, where, dict(zip(header, cells, strict=True)))
    except csv.Error as error:
        raise DataError(
            f"not a table: {error}",
            where=f"{file}, line {reader.line_num}",
            fix="close the quotation marks, or fetch the file again: it may be cut off",
        ) from error


def _check_separator(header: list[str], separator: str, where: str) -> None:
    if len(header) > 1:
        return
    found = {other: header[0].count(other) for other in ",;\t|" if other != separator}
    likely = max(found, key=lambda other: found[other])
    if found[likely]:
        raise DataError(
            f"the header holds no {separator!r}, but {found[likely]} times {likely!r}: "
            f"{header[0][:60]!r}",
            where=where,
            fix=f"set `separator: {json.dumps(likely)}` in the source; or, if this is one column, "
            f"`separator: {json.dumps(separator)}`",
        )


def _header(cells: list[str], where: str) -> list[str]:
    """The names of the columns. The first may have none: so pandas writes the numbers of rows."""
    if len(cells) > 1 and not cells[0].strip():
        cells = [_ROW_NUMBERS, *cells[1:]]
    if len(set(cells)) < len(cells) or not all(cell.strip() for cell in cells):
        raise DataError(
            f"the first line must name every column, each once: {cells}",
            where=where,
            fix="add a header line",
        )
    return cells


def parquet(file: Path, _form: Form) -> Iterator[FileRow]:
    """Rows of a .parquet file, a batch at a time."""
    import pyarrow  # type: ignore[import-untyped]
    import pyarrow.parquet  # type: ignore[import-untyped]

    source: Any = file
    if file.suffix == ".gz":  # parquet is read from its end, where gzip cannot go: take it whole
        with opening.open_bytes(file) as handle:
            source = io.BytesIO(handle.read())
    try:
        number = 0
        with pyarrow.parquet.ParquetFile(source) as table:
            for batch in table.iter_batches(batch_size=1024):
                for fields in batch.to_pylist():
                    number += 1
                    yield FileRow(file, number, f"{file}, row {number}", fields)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(
            f"not a whole parquet file: {error}", where=str(file), fix="fetch the file again"
        ) from error
