"""Columns for the checks: a part's rows measured, and each computed rule as a boolean column.

Pure functions of the rows: no Great Expectations here, so that each rule can be tested alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from rlp_core import environments
from rlp_core.contracts import text as texts
from rlp_core.contracts.config import Validate
from rlp_core.contracts.contamination import Contamination
from rlp_core.contracts.heldout_worlds import found_in
from rlp_core.contracts.near_duplicates import near_duplicates
from rlp_core.contracts.read import PreparedPart, RawRow
from rlp_core.contracts.rules import Holds, Rule
from rlp_core.contracts.steps import marked_steps, steps
from rlp_core.contracts.suites import NEVER_EMPTY, PAYLOAD
from rlp_core.data.records import Demonstration, Document, Problem, kind_of
from rlp_core.environments import Environment
from rlp_core.workspace import EVALUATION_PARTS, WEIGHED_RULES

_NUMERIC = frozenset("0123456789-+$€£.,/% ")
_NUMBER = re.compile(r"(?:[-+]?[$€£]?|[$€£][-+])(\d{1,3}(?:,\d{3})+|\d+)?(\.\d+)?(?:/(\d+))? ?%?")


@dataclass
class Table:
    """Columns of equal length, one entry per row, and why a computed rule failed.

    Attributes:
        name: the part, or `summary`.
        columns: by name; `row` numbers the rows from 0, `id` names them.
        evidence: rule to row to a short reason that a person can read.
    """

    name: str
    columns: dict[str, list[Any]]
    evidence: dict[str, dict[int, str]] = field(default_factory=dict)

    def fails(self, rule: str, reasons: Mapping[int, str]) -> None:
        """Add the boolean column of a computed rule: false in the rows that `reasons` names."""
        self.columns[Holds(rule).column] = [
            row not in reasons for row in range(len(self.columns["row"]))
        ]
        self.evidence[rule] = dict(reasons)


class Evaluations:
    """What training records are held against: keys and n-grams of all evaluation records."""

    def __init__(self, parts: Iterable[PreparedPart], n: int) -> None:
        """Collect keys and prompts; `n` as in `validate.contamination_ngram`."""
        rows = [
            (f"{part.name} {row.name(number)}", row, _question(part.name, row))
            for part in parts
            if part.name in EVALUATION_PARTS
            for number, row in enumerate(part.rows)
            if row.record.get("role") != "example"  # shown, never asked: training may have it
        ]
        self._names = [name for name, _, _ in rows]
        self.keys: dict[str, str] = {}
        for name, row, _ in rows:
            if row.text("key"):
                self.keys.setdefault(row.text("key"), name)
        self._grams = Contamination((question for _, _, question in rows), n)

    def overlap(self, text: str) -> tuple[str, float]:
        """The evaluation record that a text shares most with, and the share."""
        found = self._grams.of(text)
        return ("", 0.0) if found is None else (self._names[found.evaluation], found.share)


def build(
    part: PreparedPart, rules: Sequence[Rule], evaluations: Evaluations, settings: Validate
) -> Table:
    """Measure a part: every column that its rules name."""
    # What UTF-8 cannot hold is spelled out, so that every library can pass the text on.
    raw = [joined(part.name, row) for row in part.rows]
    whole = [text.encode("utf-8", "backslashreplace").decode() for text in raw]
    table = Table(
        part.name,
        {
            "row": list(range(len(part.rows))),
            **{
                name: [_plain(row.record.get(name)) for row in part.rows]
                for name in ("id", "key", "source", "licence")
            },
            "text": whole,
            "characters": [len(text) for text in raw],
            "tokens": [len(texts.tokens(text)) for text in raw],
        },
    )
    if kind_of(part.name) is Problem:
        answers = [  # what is weighed is not written, and may be of any length
            "" if row.text("rule") in WEIGHED_RULES else row.text("answer").strip()
            for row in part.rows
        ]
        table.columns["answer_lines"] = [answer.count("\n") + 1 for answer in answers]
        table.columns["answer_words"] = [texts.least_tokens(answer) for answer in answers]
    across = _across_rows(part, whole, evaluations, settings)
    for rule in rules:
        if not isinstance(rule.check, Holds):
            continue
        if rule.name in across:
            table.fails(rule.name, across[rule.name]())
            continue
        judge = _JUDGES[rule.name]
        verdicts = ((number, judge(part, row)) for number, row in enumerate(part.rows))
        table.fails(rule.name, {number: reason for number, reason in verdicts if reason})
    return table


def joined(part: str, row: RawRow) -> str:
    """All text of a record, as it is read from top to bottom."""
    return "".join(row.text(name) for name in PAYLOAD[kind_of(part)])


def _question(part: str, row: RawRow) -> str:
    return row.text("prompt" if kind_of(part) is Problem else "text")


def _plain(value: Any) -> str | None:
    """An identifier as text: what is no text is written as JSON, and nothing stays nothing."""
    if value is None:
        return None
    plain = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return plain.encode("utf-8", "backslashreplace").decode()


# ------------------------------------------------------------------ rules over several rows


def _across_rows(
    part: PreparedPart, whole: Sequence[str], evaluations: Evaluations, settings: Validate
) -> dict[str, Callable[[], dict[int, str]]]:
    return {
        "repeated": lambda: _repeated(part),
        "near_duplicate": lambda: {
            number: f"resembles {part.rows[other].name(other)}"
            for number, other in near_duplicates(whole, settings.near_duplicate_similarity).items()
        },
        "leak": lambda: {
            number: f"same as {evaluations.keys[row.text('key')]}"
            for number, row in enumerate(part.rows)
            if row.text("key") in evaluations.keys
        },
        "contamination": lambda: _contaminated(whole, evaluations, settings.contamination_share),
        "heldout_world": lambda: {
            number: reason
            for number, text in enumerate(whole)
            if (reason := found_in(text, settings.heldout_worlds))
        },
    }


def _repeated(part: PreparedPart) -> dict[int, str]:
    first: dict[str, int] = {}
    found: dict[int, str] = {}
    for number, row in enumerate(part.rows):
        key = row.text("key")
        if key and first.setdefault(key, number) != number:
            found[number] = f"same as {part.rows[first[key]].name(first[key])}"
    return found


def _contaminated(whole: Sequence[str], evaluations: Evaluations, limit: float) -> dict[int, str]:
    found = {}
    for number, text in enumerate(whole):
        name, share = evaluations.overlap(text)
        if share > limit:
            found[number] = f"{share:.0%} shared with {name}"
    return found


# ------------------------------------------------------------------------ rules over one row


def _schema(_part: PreparedPart, row: RawRow) -> str:
    return row.fault


def _not_empty(part: PreparedPart, row: RawRow) -> str:
    empty = [name for name in NEVER_EMPTY[kind_of(part.name)] if not row.text(name).strip()]
    return ", ".join(f"`{name}`" for name in empty)


def _surrogates(_part: PreparedPart, row: RawRow) -> str:
    whole = json.dumps(row.record, ensure_ascii=False)
    return "half a pair" if texts.has_unpaired_surrogate(whole) else ""


def _mojibake(part: PreparedPart, row: RawRow) -> str:
    return texts.mojibake(joined(part.name, row)) or ""


def _personal_data(part: PreparedPart, row: RawRow) -> str:
    return texts.personal_data(joined(part.name, row)) or ""


def _spans(_part: PreparedPart, row: RawRow) -> str:
    spans, length = row.record.get("spans"), len(row.text("text"))
    if row.fault or not isinstance(spans, list):
        return ""
    wrong = [span for span in spans if not 0 <= span[0] < span[1] <= length]
    return f"{wrong[0]} in a text of {length} characters" if wrong else ""


def _steps_hold(part: PreparedPart, row: RawRow) -> str:
    world = _environment(part, row)
    if world is not None:
        return _first_unsound(world, part, row)
    found = (
        steps(row.text("thought") + "\n" + row.text("continuation"))
        if kind_of(part.name) is Demonstration
        else marked_steps(row.text("text"))
    )
    return next((step.text for step in found if not step.holds), "")


def _first_unsound(world: Environment[Any, Any], part: PreparedPart, row: RawRow) -> str:
    """By the world's own step checker. A row that asks nothing is for `answer_holds` to tell."""
    task = world.parse(_asked(part, row))
    if task is None:
        return ""
    shown = world.steps(row.text("thought") or row.text("text"))
    return next((step for step in shown if world.check_step(task, step) is False), "")


