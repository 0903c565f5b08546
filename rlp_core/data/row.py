"""A row's fields, the templates over them, and what to say when one is not what it should be."""

from __future__ import annotations

import difflib
import math
import re
import string
from typing import Any, ClassVar, Literal

from rlp_core.errors import ConfigError, DataError

Null = Literal["refuse", "skip", "empty"]

FIX_OF_NULL = (
    "mend the row; or set `mapping.null`: `skip` passes such rows over, and counts them, `empty` "
    "takes the field for an empty text"
)


class PassedOverError(Exception):
    """A row is to be passed over, and counted under `reason`."""

    reason: ClassVar[str]


class NullFieldError(PassedOverError):
    """A field in use is null, NaN or infinite, and `mapping.null` says to pass the row over."""

    reason = "null"


def is_null(value: Any) -> bool:
    """Whether a value stands for nothing: null, NaN or an infinity, of whichever library."""
    if value is None:
        return True
    if isinstance(value, str | bytes | list | dict | bool | int):
        return False
    try:
        return not math.isfinite(value)
    except (TypeError, ValueError, OverflowError):
        # Dates, tuples and the like are no numbers; pandas and numpy have nothings of their own.
        return str(value) in ("NaT", "<NA>")


def as_written(value: Any) -> str | None:
    """A value as JSON writes it, to compare by; None for what stands for nothing.

    The number 0, the text `0` and 0.0 are one, and so are true and the texts `true` and `True`.
    """
    if is_null(value):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, str):
        return value.lower() if value.lower() in ("true", "false") else value
    return str(value)


class MappedRow:
    """A row's fields, and what to say when one is not what it should be.

    Args:
        fields: by name.
        where: file and line, for messages.
        place: the source in `params.yaml`.
        null: what a field that stands for nothing is.
    """

    def __init__(
        self, fields: dict[str, Any], where: str, place: str, null: Null = "refuse"
    ) -> None:
        self.fields, self.where, self.place, self.null = fields, where, place, null

    def value(self, name: str, user: str) -> Any:
        """A field, whatever it holds."""
        if name not in self.fields:
            raise self.unknown(name, user)
        return self.fields[name]

    def text(self, name: str, user: str) -> str:
        """A field that must be text."""
        value = self.present(name, self.value(name, user), user)
        if not isinstance(value, str):
            raise self.wrong_type(name, value, user)
        return self.encodable(value, user)

    def present(self, name: str, value: Any, user: str) -> Any:
        """The value itself, or what `mapping.null` makes of one that stands for nothing.

        Raises:
            DataError: it stands for nothing, and that is refused.
            NullFieldError: the row is to be passed over.
        """
        if not is_null(value):
            return value
        if self.null == "empty":
            return ""
        if self.null == "skip":
            raise NullFieldError(name)
        raise DataError(
            f"the field `{name}` is {'null' if value is None else value}, which is no text",
            where=f"{self.where} ({self.place}.mapping.{user})",
            fix=FIX_OF_NULL,
        )

    def choices(self, name: str) -> list[str]:
        """A field that must be a list of texts."""
        value = self.value(name, "choices_field")
        if not isinstance(value, list) or not all(isinstance(choice, str) for choice in value):
            raise DataError(
                f"the field `{name}` is no list of texts: {short(value)}",
                where=f"{self.where} ({self.place}.mapping.choices_field)",
                fix="name the field that lists the options; where each has a field of its own: "
                'choices: ["{choice1}", "{choice2}"]',
            )
        return [self.encodable(choice, "choices_field") for choice in value]

    def encodable(self, text: str, user: str) -> str:
        """The text itself; JSON can write half a character, which no file can hold."""
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise DataError(
                f"half a character (a lone surrogate) at place {error.start} of {short(text)}",
                where=f"{self.where} ({self.place}.mapping.{user})",
                fix="write the character whole: the file was made with a broken encoding",
            ) from error
        return text

    def unknown(self, name: str, user: str) -> DataError:
        """The error for a field that is not there, with the nearest that is."""
        known = sorted(self.fields)
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"did you mean `{near[0]}`? " if near else ""
        return DataError(
            f"no field is called `{name}`",
            where=f"{self.where} ({self.place}.mapping.{user})",
            fix=f"{hint}the row has the fields {', '.join(known) or 'none'}",
        )

    def wrong_type(self, name: str, value: Any, user: str) -> DataError:
        """The error for a field that is no text."""
        number = isinstance(value, int | float)
        advice = f"; to take a number as it is written, use {{{name}!s}} in a template"
        inner = f"; to take a value inside it, use {{{name}[key]}} or {{{name}[0]}} in a template"
        return DataError(
            f"the field `{name}` is of type {type(value).__name__}, not a text: {short(value)}",
            where=f"{self.where} ({self.place}.mapping.{user})",
            fix=f"mend the row{advice if number else inner}",
        )


