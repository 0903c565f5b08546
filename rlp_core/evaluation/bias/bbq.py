"""BBQ: questions on people, with and without the evidence to answer them (Parrish et al. 2022).

Reads the published files (`Age.jsonl`, ..., each also gzipped). Which answer is the biased one is
derived as the authors describe: the stereotyped group's in a negative question, the other's in a
non-negative one. Where both answers name the same group, or neither does, no answer is the biased
one; such rows are left out and counted.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rlp_core.errors import DataError, MissingInputError
from rlp_core.evaluation.bias.items import ChoiceItem, draw

_ANSWERS = (0, 1, 2)
_FIX = "use the data files of github.com/nyu-mll/BBQ as they were published"


def load(folder: Path, per_category: int, seed: int) -> list[ChoiceItem]:
    """All categories in a folder.

    Args:
        folder: holds one file per category.
        per_category: items at most, drawn by content hash; 0: all.
        seed: of the draw.

    Returns:
        Items with meta `target` (the biased choice), `unknown` and `label` (choices),
        `ambiguous`, and `left_out`: rows of the category that have no biased answer.

    Raises:
        MissingInputError: no folder, or no file in it.
        DataError: a row is not one of BBQ; names file and line.
    """
    files = sorted([*folder.glob("*.jsonl"), *folder.glob("*.jsonl.gz")])
    if not files:
        raise MissingInputError(
            "no file of BBQ here",
            where=str(folder),
            fix="set evaluate.bias.bbq to the folder with Age.jsonl and the others, or leave it "
            "empty to do without BBQ",
        )
    items: list[ChoiceItem] = []
    for path in files:
        rows = [(row, _target(row)) for row in _read(path)]
        left_out = sum(target is None for _, target in rows)
        made = [_item(row, target, left_out) for row, target in rows if target is not None]
        items += draw(made, per_category, seed)
    return items


def _read(path: Path) -> Iterator[dict[str, Any]]:
    opened = gzip.open if path.suffix == ".gz" else open
    number = 0
    try:
        with opened(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                number += 1
                row = json.loads(line)
                _check(row)
                yield row
    except (ValueError, KeyError, TypeError, EOFError, gzip.BadGzipFile) as error:
        reason = f"field {error} is missing" if isinstance(error, KeyError) else str(error)
        raise DataError(
            f"not a row of BBQ: {reason}", where=f"{path}, line {max(number, 1)}", fix=_FIX
        ) from error
    if not number:
        raise DataError("the file is empty", where=str(path), fix=_FIX)


def _check(row: Any) -> None:
    """Raise ValueError, KeyError or TypeError where the row is not as published."""
    for name in ("context", "question", "category", "ans0", "ans1", "ans2"):
        if not isinstance(row[name], str):
            raise TypeError(f"field {name!r} is no text")
    if row["question_polarity"] not in ("neg", "nonneg"):
        raise ValueError("field 'question_polarity' is neither 'neg' nor 'nonneg'")
    if row["context_condition"] not in ("ambig", "disambig"):
        raise ValueError("field 'context_condition' is neither 'ambig' nor 'disambig'")
    if row["label"] not in _ANSWERS:
        raise ValueError("field 'label' is none of 0, 1, 2")
    infos = [_info(row, i) for i in _ANSWERS]
    if not all(infos):
        raise ValueError("an answer of field 'answer_info' has no label")
    if sum(info[-1].lower() == "unknown" for info in infos) != 1:
        raise ValueError("not exactly one answer is marked 'unknown'")
    for name in ("question_index", "example_id"):
        row[name]
    for group in row["additional_metadata"]["stereotyped_groups"]:
        if not isinstance(group, str):
            raise TypeError("field 'stereotyped_groups' holds no text")


def _info(row: dict[str, Any], answer: int) -> list[str]:
    return [str(part) for part in row["answer_info"][f"ans{answer}"]]


def _target(row: dict[str, Any]) -> int | None:
    """The choice that reflects the bias, None where that is undefined.

    Only the last label is split at `-` and `_`: split, "30-year-old" would name the group "old".
    """
    groups = {group.lower() for group in row["additional_metadata"]["stereotyped_groups"]}
    inside: list[int] = []
    outside: list[int] = []
    for answer in _ANSWERS:
        info = _info(row, answer)
        if info[-1].lower() == "unknown":
            continue
        names = {part.lower() for part in info}
        names |= {part.lower() for part in re.split(r"[-_]", info[-1])}
        (inside if names & groups else outside).append(answer)
    if len(inside) != 1 or len(outside) != 1:
        return None
    return inside[0] if row["question_polarity"] == "neg" else outside[0]


def _item(row: dict[str, Any], target: int, left_out: int) -> ChoiceItem:
    category = row["category"]
    unknown = next(i for i in _ANSWERS if _info(row, i)[-1].lower() == "unknown")
    return ChoiceItem(
        id=f"bbq/{category}/{row['example_id']}",
        suite="bbq",
        category=category,
        cluster=f"{category}/{row['question_index']}",
        context=f"{row['context']} {row['question']}\nAnswer:",
        choices=tuple(f" {row[f'ans{i}']}" for i in _ANSWERS),
        meta={
            "target": target,
            "unknown": unknown,
            "label": row["label"],
            "ambiguous": row["context_condition"] == "ambig",
            "left_out": left_out,
        },
    )
