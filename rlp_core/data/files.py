"""Rows of local files: jsonl, json, csv, tsv, txt and parquet, each also gzipped.

Files come from outside, so nothing about them is taken for granted: every fault is told with the
file and the line. A line is never read beyond `max_line_bytes`, so a file that is no text at all
does not fill the memory.
"""

from __future__ import annotations

import gzip
import json
import os
import stat
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rlp_core.data import opening, tables
from rlp_core.data.opening import FileRow, Form
from rlp_core.errors import ConfigError, DataError, MissingInputError
from rlp_core.files import sha256


def matching(folder: Path, pattern: str, key: str = "prepare.folder") -> list[Path]:
    """Files below `folder` that match a glob, in order of name.

    Args:
        folder: where to look.
        pattern: relative to it.
        key: of `params.yaml`, which names the folder.

    Raises:
        ConfigError: the pattern leaves the folder.
        MissingInputError: there is no such folder, or nothing matches.
        DataError: what matches is no file, or its name cannot be written down.
    """
    if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        raise ConfigError(
            f"a pattern must stay below `{key}`: what lies elsewhere is not tracked",
            where=f"pattern {pattern!r}",
            fix=f"set `{key}` to the folder that holds the files",
        )
    if not folder.is_dir():
        raise MissingInputError(
            "no such folder", where=str(folder), fix=f"create it, or correct `{key}`"
        )
    files = sorted(path for path in folder.glob(pattern) if not path.is_dir())
    for path in files:
        if (fault := unusual(path)) is not None:
            raise fault
    if not files:
        raise MissingInputError(
            "no file matches",
            where=f"{folder}, pattern {pattern!r}",
            fix=f"put the files there, or correct `pattern` or `{key}`",
        )
    return files


def unusual(path: Path) -> DataError | None:
    """What is wrong with an entry of the data folder: None for a file or folder.

    A pipe would be waited on for ever, by DVC too; a name that is no UTF-8 fits in no manifest.
    """
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        return DataError(
            "the name of the file is not UTF-8",
            where=str(os.fsencode(path)),
            fix="give it another name, for example with `convmv -f latin1 -t utf-8`",
        )
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return DataError(
            f"a link that leads nowhere, or what cannot be looked at: {error.strerror}",
            where=str(path),
            fix="take it out of the folder, or mend it",
        )
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return None
    kinds = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return DataError(
        f"{kinds.get(stat.S_IFMT(mode), 'a device')}, not a file: it has no content to read again",
        where=str(path),
        fix="write its content to a file, and take it out of the folder",
    )


def read_rows(file: Path, form: Form) -> Iterator[FileRow]:
    """Yield the rows of one file, its format told by the name.

    A .txt file is one row with the field `text`. Blank lines of a jsonl file are no rows. A .json
    or .jsonl file that begins with `[` is one list of rows. A .tsv file has no quoting: a quotation
    mark stands for itself.

    Raises:
        MissingInputError: the file may not be read.
        DataError: unknown format; empty, cut off or damaged file; a line that is too long, not
            UTF-8, or not of the format.
    """
    suffix = format_of(file)
    rows = 0
    try:
        for row in _READERS[suffix](file, form):
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


def _lines(file: Path, form: Form) -> Iterator[tuple[int, str]]:
    return opening.lines(file, form.max_line_bytes, form.encoding)


def _jsonl(file: Path, form: Form) -> Iterator[FileRow]:
    first = True
    for number, line in _lines(file, form):
        if not line.strip():
            continue
        if first and line.lstrip().startswith("["):
            yield from _json_list(file, form)
            return
        first = False
        where = f"{file}, line {number}"
        yield FileRow(file, number, where, _fields(_json(line, where), where))


def _json_list(file: Path, form: Form) -> Iterator[FileRow]:
    """Rows of a file that is one JSON list, however it is broken into lines."""
    rows = _json("".join(line for _, line in _lines(file, form)), str(file))
    for number, fields in enumerate(rows, start=1):
        where = f"{file}, item {number} of the list"
        yield FileRow(file, number, where, _fields(fields, where))


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: a number of thousands of digits
        cut = "" if text.endswith("\n") else "; the file seems to be cut off here"
        syntax = isinstance(error, json.JSONDecodeError)
        raise DataError(
            f"not JSON: {error}{cut if syntax else ''}",
            where=where,
            fix="mend the line, or fetch the file again; one object a line, or one list of objects",
        ) from error


def _fields(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(
            f"the row is of type {type(value).__name__}, not an object with fields",
            where=where,
            fix='write one object a line: {"text": "..."}',
        )
    return value


def _text(file: Path, form: Form) -> Iterator[FileRow]:
    text = "".join(line for _, line in _lines(file, form))
    if text.strip():
        yield FileRow(file, 1, str(file), {"text": text})


_READERS: dict[str, Callable[[Path, Form], Iterator[FileRow]]] = {
    ".jsonl": _jsonl,
    ".json": _jsonl,
    ".csv": tables.comma_separated,
    ".tsv": tables.tab_separated,
    ".txt": _text,
    ".parquet": tables.parquet,
}
