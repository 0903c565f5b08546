"""HolisticBias: descriptors of people, swapped in kind and unkind sentences (Smith et al. 2022).

Reads the published `descriptors.json`, `nouns.json` and `sentence_templates.json` (version 1.1).
The templates that come in opposites, as those with "love" and "hate", are filled with a descriptor
and a noun of no gender: "old parents". A swap puts another descriptor of the same axis in, of
another bucket where the axis has several. No descriptor is in two swaps of its axis.

The published measure compares the perplexities that whole axes give to all templates. It holds how
common a word is, and how well it goes with a noun; opposites let both fall out (`swaps.py`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlp_core.errors import DataError, MissingInputError
from rlp_core.evaluation.bias.items import ChoiceItem, draw
from rlp_core.evaluation.named_files import NAME

OPPOSITES = (("love", "hate"), ("like", "don't like"), ("best", "worst"))
"""Words of which templates differ in one another's place alone: kind and unkind."""

MADE_UP = "nonce"
"""An axis of words that mean nothing: too few for swaps of their own."""

_PLACE = "{plural_noun_phrase}"
_FIX = (
    "use descriptors.json, nouns.json and sentence_templates.json of version 1.1 as they were "
    "published: github.com/facebookresearch/ResponsibleNLP, holistic_bias"
)


@dataclass(frozen=True)
class Descriptor:
    """A word for people, and the bucket of its axis that it stands in."""

    text: str
    bucket: str


def load(folder: Path, per_axis: int, seed: int) -> list[ChoiceItem]:
    """Swaps of all axes.

    Args:
        folder: holds the three files.
        per_axis: swaps with a noun at most, drawn by content hash; 0: all.
        seed: of which descriptors are swapped, and of the draw.

    Returns:
        Items without context, category the axis, clustered by the two descriptors: the choices are,
        for each two opposite templates, the kind one with the first and the second descriptor, then
        the unkind one; meta `left_out`: descriptors that are in no swap.

    Raises:
        RlpError: as `read`.
    """
    items, left_out = read(folder, per_axis, seed)
    why = ", ".join(f"{count} by `{reason}`" for reason, count in sorted(left_out.items()) if count)
    print(
        f"bias set holisticbias: {len(items)} swaps, {sum(left_out.values())} descriptors left out"
        + (f" ({why})" if why else ""),
        flush=True,
    )
    return items


def read(folder: Path, per_axis: int, seed: int) -> tuple[list[ChoiceItem], Counter[str]]:
    """As `load`, without a word; and how many descriptors are left out, by reason.

    Raises:
        MissingInputError: a file is absent.
        DataError: a file is not as published.
    """
    templates = _opposites(folder / "sentence_templates.json")
    nouns = _nouns(folder / "nouns.json")
    left_out: Counter[str] = Counter()
    items: list[ChoiceItem] = []
    for axis, members in _descriptors(folder / "descriptors.json", left_out).items():
        swaps, alone = _swaps(axis, members, seed)
        left_out["no partner"] += alone
        made = [_item(axis, swap, noun, templates) for swap in swaps for noun in nouns]
        items += draw(made, per_axis, seed)
    for item in items:
        item.meta["left_out"] = sum(left_out.values())
    return items, left_out


def _item(
    axis: str, swap: tuple[str, str], noun: str, templates: list[tuple[str, str]]
) -> ChoiceItem:
    choices = tuple(
        template.replace(_PLACE, f"{descriptor} {noun}")
        for opposites in templates
        for template in opposites
        for descriptor in swap
    )
    pair = "|".join(swap)
    meta: dict[str, object] = {"form": "swaps"}
    return ChoiceItem(
        f"holisticbias/{axis}/{pair}/{noun}", "holisticbias", axis, pair, "", choices, meta
    )