def check_template(template: str, where: str) -> None:
    """Find fault with a template before a row is read.

    Raises:
        ConfigError: it is no format string, or names no field.
    """
    try:
        names = [field for _, field, _, _ in string.Formatter().parse(template)]
    except ValueError as error:
        raise ConfigError(
            f"not a format string: {error}",
            where=where,
            fix="write fields as {field}, and a brace itself as {{ or }}",
        ) from error
    for field in names:
        if field is not None and (not field or field[0].isdigit() or "." in field):
            raise ConfigError(
                f"{{{field}}} is no name of a field",
                where=where,
                fix="write {field}, or {field[key]} for a value inside an object",
            )


class Template(string.Formatter):
    """Fills one template, and takes nothing for a text that is none.

    `!s` writes texts, numbers, truth values and dates, `!l` a list of texts, a line each, `!n` how
    many steps there are: entries of a list; of a text what lies between line ends and semicolons.
    Any other list, an object or bytes would become Python's notation, which stands in no file.

    Args:
        row: the row.
        name: of the template, for messages.
        numbers: whether a whole number needs no `!s`.
    """

    def __init__(self, row: MappedRow, name: str, *, numbers: bool = False) -> None:
        self.row, self.name, self.numbers = row, name, numbers

    def get_field(self, field_name: str, args: Any, kwargs: Any) -> Any:
        try:
            value, _ = super().get_field(field_name, args, kwargs)
        except (KeyError, IndexError, TypeError) as error:
            raise self.row.unknown(field_name, self.name) from error
        return (field_name, self.row.present(field_name, value, self.name)), field_name

    def convert_field(self, value: Any, conversion: Any) -> Any:
        field, inner = value
        if not conversion:
            return value
        if conversion == "l":
            return field, self._lines(field, inner)
        if conversion == "n":
            return field, self._steps(field, inner)
        if isinstance(inner, list | tuple | dict | set | bytes | bytearray):
            raise self.row.wrong_type(field, inner, self.name)
        try:
            return field, super().convert_field(inner, conversion)
        except ValueError as error:  # a whole number of thousands of digits
            raise self.row.wrong_type(field, "a number too long to write", self.name) from error

    def _lines(self, field: str, value: Any) -> str:
        """A list of texts, a line each."""
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise self.row.wrong_type(field, value, self.name)
        return "\n".join(value)

    def _steps(self, field: str, value: Any) -> str:
        """How many steps a list or text has."""
        if not isinstance(value, str | list):
            raise self.row.wrong_type(field, value, self.name)
        parts = re.split(r"[\n;]", value) if isinstance(value, str) else value
        return str(sum(1 for one in parts if not isinstance(one, str) or one.strip()))

    def format_field(self, value: Any, format_spec: str) -> str:
        field, inner = value
        plain = isinstance(inner, str) or (
            self.numbers and isinstance(inner, int) and not isinstance(inner, bool)
        )
        if not plain and not format_spec:
            raise self.row.wrong_type(field, inner, self.name)
        try:
            return self.row.encodable(format(inner, format_spec), self.name)
        except (TypeError, ValueError) as error:
            raise self.row.wrong_type(field, inner, self.name) from error


def index_told(told: str, first: int) -> int:
    """The index from 0 that a number or a letter tells; -1 where it is neither.

    Args:
        told: `2`, or `B`.
        first: the number of the first.
    """
    if len(told) == 1 and told.isascii() and told.isalpha():
        return ord(told.upper()) - ord("A")
    if told.isascii() and told.isdigit() and len(told) < 10:
        return int(told) - first
    return -1


def short(value: Any) -> str:
    """A value in a few characters, for messages."""
    try:
        text = repr(value)
    except ValueError:  # a whole number of thousands of digits
        return f"a {type(value).__name__} too long to write"
    return text if len(text) <= 60 else f"{text[:57]}..."
