"""Rows of a bias set's files, with all that its mapping puts beside their own fields."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rlp_core.data import expressions
from rlp_core.data.files import matching, read_rows, stem_of
from rlp_core.data.opening import FileRow, Form
from rlp_core.data.row import MappedRow, PassedOverError, Template, as_written, check_template
from rlp_core.errors import DataError
from rlp_core.evaluation.bias.set_fields import put_cut, put_found
from rlp_core.evaluation.bias_set_config import (
    BiasSet,
    ChoiceMapping,
    JoinedTable,
    PairMapping,
    RowsTogether,
    SetTable,
)

FOLDER_KEY = "evaluate.bias.folder"


class SetRows:
    """The rows of one set, in the order of its files.

    Args:
        name: of the set.
        settings: its file.
        folder: that its tables lie below.

    Attributes:
        left_out: rows that are no item, by the reason.

    Raises:
        ConfigError: a template is no format string, or `extract` no expression.
    """

    def __init__(self, name: str, settings: BiasSet, folder: Path) -> None:
        self.place = f"bias set {name}"
        self.source, self.folder = settings.source, folder
        self.mapping: PairMapping | ChoiceMapping = settings.mapping
        self.left_out: Counter[str] = Counter()
        for key, template in self.mapping.templates():
            check_template(template, f"{self.place}.mapping.{key} = {template!r}")
        self._expression = (
            expressions.compiled(self.mapping.extract, f"{self.place}.mapping.extract")
            if self.mapping.extract
            else None
        )

    def rows(self) -> Iterator[tuple[str, MappedRow]]:
        """A name that file and line make unique, and the row; rows that are left out are counted.

        Raises:
            MissingInputError: no file of the set is there.
            DataError: a file is none, lacks a field in use, or a row is not what the mapping says.
        """
        found = self._own()
        if self.mapping.together is not None:
            found = self._together(found, self.mapping.together)
        for identity, row in found:
            if self.holds(row, self.mapping.only, "only"):
                yield identity, row
            else:
                self.left_out["only"] += 1

    def fill(self, row: MappedRow, name: str, template: str) -> str:
        """One template of the mapping, filled.

        Raises:
            DataError: a field is missing or no text.
            NullFieldError: the row is to be left out.
        """
        # what names a choice may be a number, a whole one without `!s`
        numbers = name in ("stereotyped", "opposite", "unknown", "right")
        return Template(row, name, numbers=numbers).vformat(template, (), row.fields)

    def holds(self, row: MappedRow, wanted: dict[str, Any], user: str) -> bool:
        """Whether fields have the values that are wanted of them."""
        return all(as_written(row.value(n, user)) == as_written(v) for n, v in wanted.items())

    def _own(self) -> Iterator[tuple[str, MappedRow]]:
        joined = self.mapping.join and _Joined(self.mapping.join, self.folder, self)
        for read in _read(self.source, self.folder):
            row = MappedRow(read.fields, read.where, self.place, self.mapping.null)
            try:
                self._extract(row)
                if self.mapping.cut is not None:
                    put_cut(row, self.mapping.cut)
                put_found(row, self.mapping.lookup)
                if joined:
                    joined.put_beside(row)
            except PassedOverError as why:
                self.left_out[why.reason] += 1
                continue
            yield f"{stem_of(read.file)}/{read.number}", row

    def _extract(self, row: MappedRow) -> None:
        if self._expression is None:
            return
        field = self.mapping.extract_field
        found = self._expression.groups(row.text(field, "extract_field"))
        if found is None:
            raise DataError(
                f"the field `{field}` does not match `extract` as a whole",
                where=f"{row.where} ({self.place}.mapping.extract = {self.mapping.extract!r})",
                fix="mend the row, or widen the expression",
            )
        row.fields = row.fields | found

    def _together(
        self, rows: Iterable[tuple[str, MappedRow]], how: RowsTogether
    ) -> Iterator[tuple[str, MappedRow]]:
        groups: dict[str, dict[str, tuple[str, MappedRow]]] = {}
        for identity, row in rows:
            side = self.fill(row, "together.side", how.side)
            if side not in how.sides:
                self.left_out["side"] += 1
                continue
            key = self.fill(row, "together.key", how.key)
            members = groups.setdefault(key, {})
            if side in members:
                raise DataError(
                    f"two rows are {side!r} of {key!r}",
                    where=f"{members[side][1].where} and {row.where}",
                    fix="keep one of the two, or let `mapping.together.key` tell them apart",
                )
            members[side] = identity, row
        for key, members in groups.items():
            if absent := [side for side in how.sides if side not in members]:
                _, any_row = next(iter(members.values()))
                raise DataError(
                    f"{key!r} has no row {', '.join(map(repr, absent))}",
                    where=f"{any_row.where} ({self.place}.mapping.together)",
                    fix="add the row, or correct `mapping.together`",
                )
            yield self._joint(members, how.sides)

    def _joint(
        self, members: dict[str, tuple[str, MappedRow]], sides: tuple[str, ...]
    ) -> tuple[str, MappedRow]:
        identity, first = members[sides[0]]
        common = {
            name: value
            for name, value in first.fields.items()
            if all(row.fields.get(name) == value for _, row in members.values())
        }
        each = {side: members[side][1].fields for side in sides}
        return identity, MappedRow(common | each, first.where, self.place, self.mapping.null)


class _Joined:
    """The rows of a second table, by what they are found by."""

    def __init__(self, table: JoinedTable, folder: Path, rows: SetRows) -> None:
        self.table, self.rows = table, rows
        self.found: dict[str, dict[str, Any]] = {}
        for read in _read(table, folder):
            row = MappedRow(read.fields, read.where, rows.place, "refuse")
            key = rows.fill(row, "join.key", table.key)
            if key in self.found:
                raise DataError(
                    f"two rows of the joined table have the key {key!r}",
                    where=read.where,
                    fix="keep one of them, or let `mapping.join.key` tell them apart",
                )
            self.found[key] = read.fields

    def put_beside(self, row: MappedRow) -> None:
        key = self.rows.fill(row, "join.by", self.table.by)
        if self.table.name in row.fields:
            raise DataError(
                f"the row has a field `{self.table.name}` of its own",
                where=f"{row.where} ({row.place}.mapping.join.name)",
                fix="give the joined table another name",
            )
        if key not in self.found:
            raise DataError(
                f"the joined table has no row {key!r}",
                where=f"{row.where} ({row.place}.mapping.join)",
                fix=f"add it to {self.table.pattern}, or correct `mapping.join`",
            )
        row.fields = row.fields | {self.table.name: self.found[key]}


def _read(table: SetTable, folder: Path) -> Iterator[FileRow]:
    form = Form(table.max_line_bytes, table.separator, table.encoding)
    for file in matching(folder, table.pattern, FOLDER_KEY):
        yield from read_rows(file, form)