def _answer_in_choices(_part: PreparedPart, row: RawRow) -> str:
    choices = row.record.get("choices")
    if row.fault or not isinstance(choices, list) or not choices:
        return ""
    if row.text("answer") not in choices:
        return f"{row.text('answer')!r} is none of {len(choices)}"
    return "a choice comes twice" if len(set(choices)) < len(choices) else ""


def _answer_number(_part: PreparedPart, row: RawRow) -> str:
    answer = row.text("answer").strip()
    numeric = set(answer) <= _NUMERIC and any(sign.isdigit() for sign in answer)
    if row.record.get("choices") or not numeric:
        return ""
    return "" if _reads_as_number(answer) else repr(answer)


def _reads_as_number(answer: str) -> bool:
    found = _NUMBER.fullmatch(answer)
    if found is None or not (found[1] or found[2]):
        return False
    return found[3] is None or Fraction(found[3]) != 0


def _answer_holds(part: PreparedPart, row: RawRow) -> str:
    """The world's verifier; a source without one is not judged."""
    world = _environment(part, row)
    if world is None or row.fault:
        return ""
    task = world.parse(_asked(part, row))
    if task is None:
        return "asks no question of this world"
    for answer in _given_answers(kind_of(part.name), row):
        if not world.verify(task, answer):
            right = world.expert(task).answer
            return f"{world.question(task)} is {right}, not {answer!r}"
    return ""


def _environment(part: PreparedPart, row: RawRow) -> Environment[Any, Any] | None:
    """The world that made a row, by the part's manifest, where it can judge answers and steps.

    A user's own source may be called as a world is, and yet ask something else.
    """
    name = row.text("source")
    if name not in part.worlds:
        return None
    world = environments.get(name)
    return world if isinstance(world, Environment) else None


def _asked(part: PreparedPart, row: RawRow) -> str:
    kind = kind_of(part.name)
    return row.text({Document: "text", Demonstration: "context", Problem: "prompt"}[kind])


def _given_answers(kind: type, row: RawRow) -> list[str]:
    if kind is Document:
        return [row.text("text")[start:end].strip() for start, end in row.record.get("spans", [])]
    return [row.text("continuation" if kind is Demonstration else "answer").strip()]


_JUDGES: dict[str, Callable[[PreparedPart, RawRow], str]] = {
    "schema": _schema,
    "not_empty": _not_empty,
    "surrogates": _surrogates,
    "mojibake": _mojibake,
    "personal_data": _personal_data,
    "spans": _spans,
    "steps_hold": _steps_hold,
    "answer_in_choices": _answer_in_choices,
    "answer_number": _answer_number,
    "answer_holds": _answer_holds,
}
