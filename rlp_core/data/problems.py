"""A row to a problem: what is asked, the choices if there are any, and which answer is right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rlp_core.data.config import Mapping
from rlp_core.data.records import content_key
from rlp_core.data.row import MappedRow, Template, index_told
from rlp_core.errors import ConfigError, DataError

ALLOWED = (
    "prompt",
    "answer",
    "answer_index",
    "first_index",
    "choices",
    "choices_field",
    "choices_separator",
    "contexts",
    "continuation",
    "cluster",
    "difficulty",
)
"""Keys of `mapping` that a problem is made from."""


def check(mapping: Mapping, where: str) -> None:
    """Find fault with a problem's mapping before a row is read.

    Raises:
        ConfigError: keys that contradict each other, or one without what it belongs to.
    """
    faults = [
        (
            bool(mapping.answer) == bool(mapping.answer_index),
            "answer",
            "a problem needs the template `answer`, or else `answer_index`, and not both",
            'name the field with the answer: answer: "{field}"; or the one that says which '
            'choice is right: answer_index: "{label}"',
        ),
        (
            mapping.answer_index and not (mapping.choices or mapping.choices_field),
            "answer_index",
            "`answer_index` picks one of the choices, and there are none",
            'list them: choices: ["{choice1}", "{choice2}"]; or give `choices_field`',
        ),
        (
            mapping.first_index and not mapping.answer_index,
            "first_index",
            "`first_index` says how `answer_index` counts",
            "give `answer_index`, or take it out",
        ),
        (
            mapping.choices_separator and not mapping.choices_field,
            "choices_separator",
            "`choices_separator` parts the options in `choices_field`, and none is named",
            "give `choices_field`, or take it out",
        ),
        (
            bool(mapping.contexts) != bool(mapping.continuation),
            "contexts",
            "`contexts` and `continuation` belong together",
            "give both: what is read before each choice, and what follows it",
        ),
        (
            mapping.contexts and len(mapping.contexts) != len(mapping.choices),
            "contexts",
            f"{len(mapping.contexts)} `contexts` for {len(mapping.choices)} `choices`",
            "list the choices, and as many contexts",
        ),
    ]
    for holds, key, what, fix in faults:
        if holds:
            raise ConfigError(what, where=f"{where}.{key}", fix=fix)


def fields_of(mapping: Mapping, row: MappedRow) -> dict[str, Any]:
    """The problem's own fields, filled in.

    Raises:
        DataError: a field is missing or no text, `answer_index` picks no choice, or `difficulty`
            is no whole number.
    """

    def fill(name: str) -> str:
        return Template(row, name).vformat(getattr(mapping, name), (), row.fields)

    def fill_all(name: str) -> list[str]:
        return [
            Template(row, f"{name}[{index}]").vformat(template, (), row.fields)
            for index, template in enumerate(getattr(mapping, name))
        ]

    made: dict[str, Any] = {"prompt": fill("prompt")}
    if mapping.choices or mapping.choices_field:
        made["choices"] = fill_all("choices") + _listed(mapping, row)
    if mapping.contexts:
        made["contexts"] = fill_all("contexts")
        made["continuations"] = [fill("continuation")] * len(mapping.contexts)
    if mapping.cluster:
        made["cluster"] = content_key(fill("cluster"))  # what it is made from may be long
    if mapping.difficulty:
        told = Template(row, "difficulty", numbers=True)
        made["difficulty"] = _level(told.vformat(mapping.difficulty, (), row.fields), row)
    if mapping.answer:
        made["answer"] = fill("answer")
    else:
        index = Template(row, "answer_index", numbers=True)
        text = index.vformat(mapping.answer_index, (), row.fields).strip()
        made["answer"] = _indexed(text, made["choices"], mapping.first_index, row)
    return made


def _listed(mapping: Mapping, row: MappedRow) -> list[str]:
    name, separator = mapping.choices_field, mapping.choices_separator
    if not name:
        return []
    if not separator:
        return row.choices(name)
    return [
        part.strip() for part in row.text(name, "choices_field").split(separator) if part.strip()
    ]


def _level(told: str, row: MappedRow) -> int:
    text = told.strip()
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise DataError(
            f"`difficulty` gives {told[:60]!r}, which is no whole number",
            where=f"{row.where} ({row.place}.mapping.difficulty)",
            fix='name a field with a number, 0 or more: "{level}"; take it out of a text by '
            '`extract`; or count the steps in a list or text: "{steps!n}"',
        )
    return int(text)


def _indexed(told: str, choices: Sequence[str], first: int, row: MappedRow) -> str:
    """The choice that `answer_index` names, by a number, a letter, or of two by a truth value."""
    if told.lower() in ("false", "true") and len(choices) == 2:
        index = int(told.lower() == "true")
    else:
        index = index_told(told, first)
    if not 0 <= index < len(choices):
        raise DataError(
            f"`answer_index` gives {told[:60]!r}, and there are {len(choices)} choices, "
            f"numbered from {first}",
            where=f"{row.where} ({row.place}.mapping.answer_index)",
            fix="give the number or letter of a choice; `first_index: 1` where the first is 1",
        )
    return choices[index]
