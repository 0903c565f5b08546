"""Small parts to validate: sound by default, with faults planted by the tests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rlp_core.contracts.config import Validate
from rlp_core.contracts.read import PreparedPart, RawRow
from rlp_core.contracts.suites import rules_for
from rlp_core.contracts.table import Evaluations, Table, build
from rlp_core.data.records import content_key, kind_of
from rlp_core.data.thought import ThoughtConfig
from rlp_core.files import sha256, write_json
from rlp_core.workspace import PARTS

THOUGHT = ThoughtConfig(open="<think>", close="</think>", max_tokens=8)

ANSWER_TOKENS = 4

SETTINGS = Validate(
    max_quarantine_share=0.5,
    min_chars=4,
    max_chars=400,
    max_tokens=60,
    contamination_ngram=5,
    contamination_share=0.5,
    near_duplicate_similarity=0.8,
    near_duplicates="error",
    personal_data="error",
    unsound_steps="error",
)

_BEASTS = ("badger", "heron", "otter", "weasel", "magpie", "hedgehog", "marten")
_VERBS = ("crosses", "watches", "leaves", "circles", "remembers")


def settings(**changes: Any) -> Validate:
    return SETTINGS.model_copy(update=changes)


def sentence(part: str, number: int) -> str:
    """A short text of its own for every part and number."""
    place = PARTS.index(part)
    beast, verb = _BEASTS[place], _VERBS[number % len(_VERBS)]
    return f"{beast} {number} {verb} valley {place} while {number + 7} clouds drift past {part}.\n"


def record(part: str, number: int = 0, **changes: Any) -> dict[str, Any]:
    """A sound record of a part's kind; `changes` replace or add fields."""
    text = sentence(part, number)
    base = {
        "id": f"{part}-{number}",
        "key": content_key(text),
        "source": "made-up",
        "licence": "CC0-1.0",
    }
    kind = kind_of(part).__name__
    own: Mapping[str, Any] = {
        "Document": {"text": text, "spans": [[0, 4]]},
        "Demonstration": {
            "context": text,
            "thought": f"{number} + 7 = {number + 7}",
            "continuation": "So be it.\n",
        },
        "Problem": {
            "prompt": text,
            "answer": f"{number + 7}",
            "choices": [],
            "benchmark": "made-up",
            "rule": "exact",
        },
    }[kind]
    if part == "rlvr":  # trained on, and of no benchmark
        own = {name: value for name, value in own.items() if name != "benchmark"}
    return {**base, **own, **changes}


def without(part: str, field: str) -> dict[str, Any]:
    row = record(part)
    del row[field]
    return row


def part_of(
    name: str, records: Sequence[dict[str, Any]], faults: Sequence[str] = ()
) -> PreparedPart:
    faults = faults or [""] * len(records)
    rows = tuple(RawRow(r, fault) for r, fault in zip(records, faults, strict=True))
    promised = {
        "records": len(rows),
        "sha256": "0",
        "kind": "document",
        "sources": [
            {"kind": "procedural", "name": "arithmetic"},
            {"kind": "procedural", "name": "occupations"},
            {"kind": "files", "name": "made-up"},
            {"kind": "files", "name": "mine"},
        ],
    }
    return PreparedPart(name, rows, promised, "0")


def measured(
    name: str,
    records: Sequence[dict[str, Any]],
    *,
    evaluations: Mapping[str, Sequence[dict[str, Any]]] | None = None,
    using: Validate = SETTINGS,
) -> Table:
    """The table of a part whose rows were read without a fault."""
    others = [part_of(key, value) for key, value in (evaluations or {}).items()]
    against = Evaluations(others, using.contamination_ngram)
    return build(
        part_of(name, records), rules_for(name, using, THOUGHT, ANSWER_TOKENS), against, using
    )


def write_prepared(folder: Path, changed: Mapping[str, Sequence[Any]] | None = None) -> None:
    """A prepared folder with six sound rows a part, or those of `changed`.

    A row that is text is written as it is: a line that may be no JSON.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = {}
    for name in PARTS:
        rows = (changed or {}).get(name) or [record(name, number) for number in range(6)]
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        path = folder / f"{name}.jsonl"
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        parts[name] = {
            "kind": kind_of(name).__name__.lower(),
            "records": len(rows),
            "sha256": sha256(path),
            "sources": [{"kind": "files", "name": "made-up", "licence": "CC0-1.0", "records": 6}],
        }
    write_json(folder / "manifest.json", {"format": 1, "seed": 1, "parts": parts})