def _swaps(axis: str, members: list[Descriptor], seed: int) -> tuple[list[tuple[str, str]], int]:
    """Pairs of descriptors, each in one at most, and how many are in none."""

    def rank(descriptor: Descriptor) -> str:
        salted = f"{seed}\0{axis}\0{descriptor.text}"
        return hashlib.blake2b(salted.encode(), digest_size=16).hexdigest()

    waiting = sorted(members, key=rank)
    apart = len({descriptor.bucket for descriptor in members}) > 1
    swaps: list[tuple[str, str]] = []
    alone = 0
    while waiting:
        # of the bucket with most left: taken last, it would be left without partners
        sizes = Counter(descriptor.bucket for descriptor in waiting)
        first = max(waiting, key=lambda descriptor: (sizes[descriptor.bucket], rank(descriptor)))
        waiting.remove(first)
        partner = next((d for d in waiting if not apart or d.bucket != first.bucket), None)
        if partner is None:
            alone += 1
            continue
        waiting.remove(partner)
        swaps.append((first.text, partner.text))
    return swaps, alone


# ------------------------------------------------------------------------------------ files


def _descriptors(path: Path, left_out: Counter[str]) -> dict[str, list[Descriptor]]:
    """By axis; those that go with nouns of one gender only, or come again, are left out."""
    found: dict[str, list[Descriptor]] = {}
    for axis, buckets in _tree(path).items():
        if not NAME.fullmatch(axis):
            raise _fault(path, f"the axis {axis[:60]!r} cannot be a part of a metric's name")
        members: dict[str, Descriptor] = {}
        for bucket, entries in _object(buckets, path, axis).items():
            if not isinstance(entries, list):
                raise _fault(path, f"{axis} > {bucket} is no list")
            for entry in entries:
                text, gendered = _entry(entry, path, f"{axis} > {bucket}")
                why = "made up" if axis == MADE_UP else "gendered" if gendered else ""
                why = why or ("repeats" if text in members else "")
                if why:
                    left_out[why] += 1
                else:
                    members[text] = Descriptor(text, bucket)
        if members:
            found[axis] = list(members.values())
    return found


def _entry(entry: Any, path: Path, place: str) -> tuple[str, bool]:
    """The descriptor, and whether it goes with nouns of one gender only."""
    text = entry.get("descriptor") if isinstance(entry, dict) else entry
    if not isinstance(text, str) or not text.strip():
        raise _fault(path, f"{place} holds no descriptor: {str(entry)[:60]!r}")
    return text, isinstance(entry, dict) and entry.get("gender") is not None


def _nouns(path: Path) -> list[str]:
    """Plurals of the nouns of no gender."""
    rows = _tree(path).get("neutral")
    if not isinstance(rows, list) or not rows:
        raise _fault(path, "`neutral` is no list of nouns")
    for row in rows:
        if not isinstance(row, list) or len(row) != 2 or not all(isinstance(n, str) for n in row):
            raise _fault(path, f"`neutral` holds what is no singular and plural: {str(row)[:60]!r}")
    return [plural for _, plural in rows]


def _opposites(path: Path) -> list[tuple[str, str]]:
    """Two templates for each of `OPPOSITES`, kind and unkind."""
    known = {text for text in _tree(path) if _PLACE in text}
    found = []
    for kind, unkind in OPPOSITES:
        word = re.compile(rf"\b{re.escape(kind)}\b")
        pairs = [(text, other) for text in known if (other := word.sub(unkind, text)) in known]
        pairs = [(one, other) for one, other in pairs if one != other]
        if len(pairs) != 1:
            raise _fault(
                path, f"{len(pairs)} pairs of templates differ in {kind!r} and {unkind!r}, not 1"
            )
        found += pairs
    return found


def _tree(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise MissingInputError(
            "a file of HolisticBias is not here",
            where=str(path),
            fix=f"{_FIX}; or leave evaluate.bias.holisticbias empty to do without it",
        )
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise _fault(path, f"not JSON: {error}") from error
    return _object(tree, path, "the file")


def _object(tree: Any, path: Path, what: str) -> dict[str, Any]:
    if not isinstance(tree, dict) or not tree:
        raise _fault(path, f"{what} is no object with entries")
    return tree


def _fault(path: Path, what: str) -> DataError:
    return DataError(what, where=str(path), fix=_FIX)
