"""Marks answers as a task of lm-evaluation-harness does: its filters, then its exact match."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rlp_core.data.records import HarnessMarks
from rlp_core.errors import ConfigError


def until(text: str, stops: Sequence[str]) -> str:
    """The text before the first of the strings that end an answer."""
    found = [place for stop in stops if stop and (place := text.find(stop)) >= 0]
    return text[: min(found)] if found else text


def extracted(text: str, marks: HarnessMarks) -> str:
    """What the task's filters read out of an answer.

    Raises:
        ConfigError: a filter of that name is none of the harness's, or cannot read this.
    """
    from lm_eval.api.registry import get_filter

    answers: Any = [[until(text, marks.until)]]
    for described in marks.filters:
        kind, arguments = described["function"], dict(described.items())
        arguments.pop("function")
        try:
            answers = list(get_filter(kind)(**arguments).apply(answers, [{}]))
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise ConfigError(
                f"a task's filter {kind!r} cannot be applied: {error}",
                where="key filter_list of the task file",
                fix="use filters that read one answer alone: regex, remove_whitespace, lowercase, "
                "uppercase, map",
            ) from error
    return str(next(iter(answers[0])))


def is_right(text: str, marks: HarnessMarks) -> bool:
    """Whether an answer is one of the targets, by the task's `exact_match`."""
    from lm_eval.api.metrics import exact_match_hf_evaluate

    found = extracted(text, marks)
    arguments = dict(marks.arguments)
    return any(
        exact_match_hf_evaluate(predictions=[found], references=[target], **arguments)[
            "exact_match"
        ]
        for target in marks.targets
    )
