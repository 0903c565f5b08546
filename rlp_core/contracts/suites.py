"""The suites: which rules hold for which part, and how severe each is.

This file is the contract to read. What a computed rule does stands in `table.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rlp_core.contracts.config import Validate
from rlp_core.contracts.rules import (
    Between,
    Check,
    Holds,
    Matches,
    NotMatches,
    NotNull,
    Rule,
    Severity,
    Unique,
)
from rlp_core.contracts.text import CONTROL, REPLACEMENT
from rlp_core.data.records import Demonstration, Document, Problem, kind_of
from rlp_core.data.thought import ThoughtConfig
from rlp_core.workspace import BENCHMARK_PART, REWARDED_PART, TRAINING_PARTS

CRITICAL, ERROR, WARNING = Severity.CRITICAL, Severity.ERROR, Severity.WARNING

PAYLOAD = {
    Document: ("text",),
    Demonstration: ("context", "thought", "continuation"),
    Problem: ("prompt", "answer"),
}
"""The fields that hold text, by kind."""

NEVER_EMPTY = {
    Document: ("text",),
    Demonstration: ("context", "continuation"),
    Problem: ("prompt", "answer"),
}
"""Those that must hold more than white space. A thought may be empty."""


def rules_for(
    part: str, settings: Validate, thought: ThoughtConfig, answer_tokens: int
) -> tuple[Rule, ...]:
    """The suite of a part.

    Args:
        part: one of `rlp_core.workspace.PARTS`.
        settings: section `validate`.
        thought: section `thought`; of it only the delimiters are read.
        answer_tokens: `evaluate.answer_tokens`, which an answer must fit into.
    """
    groups = [_identity(), _text(settings)]
    if part != "base":
        groups.append(_delimiters(thought))
    groups.append(_repetition(part, settings))
    if part in TRAINING_PARTS:
        groups.append(_separation(settings))
        if settings.heldout_worlds:
            groups.append(_heldout_worlds(settings))
    kind = kind_of(part)
    if kind is Document:
        spans = "every marked span is a non-empty piece of the text"
        groups.append(iter([_computed("spans", ERROR, spans)]))
    if kind is Problem:
        groups.append(_answers())
        severity = Severity(settings.unanswerable)
        groups.append(_answerable(severity))
        if part == BENCHMARK_PART:
            groups.append(_fitting(severity, answer_tokens))
    else:
        groups.append(_steps(settings))
    groups.append(_world())
    return tuple(rule for group in groups for rule in group)


def summary_rules(settings: Validate) -> tuple[Rule, ...]:
    """The suite of the summary, a table with a row per part."""
    return (
        Rule(
            "part_not_empty",
            CRITICAL,
            Between("rows_asked", 1, None),
            f"the part has at least one row; `{REWARDED_PART}` may be without a source",
        ),
        Rule(
            "part_complete",
            CRITICAL,
            Between("rows_missing", None, 0),
            "no row is missing that the manifest counts: the file is whole",
        ),
        Rule(
            "part_unchanged",
            WARNING,
            Between("changed", None, 0),
            "the file is byte for byte what `prepare` wrote",
        ),
        Rule(
            "quarantine_share",
            CRITICAL,
            Between("quarantine_share", None, settings.max_quarantine_share),
            f"at most {settings.max_quarantine_share:.1%} of the rows are quarantined",
        ),
        Rule(
            "group_balance",
            WARNING,
            Between("least_group_share", settings.min_group_share, None),
            f"each group has at least {settings.min_group_share:.0%} of the gendered terms",
        ),
    )


def _identity() -> Iterator[Rule]:
    yield _computed("schema", ERROR, "the row is a record of its kind: fields and types")
    for field in ("id", "key", "source", "licence"):
        yield Rule(f"{field}_given", ERROR, NotNull(field), f"`{field}` is there")
    yield Rule("id_unique", CRITICAL, Unique("id"), "no two rows of a part share an id")
    yield Rule(
        "key_is_hash",
        ERROR,
        Matches("key", r"^[0-9a-f]{32}$"),
        "`key` is a 128-bit content hash in hexadecimal digits",
    )


def _text(settings: Validate) -> Iterator[Rule]:
    yield _computed("not_empty", ERROR, "no text is empty or white space, a thought's excepted")
    yield Rule(
        "characters",
        ERROR,
        Between("characters", settings.min_chars, settings.max_chars),
        f"{settings.min_chars} to {settings.max_chars} characters in all",
    )
    yield Rule(
        "tokens",
        ERROR,
        Between("tokens", None, settings.max_tokens),
        f"at most {settings.max_tokens} tokens, counting words, numbers and signs",
    )
    yield Rule(
        "replacement_characters",
        ERROR,
        NotMatches("text", REPLACEMENT),
        "no U+FFFD: a decoder puts it where bytes were no text",
    )
    yield Rule(
        "control_characters",
        ERROR,
        NotMatches("text", CONTROL),
        "no control characters save tab, line feed and carriage return",
    )
    yield _computed("surrogates", ERROR, "no unpaired surrogates: UTF-8 cannot hold them")
    yield _computed("mojibake", WARNING, "no UTF-8 that was read as Windows-1252 (`Ã©` for `é`)")
    yield _computed(
        "personal_data",
        Severity(settings.personal_data),
        "no e-mail addresses and no telephone numbers",
    )


def _delimiters(thought: ThoughtConfig) -> Iterator[Rule]:
    either = f"{re.escape(thought.open)}|{re.escape(thought.close)}"
    yield Rule(
        "no_delimiters",
        ERROR,
        NotMatches("text", either),
        f"the text holds neither {thought.open} nor {thought.close}: no thought is in it",
    )


def _repetition(part: str, settings: Validate) -> Iterator[Rule]:
    chosen = None if settings.near_duplicates == "ignore" else Severity(settings.near_duplicates)
    exact = chosen if part in TRAINING_PARTS else chosen or WARNING
    if exact is not None:
        yield _computed("repeated", exact, "no earlier row of the part has the same content key")
    if chosen is not None:
        yield _computed(
            "near_duplicate",
            chosen,
            "no earlier row of the part has a Jaccard similarity of "
            f"{settings.near_duplicate_similarity:g} or more, over runs of three tokens",
        )


def _separation(settings: Validate) -> Iterator[Rule]:
    yield _computed("leak", ERROR, "the content key occurs in no evaluation part")
    yield _computed(
        "contamination",
        ERROR,
        f"shares at most {settings.contamination_share:.0%} of the "
        f"{settings.contamination_ngram}-grams with any evaluation record",
    )


def _heldout_worlds(settings: Validate) -> Iterator[Rule]:
    worlds = ", ".join(
        f"`{name}`" + (f" from {least} steps on" if least else "")
        for name, least in sorted(settings.heldout_worlds.items())
    )
    yield _computed("heldout_world", CRITICAL, f"no question is asked of the worlds {worlds}")


def _steps(settings: Validate) -> Iterator[Rule]:
    yield _computed(
        "steps_hold",
        Severity(settings.unsound_steps),
        "every equation that is shown is true (documents: in `<<...>>` marks only)",
    )


def _answers() -> Iterator[Rule]:
    yield _computed("answer_in_choices", ERROR, "with choices: the answer is one, none repeats")
    yield _computed("answer_number", ERROR, "an answer of digits and signs reads as a number")


def _answerable(severity: Severity) -> Iterator[Rule]:
    """What no model can give as an answer, and would count as wrong for ever."""
    yield Rule(
        "answer_one_line",
        severity,
        Between("answer_lines", None, 1),
        "the answer is one line: an answer that is given ends with its line",
    )


def _fitting(severity: Severity, answer_tokens: int) -> Iterator[Rule]:
    """Of the benchmarks alone: `rlvr` has its own limit, and counts what does not fit."""
    yield Rule(
        "answer_fits",
        severity,
        Between("answer_words", None, answer_tokens),
        f"the answer has at most {answer_tokens} words and numbers (`evaluate.answer_tokens`), "
        "each of which takes a token at least",
    )


def _world() -> Iterator[Rule]:
    yield _computed("answer_holds", ERROR, "a world with a verifier confirms the answer")


def _computed(name: str, severity: Severity, text: str) -> Rule:
    check: Check = Holds(name)
    return Rule(name, severity, check, text)
