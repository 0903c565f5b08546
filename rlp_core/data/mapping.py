"""Rows to records: templates over the fields of a row, as `params.yaml` writes them.

A `Mapper` is made once per source, and finds fault with the mapping itself before a row is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from rlp_core.data import equations, expressions, problems
from rlp_core.data.blocks import blocks_of, chunks
from rlp_core.data.config import Files, Hub, Mapping
from rlp_core.data.records import (
    Demonstration,
    Document,
    Problem,
    Record,
    content_key,
    hash_share,
    heldout,
)
from rlp_core.data.row import (
    MappedRow,
    PassedOverError,
    Template,
    as_written,
    check_template,
)
from rlp_core.errors import ConfigError, DataError

REQUIRED = {
    "document": (),
    "demonstration": ("context", "continuation"),
    "problem": ("prompt",),
}
ALLOWED = {
    "document": ("text", "answer_span"),
    "demonstration": ("context", "thought", "continuation"),
    "problem": problems.ALLOWED,
}
IDENTIFYING = {"document": "text", "demonstration": "context", "problem": "prompt"}
"""What makes two records the same where the mapping names no `key`."""
COMMON = ("only", "null", "extract_field", "extract", "equation", "key")
NO_TEMPLATES = (
    "only",
    "null",
    "extract",
    "extract_field",
    "equation",
    "first_index",
    "choices_field",
    "choices_separator",
)


class Mapper:
    """Makes records of one kind from the rows of one source.

    Args:
        source: the source, with its mapping, name and licence.
        kind: the record type of the part.
        share: held-out share of the content hashes, for `take`.
        place: where the source stands, for messages: `prepare.base[0]`.
        common: fields that every record carries besides source and licence.

    Attributes:
        passed_over: rows that became nothing, by the reason: `only`, `null`, `unequal` or
            `unwritable` (of `equation`), `hash_between`, `take` or `repeats`.
        left_in_gaps: characters left out between the sides of texts parted by `block_chars`.

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
        self.passed_over: Counter[str] = Counter()
        self.left_in_gaps = 0
        self._taken: set[str] = set()
        self._only = {name: as_written(value) for name, value in self.mapping.only.items()}
        self._check_templates()
        if kind is Problem:
            problems.check(self.mapping, f"{place}.mapping")
        self._check_cuts()
        self._expression = self._compile()

    def records(self, fields: dict[str, Any], identity: str, where: str) -> Iterator[Record]:
        """Yield what one row becomes: nothing, a record, or the chunks of a document.

        A row that is passed over becomes nothing. Which side of the split a
        row lies on is told by its key as a whole, so that the chunks of a text stay together; with
        `block_chars` a longer text lies on both sides, block by block.

        Args:
            fields: the row.
            identity: the id of the record; blocks and chunks append `.1`, `.2`, ...
            where: file and line, for messages.

        Raises:
            DataError: a field is missing, is no text, or does not match `extract`.
        """
        row = MappedRow(fields, where, self.place, self.mapping.null)
        if any(as_written(row.value(name, "only")) != v for name, v in self._only.items()):
            self.passed_over["only"] += 1
            return
        try:
            self._extract(row)
            self._work(row)
            made = self._fields(row)
            explicit = self._fill("key", row) if self.mapping.key else ""
        except PassedOverError as why:
            self.passed_over[why.reason] += 1
            return
        key = content_key(explicit or made[IDENTIFYING[self.kind.__name__.lower()]])
        common = {"source": self.source.name, "licence": self.source.licence, **self.common}
        low, high = self.source.hash_between
        if not low <= hash_share(key) < high:
            self.passed_over["hash_between"] += 1
            return
        pieces = self._pieces(made, key)
        if not pieces:
            self.passed_over["take"] += 1
        elif self.source.repeats == "skip":
            if key in self._taken:
                self.passed_over["repeats"] += 1
                return
            self._taken.add(key)
        whole = len(pieces) == 1 and not pieces[0][0]
        shared = bool(explicit) and not self._parted(made)
        for suffix, piece in pieces:
            own = key if shared or whole else content_key(piece["text"])
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
        templates = {name: getattr(self.mapping, name) for name in given - set(NO_TEMPLATES)}
        for several in ("choices", "contexts"):
            many = templates.pop(several, ())
            templates |= {f"{several}[{index}]": template for index, template in enumerate(many)}
        for name, template in sorted(templates.items()):
            check_template(template, f"{self.place}.mapping.{name} = {template!r}")

    def _check_cuts(self) -> None:
        kind = self.kind.__name__.lower()
        for option in ("chunk_chars", "block_chars"):
            if not getattr(self.source, option):
                continue
            if self.mapping.answer_span:
                raise ConfigError(
                    f"`answer_span` marks one place of a whole text, and `{option}` cuts the text",
                    where=f"{self.place}.mapping.answer_span",
                    fix="give one of the two",
                )
            if kind != "document":
                raise ConfigError(
                    f"a {kind} cannot be cut into pieces",
                    where=f"{self.place}.{option}",
                    fix="take it out",
                )

    def _compile(self) -> expressions.Expression | None:
        if bool(self.mapping.extract) != bool(self.mapping.extract_field):
            raise ConfigError(
                "`extract` and `extract_field` belong together",
                where=f"{self.place}.mapping",
                fix="give both: the field, and the regular expression that it must match",
            )
        if not self.mapping.extract:
            return None
        return expressions.compiled(self.mapping.extract, f"{self.place}.mapping.extract")

    # -------------------------------------------------------------------------- one row

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

    def _work(self, row: MappedRow) -> None:
        if self.mapping.equation is not None:
            row.fields = row.fields | equations.worked(row, self.mapping.equation)

    def _fields(self, row: MappedRow) -> dict[str, Any]:
        """The record's own fields, filled in."""
        if self.kind is Document:
            text = self._fill("text", row) if self.mapping.text else row.text("text", "text")
            spans = self._spans(text, row) if self.mapping.answer_span else []
            return {"text": text, "spans": spans}
        if self.kind is Demonstration:
            return {n: self._fill(n, row) for n in ALLOWED["demonstration"]}
        return problems.fields_of(self.mapping, row)

    def _fill(self, name: str, row: MappedRow) -> str:
        return Template(row, name).vformat(getattr(self.mapping, name), (), row.fields)

    def _spans(self, text: str, row: MappedRow) -> list[list[int]]:
        marked = self._fill("answer_span", row)
        start = text.rfind(marked)
        if start < 0 or not marked:
            raise DataError(
                f"`answer_span` gives {marked!r}, which does not stand in the text",
                where=f"{row.where} ({self.place}.mapping.answer_span)",
                fix="mark something that the template `text` holds",
            )
        return [[start, start + len(marked)]]

    def _parted(self, made: dict[str, Any]) -> bool:
        """Whether this text is parted between the sides within."""
        return 0 < self.source.block_chars < len(made.get("text", ""))

    def _pieces(self, made: dict[str, Any], key: str) -> list[tuple[str, dict[str, Any]]]:
        """What of a row lies on the side that is taken, in pieces: what each adds to the id.

        Of the pieces of a text only the one that holds its end says that the text ends there.
        """
        limit, take = self.source.chunk_chars, self.source.take
        if self._parted(made):
            text, source = made["text"], self.source
            sides = blocks_of(text, source.block_chars, source.gap_chars, self.share)
            kept = [
                (f".{b.number}", b.text, b.start + len(b.text) == len(text))
                for b in sides
                if b.heldout is (take == "heldout")
            ]
            self.left_in_gaps += len(text) - sum(len(block.text) for block in sides)
        elif take != "all" and heldout(key, self.share) is not (take == "heldout"):
            return []
        elif not limit or len(made["text"]) <= limit:
            return [("", made)]
        else:
            kept = [("", made["text"], True)]
        found: list[tuple[str, dict[str, Any]]] = []
        for suffix, text, last in kept:
            cut = list(chunks(text, limit)) if limit else [text]
            for number, piece in enumerate(cut, start=1):
                name = f"{suffix}.{number}" if len(cut) > 1 else suffix
                found.append((name, {"text": piece, "ends": last and number == len(cut)}))
        return found
