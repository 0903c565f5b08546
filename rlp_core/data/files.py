"""Rows of local files: jsonl, csv, tsv, txt and parquet, each also gzipped.

Files come from outside, so nothing about them is taken for granted: every fault is told with the
file and the line. A line is never read beyond `max_line_bytes`, so a file that is no text at all
does not fill the memory.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlp_core.errors import ConfigError, DataError, MissingInputError
from rlp_core.files import sha256

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Row:
    """One row of a file.

    Attributes:
        file: path of the file.
        number: its place among the rows of the file, from 1; blank lines count in jsonl, where it
            is the number of the line.
        where: the place as a person finds it: `train.jsonl, line 3`.
        fields: column or key to value.
    """

    file: Path
    number: int
    where: str
    fields: dict[str, Any]


def matching(folder: Path, pattern: str) -> list[Path]:
    """Files below `folder` that match a glob, in order of name.

    Raises:
        ConfigError: the pattern leaves the folder.
        MissingInputError: there is no such folder, or nothing matches.
    """
    if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        raise ConfigError(
            "a pattern must stay below `prepare.folder`: what lies elsewhere is not tracked",
            where=f"pattern {pattern!r}",
            fix="set `prepare.folder` to the folder that holds the files",
        )
    if not folder.is_dir():
        raise MissingInputError(
            "no such folder", where=str(folder), fix="create it, or correct `prepare.folder`"
        )
    files = sorted(path for path in folder.glob(pattern) if path.is_file())
    if not files:
        raise MissingInputError(
            "no file matches",
            where=f"{folder}, pattern {pattern!r}",
            fix="put the files there, or correct `pattern` or `prepare.folder`",
        )
    return files


def read_rows(file: Path, max_line_bytes: int) -> Iterator[Row]:
    """Yield the rows of one file, its format told by the name.

    A .txt file is one row with the field `text`. Blank lines of a jsonl file are no rows. A .tsv
    file has no quoting: a quotation mark stands for itself.

    Raises:
        MissingInputError: the file may not be read.
        DataError: unknown format; empty, cut off or damaged file; a line that is too long, not
            UTF-8, or not of the format.
    """
    suffix = format_of(file)
    rows = 0
    try:
        for row in _READERS[suffix](file, max_line_bytes):
            rows += 1
            yield row
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(
            f"the compressed file is cut off or damaged: {error}",
            where=f"{file}, after row {rows}",
            fix="fetch the file again; `gzip -t` tells whether it is whole",
        ) from error
    except OSError as error:
        raise _unreadable(file, error) from error
    if not rows:
        raise DataError(
            "the file is empty: it has no row",
            where=str(file),
            fix="fetch the file again, or take it out of the pattern",
        )


def digest(file: Path) -> str:
    """SHA-256 of the file as it lies there, compressed or not.

    Raises:
        MissingInputError: it may not be read.
    """
    try:
        return sha256(file)
    except OSError as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: OSError) -> MissingInputError:
    return MissingInputError(
        f"cannot read: {error.strerror or error}",
        where=str(file),
        fix="see that the file is there and that you may read it",
    )


def format_of(file: Path) -> str:
    """The format by the name: `.jsonl` for `train.jsonl.gz`.

    Raises:
        DataError: it is none that can be read.
    """
    name = file.name.removesuffix(".gz")
    suffix = Path(name).suffix.lower()
    if suffix not in _READERS:
        raise DataError(
            f"cannot read files of the format {suffix or 'without an ending'!r}",
            where=str(file),
            fix=f"use {', '.join(_READERS)}, each also with .gz, or narrow the pattern",
        )
    return suffix


def stem_of(file: Path) -> str:
    """The name without format and compression: `train` for `train.jsonl.gz`."""
    return Path(file.name.removesuffix(".gz")).stem


# ------------------------------------------------------------------------------------ lines


def _open(file: Path) -> gzip.GzipFile | io.BufferedReader:
    return gzip.open(file) if file.suffix == ".gz" else file.open("rb")


def _lines(file: Path, max_line_bytes: int) -> Iterator[tuple[int, str]]:
    """Number, from 1, and text of every line, with its end. A byte-order mark is taken off."""
    with _open(file) as handle:
        number = 0
        while line := handle.readline(max_line_bytes + 1):
            number += 1
            if len(line) > max_line_bytes:
                raise DataError(
                    f"the line is longer than {max_line_bytes} bytes",
                    where=f"{file}, line {number}",
                    fix="cut it, or raise `prepare.max_line_bytes`",
                )
            if number == 1:
                line = line.removeprefix(BYTE_ORDER_MARK)
            try:
                yield number, line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise DataError(
                    f"not UTF-8: byte 0x{line[error.start]:02x} at column {error.start + 1}",
                    where=f"{file}, line {number}",
                    fix="convert the file, for example with `iconv -f latin1 -t utf-8`",
                ) from error


def _jsonl(file: Path, max_line_bytes: int) -> Iterator[Row]:
    for number, line in _lines(file, max_line_bytes):
        if not line.strip():
            continue
        where = f"{file}, line {number}"
        try:
            fields = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            cut = "" if line.endswith("\n") else "; the file seems to be cut off here"
            raise DataError(
                f"not JSON: {error}{cut}",
                where=where,
                fix="mend the line, or fetch the file again",
            ) from error
        if not isinstance(fields, dict):
            raise DataError(
                f"the row is of type {type(fields).__name__}, not an object with fields",
                where=where,
                fix='write one object a line: {"text": "..."}',
            )
        yield Row(file, number, where, fields)


def _text(file: Path, max_line_bytes: int) -> Iterator[Row]:
    text = "".join(line for _, line in _lines(file, max_line_bytes))
    if text.strip():
        yield Row(file, 1, str(file), {"text": text})


# ----------------------------------------------------------------------------------- tables


def _comma_separated(file: Path, max_line_bytes: int) -> Iterator[Row]:
    lines = (line for _, line in _lines(file, max_line_bytes))
    csv.field_size_limit(max(csv.field_size_limit(), max_line_bytes))
    return _table(file, csv.reader(lines, strict=True))


def _tab_separated(file: Path, max_line_bytes: int) -> Iterator[Row]:
    lines = (line for _, line in _lines(file, max_line_bytes))
    csv.field_size_limit(max(csv.field_size_limit(), max_line_bytes))
    return _table(file, csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE, strict=True))


def _table(file: Path, reader: Any) -> Iterator[Row]:
    """Rows of a `csv.reader`: the first names the columns, all have as many fields."""
    header: list[str] = []
    number = 0
    try:
        for cells in reader:
            where = f"{file}, line {reader.line_num}"
            if not cells:
                continue
            if not header:
                header = _header(cells, where)
                continue
            number += 1
            if len(cells) != len(header):
                raise DataError(
                    f"the row has {len(cells)} fields, the header has {len(header)}",
                    where=where,
                    fix="quote fields that hold the separator, or mend the row",
                )
            yield Row(file, number, where, dict(zip(header, cells, strict=True)))
    except csv.Error as error:
        raise DataError(
            f"not a table: {error}",
            where=f"{file}, line {reader.line_num}",
            fix="close the quotation marks, or fetch the file again: it may be cut off",
        ) from error


def _header(cells: list[str], where: str) -> list[str]:
    if len(set(cells)) < len(cells) or not all(cell.strip() for cell in cells):
        raise DataError(
            f"the first line must name every column, each once: {cells}",
            where=where,
            fix="add a header line",
        )
    return cells


def _parquet(file: Path, _max_line_bytes: int) -> Iterator[Row]:
    import pyarrow  # type: ignore[import-untyped]
    import pyarrow.parquet  # type: ignore[import-untyped]

    source: Any = file
    if file.suffix == ".gz":  # parquet is read from its end, where gzip cannot go: take it whole
        with _open(file) as handle:
            source = io.BytesIO(handle.read())
    try:
        number = 0
        with pyarrow.parquet.ParquetFile(source) as table:
            for batch in table.iter_batches(batch_size=1024):
                for fields in batch.to_pylist():
                    number += 1
                    yield Row(file, number, f"{file}, row {number}", fields)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(
            f"not a whole parquet file: {error}", where=str(file), fix="fetch the file again"
        ) from error


_READERS: dict[str, Callable[[Path, int], Iterator[Row]]] = {
    ".jsonl": _jsonl,
    ".csv": _comma_separated,
    ".tsv": _tab_separated,
    ".txt": _text,
    ".parquet": _parquet,
}
