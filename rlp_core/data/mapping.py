"""Rows to records: templates over the fields of a row, as `params.yaml` writes them.

A `Mapper` is made once per source, and finds fault with the mapping itself before a row is read.
"""

from __future__ import annotations

import difflib
import re
import string
from collections.abc import Iterator
from typing import Any

from rlp_core.data.records import Demonstration, Document, Record, content_key, heldout
from rlp_core.errors import ConfigError, DataError
from rlp_core.params import Files, Hub, Mapping

REQUIRED = {
    "document": (),
    "demonstration": ("context", "continuation"),
    "problem": ("prompt", "answer"),
}
ALLOWED = {
    "document": ("text", "answer_span"),
    "demonstration": ("context", "thought", "continuation"),
    "problem": ("prompt", "answer", "choices_field"),
}
IDENTIFYING = {"document": "text", "demonstration": "context", "problem": "prompt"}
"""What makes two records the same where the mapping names no `key`."""
COMMON = ("only", "extract_field", "extract", "key")


class Mapper:
    """Makes records of one kind from the rows of one source.

    Args:
        source: the source, with its mapping, name and licence.
        kind: the record type of the part.
        share: held-out share of the content hashes, for `take`.
        place: where the source stands, for messages: `prepare.base[0]`.
        common: fields that every record carries besides source and licence.

    Raises:
        ConfigError: the mapping lacks a template, has one that the kind has no use for, or one
            that is no format string or regular expression.
    """

    def __init__(
        self,
        source: Files | Hub,
        kind: type[Record],
        share: float,
        place: str,
        common: dict[str, str] | None = None,
    ) -> None:
        self.common = common or {}
        self.source, self.kind, self.share, self.place = source, kind, share, place
        self.mapping = source.mapping
        self._check_templates()
        self._expression = self._compile()

    def records(self, fields: dict[str, Any], identity: str, where: str) -> Iterator[Record]:
        """Yield what one row becomes: nothing, a record, or the chunks of a document.

        A row that `only` or `take` passes over becomes nothing. Which side of the split a row
        lies on is told by its key as a whole, so that the chunks of a text stay together.

        Args:
            fields: the row.
            identity: the id of the record; chunks append `.1`, `.2`, ...
            where: file and line, for messages.

        Raises:
            DataError: a field is missing, is no text, or does not match `extract`.
        """
        row = _Row(fields, where, self.place)
        if any(row.text(name, "only") != value for name, value in self.mapping.only.items()):
            return
        self._extract(row)
        made = self._fields(row)
        explicit = self._fill("key", row) if self.mapping.key else ""
        key = content_key(explicit or made[IDENTIFYING[self.kind.__name__.lower()]])
        take = self.source.take
        if take != "all" and heldout(key, self.share) is not (take == "heldout"):
            return
        common = {"source": self.source.name, "licence": self.source.licence, **self.common}
        pieces = self._pieces(made)
        for number, piece in enumerate(pieces, start=1):
            suffix = f".{number}" if len(pieces) > 1 else ""
            own = key if explicit or len(pieces) == 1 else content_key(piece["text"])
            yield self.kind(id=identity + suffix, key=own, **common, **piece)

    # ------------------------------------------------------------------- check of the mapping

    def _check_templates(self) -> None:
        kind = self.kind.__name__.lower()
        given = {name for name in Mapping.model_fields if getattr(self.mapping, name)}
        for name in REQUIRED[kind]:
            if name not in given:
                raise ConfigError(
                    f"a {kind} needs the template `{name}`",
                    where=f"{self.place}.mapping.{name}",
                    fix=f'name a field of the file: {name}: "{{field}}"',
                )
        for name in sorted(given - set(ALLOWED[kind]) - set(COMMON)):
            raise ConfigError(
                f"a {kind} has no use for `{name}`",
                where=f"{self.place}.mapping.{name}",
                fix=f"take it out; a {kind} is made from {', '.join(ALLOWED[kind])}",
            )
        if self.mapping.answer_span and self.source.chunk_chars:
            raise ConfigError(
                "`answer_span` marks one place of a whole text, and `chunk_chars` cuts the text",
                where=f"{self.place}.mapping.answer_span",
                fix="give one of the two",
            )
        if self.source.chunk_chars and kind != "document":
            raise ConfigError(
                f"a {kind} cannot be cut into chunks",
                where=f"{self.place}.chunk_chars",
                fix="take it out",
            )
        for name in sorted(given - {"only", "extract", "extract_field", "choices_field"}):
            self._check_template(name)

    def _check_template(self, name: str) -> None:
        template = getattr(self.mapping, name)
        try:
            names = [field for _, field, _, _ in string.Formatter().parse(template)]
        except ValueError as error:
            raise ConfigError(
                f"not a format string: {error}",
                where=f"{self.place}.mapping.{name} = {template!r}",
                fix="write fields as {field}, and a brace itself as {{ or }}",
            ) from error
        for field in names:
            if field is not None and (not field or field[0].isdigit() or "." in field):
                raise ConfigError(
                    f"{{{field}}} is no name of a field",
                    where=f"{self.place}.mapping.{name} = {template!r}",
                    fix="write {field}, or {field[key]} for a value inside an object",
                )

    def _compile(self) -> re.Pattern[str] | None:
        if bool(self.mapping.extract) != bool(self.mapping.extract_field):
            raise ConfigError(
                "`extract` and `extract_field` belong together",
                where=f"{self.place}.mapping",
                fix="give both: the field, and the regular expression that it must match",
            )
        if not self.mapping.extract:
            return None
        try:
            expression = re.compile(self.mapping.extract)
        except re.error as error:
            raise ConfigError(
                f"not a regular expression: {error}",
                where=f"{self.place}.mapping.extract = {self.mapping.extract!r}",
                fix="see the documentation of Python's `re`",
            ) from error
        if not expression.groupindex:
            raise ConfigError(
                "the regular expression has no named group, so it adds no field",
                where=f"{self.place}.mapping.extract = {self.mapping.extract!r}",
                fix="name its groups: (?P<final>...)",
            )
        return expression

    # -------------------------------------------------------------------------- one row

    def _extract(self, row: _Row) -> None:
        if self._expression is None:
            return
        field = self.mapping.extract_field
        found = self._expression.fullmatch(row.text(field, "extract_field"))
        if found is None:
            raise DataError(
                f"the field `{field}` does not match `extract` as a whole",
                where=f"{row.where} ({self.place}.mapping.extract = {self.mapping.extract!r})",
                fix="mend the row, or widen the expression",
            )
        row.fields = row.fields | found.groupdict(default="")

    def _fields(self, row: _Row) -> dict[str, Any]:
        """The record's own fields, filled in."""
        if self.kind is Document:
            text = self._fill("text", row) if self.mapping.text else row.text("text", "text")
            spans = self._spans(text, row) if self.mapping.answer_span else []
            return {"text": text, "spans": spans}
        if self.kind is Demonstration:
            return {n: self._fill(n, row) for n in ALLOWED["demonstration"]}
        made: dict[str, Any] = {n: self._fill(n, row) for n in REQUIRED["problem"]}
        if self.mapping.choices_field:
            made["choices"] = row.choices(self.mapping.choices_field)
        return made

    def _fill(self, name: str, row: _Row) -> str:
        return _Template(row, name).vformat(getattr(self.mapping, name), (), row.fields)

    def _spans(self, text: str, row: _Row) -> list[list[int]]:
        marked = self._fill("answer_span", row)
        start = text.rfind(marked)
        if start < 0 or not marked:
            raise DataError(
                f"`answer_span` gives {marked!r}, which does not stand in the text",
                where=f"{row.where} ({self.place}.mapping.answer_span)",
                fix="mark something that the template `text` holds",
            )
        return [[start, start + len(marked)]]

    def _pieces(self, made: dict[str, Any]) -> list[dict[str, Any]]:
        limit = self.source.chunk_chars
        if not limit or len(made["text"]) <= limit:
            return [made]
        return [{"text": piece} for piece in chunks(made["text"], limit)]


