"""Records of files that were named on the command line; the first wrong one ends the reading."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from rlp_core.data import files
from rlp_core.data.opening import Form
from rlp_core.data.records import Record
from rlp_core.errors import DataError, MissingInputError

R = TypeVar("R", bound=Record)

LONGEST_LINE = 10_000_000
"""Bytes of a line at most: a file that is no text at all does not fill the memory."""


def read_records(path: Path, kind: type[R], *, may_be_empty: bool = False) -> list[R]:
    """All records of a file, in any format that the project's sources may have.

    Args:
        path: of the file.
        kind: of its records.
        may_be_empty: whether a file without a byte holds no records, or is an error.

    Raises:
        MissingInputError: there is no such file, or it may not be read.
        DataError: it is empty; a row is no record of the kind; an id comes twice.
    """
    name = kind.__name__.lower()
    if not path.is_file():
        raise MissingInputError(
            f"no file with {name}s here",
            where=str(path),
            fix="name one, such as a part in data/validated that stage `validate` wrote",
        )
    if may_be_empty and path.stat().st_size == 0:
        return []
    records: list[R] = []
    seen: dict[str, str] = {}
    for row in files.read_rows(path, Form(LONGEST_LINE)):
        try:
            record = kind.model_validate(row.fields, strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(key) for key in first["loc"])
            raise DataError(
                f"no {name}: {f'`{place}`: ' if place else ''}{first['msg']}",
                where=row.where,
                fix=f"`rlp schema {name}` prints what one holds; stage `prepare` makes such "
                "records of other files",
            ) from error
        if record.id in seen:
            raise DataError(
                f"the id {record.id!r} comes twice, first at {seen[record.id]}",
                where=row.where,
                fix="give every record an id of its own",
            )
        seen[record.id] = row.where
        records.append(record)
    return records
