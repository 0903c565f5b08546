"""The thought inspector of the page: a few texts as JSON, and the script that shows them.

The page stays one file that loads nothing: data and script stand in it, and its content security
policy lets this one script run, by its digest, and nothing be fetched.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import markupsafe

from rlp_core.arms import Arms
from rlp_core.errors import DataError
from rlp_core.evaluation.item_files import INSPECTED, ArmItems, Row
from rlp_core.reporting.examples import shortened

LARGEST = 3_000_000
"""Bytes of the inspector's data at most; the whole page stays below 5 MB."""

LONGEST = 400
"""Characters of a thought that are shown."""

_DIGITS = 4
_OF_A_TEXT = ("source", "before", "before_tokens", "after_tokens", "tokens")
_OF_AN_ARM = ("direct", "empty", *INSPECTED)
_SAME = ("id", "start", "tokens")


@dataclass(frozen=True)
class Inspector:
    """What the page needs of it.

    Attributes:
        data: JSON that is safe within a script element.
        script: that reads it.
        style: of what it shows.
        measured: texts that were inspected.
        left_out: how many of them are not shown, because the page would be too large.
        shortened: thoughts of the texts shown of which the end is left out.
        longest: characters of a thought that are shown.
    """

    data: markupsafe.Markup
    script: markupsafe.Markup
    style: markupsafe.Markup
    measured: int
    left_out: int
    shortened: int
    longest: int = LONGEST

    @property
    def allowed(self) -> str:
        """The script as a content security policy names it."""
        digest = hashlib.sha256(self.script.encode()).digest()
        return f"'sha256-{base64.b64encode(digest).decode()}'"


def inspector(
    items: Mapping[str, ArmItems], arms: Arms, largest: int = LARGEST
) -> Inspector | None:
    """What was inspected, of all arms; None where nothing was, or not even one text has room.

    Args:
        items: per arm. One without inspected documents is left out.
        arms: as they are declared.
        largest: bytes of the data at most; the last texts are left out.

    Raises:
        DataError: two arms were inspected on different texts.
    """
    found = {arm: items[arm].inspected for arm in arms.names if arm in items}
    found = {arm: rows for arm, rows in found.items() if rows}
    if not found:
        return None
    _require_same(found)
    measured = len(next(iter(found.values())))
    for count in range(measured, 0, -1):
        data = _embedded(_payload({arm: rows[:count] for arm, rows in found.items()}, arms))
        if len(data.encode("utf-8", "backslashreplace")) <= largest:
            long = (
                len(text) > LONGEST
                for rows in found.values()
                for row in rows[:count]
                for texts in row["texts"]
                for text in texts
            )
            script, style = (
                markupsafe.Markup(Path(__file__).with_name(name).read_text(encoding="utf-8"))
                for name in ("inspector.js", "inspector.css")
            )
            return Inspector(data, script, style, measured, measured - count, sum(long))
    print(
        f"the page has no thought inspector: one text takes more than {largest:,} bytes (fix: "
        "lower evaluate.inspect.tokens or evaluate.inspect.thoughts)"
    )
    return None


def _require_same(found: Mapping[str, Sequence[Row]]) -> None:
    first, *others = found
    for arm in others:
        mine, theirs = ([[row[n] for n in _SAME] for row in found[a]] for a in (arm, first))
        if mine != theirs:
            raise DataError(
                f"{arm} and {first} were inspected on different texts",
                where="reports/evaluate/ARM/items/inspected.jsonl",
                fix="evaluate all arms anew with the same parameters: `dvc repro --force evaluate`",
            )


def _payload(found: Mapping[str, Sequence[Row]], arms: Arms) -> dict[str, Any]:
    texts = [{name: row[name] for name in _OF_A_TEXT} for row in next(iter(found.values()))]
    return {
        "base": arms.base,
        "chosen": "rlp" if "rlp" in found else next(iter(found)),
        "texts": texts,
        "found": {
            arm: [{name: _shown(row[name]) for name in _OF_AN_ARM} for row in rows]
            for arm, rows in found.items()
        },
    }


def _shown(value: Any) -> Any:
    """Texts shortened, numbers rounded, lists of them alike."""
    if isinstance(value, list):
        return [_shown(one) for one in value]
    if isinstance(value, str):
        return shortened(value, LONGEST)
    return round(value, _DIGITS) + 0.0 if isinstance(value, float) else value


def _embedded(value: Any) -> markupsafe.Markup:
    """JSON in which nothing can end the script element or begin another: no < stands in it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return markupsafe.Markup(text.replace("<", "\\u003c"))