class _Row:
    """A row's fields, and what to say when one is not what it should be."""

    def __init__(self, fields: dict[str, Any], where: str, place: str) -> None:
        self.fields, self.where, self.place = fields, where, place

    def value(self, name: str, user: str) -> Any:
        if name not in self.fields:
            raise self.unknown(name, user)
        return self.fields[name]

    def text(self, name: str, user: str) -> str:
        value = self.value(name, user)
        if not isinstance(value, str):
            raise self.wrong_type(name, value, user)
        return self.encodable(value, user)

    def choices(self, name: str) -> list[str]:
        value = self.value(name, "choices_field")
        if not isinstance(value, list) or not all(isinstance(choice, str) for choice in value):
            raise DataError(
                f"the field `{name}` is no list of texts: {_short(value)}",
                where=f"{self.where} ({self.place}.mapping.choices_field)",
                fix="name the field that lists the options",
            )
        return [self.encodable(choice, "choices_field") for choice in value]

    def encodable(self, text: str, user: str) -> str:
        """The text itself; JSON can write half a character, which no file can hold."""
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise DataError(
                f"half a character (a lone surrogate) at place {error.start} of {_short(text)}",
                where=f"{self.where} ({self.place}.mapping.{user})",
                fix="write the character whole: the file was made with a broken encoding",
            ) from error
        return text

    def unknown(self, name: str, user: str) -> DataError:
        known = sorted(self.fields)
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"did you mean `{near[0]}`? " if near else ""
        return DataError(
            f"no field is called `{name}`",
            where=f"{self.where} ({self.place}.mapping.{user})",
            fix=f"{hint}the row has the fields {', '.join(known) or 'none'}",
        )

    def wrong_type(self, name: str, value: Any, user: str) -> DataError:
        return DataError(
            f"the field `{name}` is of type {type(value).__name__}, not a text: {_short(value)}",
            where=f"{self.where} ({self.place}.mapping.{user})",
            fix=f"mend the row; to take a number as it is written, use {{{name}!s}} in a template",
        )


