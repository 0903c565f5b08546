"""Bytes of a file to lines of text: compression and encoding told by the bytes, not by the name.

What is told for certain (gzip, a byte-order mark) is read. What can only be guessed, or cannot be
read, is an error that names it and says what to do.
"""

from __future__ import annotations

import codecs
import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from rlp_core.errors import DataError

GZIP = b"\x1f\x8b"
FOREIGN: tuple[tuple[bytes, str, str], ...] = (
    (b"PK\x03\x04", "a zip archive", "unpack it with `unzip`, and name the files inside"),
    (b"BZh", "compressed by bzip2", "unpack it with `bunzip2`, or compress it with gzip"),
    (b"\xfd7zXZ\x00", "compressed by xz", "unpack it with `unxz`, or compress it with gzip"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd", "unpack it with `unzstd`"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it, and name the files inside"),
    (b"PAR1", "a parquet file", "let its name end in .parquet"),
    (b"%PDF-", "a PDF", "take the text out of it first, for example with `pdftotext`"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file", "fetch it: `git lfs pull`"),
)
"""First bytes, what they say, and what to do."""

MARKS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark begins the same
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""Byte-order marks, and the encoding that each tells."""


@dataclass(frozen=True)
class Form:
    """How a file is written, where its name and its bytes do not tell.

    Attributes:
        max_line_bytes: a longer line is an error.
        separator: between the fields of a table; empty: a comma in csv, a tab in tsv.
        encoding: of a text; empty: by its byte-order mark, else UTF-8.
    """

    max_line_bytes: int
    separator: str = ""
    encoding: str = ""


@dataclass(frozen=True)
class FileRow:
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


def open_bytes(file: Path) -> io.BufferedIOBase:
    """The content, uncompressed where it is gzip, whatever its name."""
    with file.open("rb") as handle:
        start = handle.read(len(GZIP))
    if start == GZIP or file.suffix == ".gz":
        return cast("io.BufferedIOBase", gzip.open(file))
    return file.open("rb")


def lines(file: Path, max_line_bytes: int, encoding: str = "") -> Iterator[tuple[int, str]]:
    """Number, from 1, and text of every line, with its end. A byte-order mark is taken off.

    Args:
        file: a text, compressed by gzip or not.
        max_line_bytes: a longer line is an error; it is never read whole.
        encoding: of the text; empty: by its byte-order mark, else UTF-8.

    Raises:
        DataError: a line that is too long or not of the encoding; a file that is no text.
    """
    with open_bytes(file) as handle:
        encoding = _encoding(handle, file, encoding)
        if encoding.startswith(("utf-16", "utf-32")):
            yield from _wide_lines(handle, file, max_line_bytes, encoding)
            return
        number = 0
        while line := handle.readline(max_line_bytes + 1):
            number += 1
            if len(line) > max_line_bytes:
                raise _too_long(file, number, max_line_bytes)
            try:
                yield number, line.decode(encoding)
            except UnicodeDecodeError as error:
                raise _undecodable(file, number, encoding, line, error) from error


def _wide_lines(
    handle: IO[bytes] | io.BufferedIOBase, file: Path, max_line_bytes: int, encoding: str
) -> Iterator[tuple[int, str]]:
    """Lines of UTF-16 or UTF-32, where a line end is more than a byte."""
    width = 2 if encoding.startswith("utf-16") else 4
    number = 0
    with io.TextIOWrapper(cast("IO[bytes]", handle), encoding, newline="\n") as text:
        while True:
            number += 1
            try:
                line = text.readline(max_line_bytes // width + 1)
            except UnicodeDecodeError as error:
                raise DataError(
                    f"not {encoding.upper()}: {error.reason}",
                    where=f"{file}, line {number} or shortly after",
                    fix="fetch the file again: it may be cut off; or set the source's `encoding`",
                ) from error
            if not line:
                return
            if len(line) > max_line_bytes // width:
                raise _too_long(file, number, max_line_bytes)
            yield number, line


def _encoding(handle: io.BufferedIOBase, file: Path, given: str) -> str:
    """The encoding of an open file, which is left standing behind its byte-order mark."""
    start = handle.read(64)
    for first, what, fix in FOREIGN:
        if start.startswith(first):
            raise DataError(f"the file is {what}", where=str(file), fix=fix)
    for mark, told in MARKS:
        if start.startswith(mark) and (not given or _same_family(given, told)):
            handle.seek(len(mark))
            return told
    handle.seek(0)
    if given:
        return codecs.lookup(given).name
    zeros = start[1::2].count(0), start[0::2].count(0)
    if len(start) >= 4 and max(zeros) > len(start) // 4:
        guess = "utf-16-le" if zeros[0] > zeros[1] else "utf-16-be"
        raise DataError(
            "the file has zero bytes between its letters: it seems to be UTF-16 without its mark",
            where=str(file),
            fix=f"set `encoding: {guess}` in the source, or convert it: "
            f"`iconv -f {guess} -t utf-8`",
        )
    return "utf-8"


def _same_family(given: str, told: str) -> bool:
    """Whether an encoding that was asked for is the one of a mark: `utf-16` is `utf-16-le`."""
    return told.startswith(codecs.lookup(given).name.removesuffix("-sig"))


def _too_long(file: Path, number: int, limit: int) -> DataError:
    return DataError(
        f"the line is longer than {limit} bytes",
        where=f"{file}, line {number}",
        fix="cut it, or raise `max_line_bytes`: in section `prepare`, or in the bias set's file",
    )


def _undecodable(
    file: Path, number: int, encoding: str, line: bytes, error: UnicodeDecodeError
) -> DataError:
    return DataError(
        f"not {encoding.upper()}: byte 0x{line[error.start]:02x} at column {error.start + 1}",
        where=f"{file}, line {number}",
        fix="set `encoding` in the source to what it is, for example `cp1252` for Western texts of "
        "Windows, `latin-1`, `gb18030`; or mend the line",
    )
