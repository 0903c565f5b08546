"""Fields that a bias set makes of a row's own: a text cut at a word, a label by a table.

Published files tell a word by its place in a text, and a label in words of their own (GAP: the
pronoun at character 383, `TRUE` and `FALSE` for two names).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from rlp_core.data.row import MappedRow, PassedOverError, Template
from rlp_core.errors import DataError
from rlp_core.evaluation.bias_set_config import CutField, Lookup


class NotListedError(PassedOverError):
    """A row says what its set's table does not list: it is no item."""

    reason: ClassVar[str] = "lookup"


def put_cut(row: MappedRow, cut: CutField) -> None:
    """Put `cut` beside the row's fields: the text before the word, and after it.

    Raises:
        DataError: the word does not stand where the row says, or the row has a field `cut`.
        NullFieldError: the row is to be left out.
    """
    text = row.text(cut.field, "cut.field")
    at = Template(row, "cut.at", numbers=True).vformat(cut.at, (), row.fields).strip()
    word = Template(row, "cut.word").vformat(cut.word, (), row.fields)
    # more digits than this are no place in any text, and would take long to read
    start = int(at) if at.isascii() and at.isdigit() and len(at) < 10 else -1
    if start < 0 or not word or not text.startswith(word, start):
        raise DataError(
            f"{word[:60]!r} does not stand at character {at[:20]!r} of the field `{cut.field}`",
            where=f"{row.where} ({row.place}.mapping.cut)",
            fix="places count characters from 0: mend the row, or correct `mapping.cut`",
        )
    _put(row, "cut", {"before": text[:start], "after": text[start + len(word) :]}, "cut")


def put_found(row: MappedRow, lookups: Mapping[str, Lookup]) -> None:
    """Put a field beside the row's own for each table, in the order of the file.

    Raises:
        DataError: the row has such a field already, or lacks one in use.
        NotListedError: a table does not list what the row says.
    """
    for name, lookup in lookups.items():
        user = f"lookup.{name}"
        told = Template(row, f"{user}.of").vformat(lookup.of, (), row.fields)
        if told not in lookup.table:
            raise NotListedError(told)
        _put(row, name, lookup.table[told], user)


def _put(row: MappedRow, name: str, value: object, user: str) -> None:
    if name in row.fields:
        raise DataError(
            f"the row has a field `{name}` of its own",
            where=f"{row.where} ({row.place}.mapping.{user})",
            fix="give the new field another name"
            if name != "cut"
            else "rename the field in the file: `cut` is what the mapping makes",
        )
    row.fields = row.fields | {name: value}