class _Template(string.Formatter):
    """Fills one template, and takes nothing for a text that is none."""

    def __init__(self, row: _Row, name: str) -> None:
        self.row, self.name = row, name

    def get_field(self, field_name: str, args: Any, kwargs: Any) -> Any:
        try:
            value, _ = super().get_field(field_name, args, kwargs)
        except (KeyError, IndexError, TypeError) as error:
            raise self.row.unknown(field_name, self.name) from error
        return (field_name, value), field_name

    def convert_field(self, value: Any, conversion: Any) -> Any:
        field, inner = value
        if conversion:
            return field, super().convert_field(inner, conversion)
        return value

    def format_field(self, value: Any, format_spec: str) -> str:
        field, inner = value
        if not isinstance(inner, str) and not format_spec:
            raise self.row.wrong_type(field, inner, self.name)
        try:
            return self.row.encodable(format(inner, format_spec), self.name)
        except (TypeError, ValueError) as error:
            raise self.row.wrong_type(field, inner, self.name) from error


def chunks(text: str, limit: int) -> Iterator[str]:
    """Cut a text into pieces of at most `limit` characters; joined they give it back.

    A piece ends behind the last line end in the second half of what fits (a cut in the first half
    would leave scraps), else behind the last space there, else anywhere.
    """
    start = 0
    while len(text) - start > limit:
        middle = start + limit // 2
        end = start + limit
        for mark in ("\n", " "):
            if (found := text.rfind(mark, middle, start + limit)) >= 0:
                end = found + 1
                break
        yield text[start:end]
        start = end
    yield text[start:]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
