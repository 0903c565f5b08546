"""Rows of a bias set to items: which choice is which, told by the set's mapping."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from rlp_core.data.row import MappedRow, PassedOverError, index_told
from rlp_core.errors import DataError
from rlp_core.evaluation.bias.items import ChoiceItem, content_hash
from rlp_core.evaluation.bias.set_rows import SetRows
from rlp_core.evaluation.bias_set_config import ChoiceMapping, PairMapping
from rlp_core.evaluation.named_files import NAME


class SetItems:
    """Items of one set, as they are made row by row."""

    def __init__(self, name: str, rows: SetRows) -> None:
        self.name, self.rows, self.mapping = name, rows, rows.mapping
        self.items: list[ChoiceItem] = []
        self._places: dict[str, str] = {}
        self._told: dict[str, tuple[str | None, ...]] = {}

    def add(self, identity: str, row: MappedRow) -> None:
        """Make a row an item, or count why it is none."""
        try:
            item = self._item(identity, row)
        except PassedOverError as why:
            self.rows.left_out[why.reason] += 1
            return
        if item is None:
            self.rows.left_out["threshold"] += 1
            return
        if item.id in self._places:
            raise DataError(
                f"the id {item.id!r} comes twice",
                where=f"{self._places[item.id]} and {row.where}",
                fix="mend the rows, or let `mapping.id` tell them apart",
            )
        self._places[item.id] = row.where
        if not self._is_repeat(item, row):
            self.items.append(item)

    def _is_repeat(self, item: ChoiceItem, row: MappedRow) -> bool:
        """Whether an earlier item asks the very same; it must say the same then.

        The same choices in another order are the same.
        """
        told = tuple(
            item.choices[index] if isinstance(index := item.meta.get(name), int) else None
            for name in ("stereotyped", "target", "opposite", "unknown", "label")
        )
        asked = content_hash(replace(item, choices=tuple(sorted(item.choices))))
        before = self._told.setdefault(asked, told)
        if before is told:
            return False
        if before != told:
            raise DataError(
                "the same choices stand in an earlier row, which says otherwise of them",
                where=row.where,
                fix="two rows contradict: keep the right one",
            )
        self.rows.left_out["repeats"] += 1
        return True

    def _item(self, identity: str, row: MappedRow) -> ChoiceItem | None:
        mapping, fill = self.mapping, self.rows.fill
        context = fill(row, "context", mapping.context)
        texts = self._texts(row)
        if isinstance(mapping, PairMapping):
            meta = self._pair(row, texts, mapping)
        else:
            meta = self._choice(row, texts, mapping)
        if meta is None:
            return None
        category = fill(row, "category", mapping.category)
        if category and not NAME.fullmatch(category.lower()):
            raise self._fault(
                row,
                "category",
                f"the category {category[:60]!r} cannot be a part of a metric's name",
                "use letters, digits, `_`, `-` and `.`",
            )
        cluster = fill(row, "cluster", mapping.cluster)
        if not cluster.strip():
            raise self._fault(
                row, "cluster", "the cluster is empty", "name a field that every row has"
            )
        own = fill(row, "id", mapping.id) or identity
        space = mapping.space if context else ""
        return ChoiceItem(
            id=f"{self.name}/{own}",
            suite=self.name,
            category=category,
            cluster=cluster,
            context=context,
            choices=tuple(f"{space}{text}" for text in texts),
            meta=meta,
        )

    def _texts(self, row: MappedRow) -> list[str]:
        """The choices' own texts: at least two, all different, none empty."""
        mapping = self.mapping
        if isinstance(mapping, PairMapping):
            name, texts = (
                "sentences",
                [
                    self.rows.fill(row, f"sentences[{i}]", t)
                    for i, t in enumerate(mapping.sentences)
                ],
            )
            if mapping.unrelated:
                texts.append(self.rows.fill(row, "unrelated", mapping.unrelated))
        elif mapping.choices_field:
            name, texts = "choices_field", row.choices(mapping.choices_field)
        else:
            name, texts = (
                "choices",
                [self.rows.fill(row, f"choices[{i}]", t) for i, t in enumerate(mapping.choices)],
            )
        if len(texts) < 2 or not all(text.strip() for text in texts):
            raise self._fault(
                row,
                name,
                f"not two texts or more, none of them empty: {_short(texts)}",
                "mend the row",
            )
        if len(set(texts)) < len(texts):
            raise self._fault(
                row, name, f"two of the texts are the same: {_short(texts)}", "mend the row"
            )
        return texts

    def _pair(
        self, row: MappedRow, texts: Sequence[str], mapping: PairMapping
    ) -> dict[str, object] | None:
        """What the scores of a pair need to know; None where `threshold` does not part the two."""
        told = self.rows.fill(row, "stereotyped", mapping.stereotyped).strip()
        if mapping.threshold is None:
            chosen = self._index(row, "stereotyped", told, texts[:2])
        else:
            number = self._number(row, told)
            if number == mapping.threshold:
                return None
            chosen = int(number > mapping.threshold)
        return {
            "form": "pairs",
            "stereotyped": chosen,
            "weighed": mapping.weighed,
            "average": mapping.average,
        }

    def _choice(
        self, row: MappedRow, texts: Sequence[str], mapping: ChoiceMapping
    ) -> dict[str, object]:
        """What the scores of a question need to know: which choice is which, or of whom it is."""
        named = {
            name: self._index(
                row, name, self.rows.fill(row, name, getattr(mapping, name)).strip(), texts
            )
            for name in ("stereotyped", "opposite", "unknown", "right")
            if getattr(mapping, name)
        }
        if mapping.favoured:
            return {
                "form": "choices",
                "favoured": self.rows.holds(row, mapping.favoured, "favoured"),
                "unknown": named.get("unknown"),
                "label": named["right"],
                "weighed": mapping.weighed,
            }
        roles = [named[name] for name in ("stereotyped", "opposite", "unknown") if name in named]
        if len(set(roles)) < len(roles):
            raise self._fault(
                row,
                "stereotyped",
                "one choice is named as two of stereotyped, opposite and unknown",
                "mend the row",
            )
        if "opposite" not in named:
            rest = [
                i
                for i in range(len(texts))
                if i not in (named["stereotyped"], named.get("unknown"))
            ]
            if len(rest) != 1:
                raise self._fault(
                    row,
                    "opposite",
                    f"{len(rest)} choices are neither stereotyped nor unknown, so none is *the* "
                    "opposite",
                    "name it: opposite: ...",
                )
            named["opposite"] = rest[0]
        meta: dict[str, object] = {
            "form": "choices",
            "target": named["stereotyped"],
            "opposite": named["opposite"],
            "unknown": named.get("unknown"),
            "label": named.get("right"),
            "weighed": mapping.weighed,
        }
        if mapping.ambiguous:
            meta["ambiguous"] = self.rows.holds(row, mapping.ambiguous, "ambiguous")
        return meta

    def _index(self, row: MappedRow, name: str, told: str, texts: Sequence[str]) -> int:
        """The choice that is told by its text, its number or its letter."""
        first = self.mapping.first_index
        by_name = index_told(told, first)
        by_name = by_name if 0 <= by_name < len(texts) else -1
        by_text = next((i for i, text in enumerate(texts) if text.strip() == told), -1)
        if max(by_name, by_text) < 0:
            what = f"gives {told[:60]!r}" if told else "is empty: the row has no label"
            raise self._fault(
                row,
                name,
                f"`{name}` {what}; there are {len(texts)} choices, numbered from {first}",
                "give number, letter or text of a choice; `first_index: 1` where the first is 1",
            )
        if min(by_name, by_text) >= 0 and by_name != by_text:
            raise self._fault(
                row,
                name,
                f"`{name}` gives {told!r}, which is the text of one choice and the name of another",
                "tell it by something else",
            )
        return max(by_name, by_text)

    def _number(self, row: MappedRow, told: str) -> float:
        try:
            number = float(told)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise self._fault(
                row,
                "stereotyped",
                f"`stereotyped` gives {told[:60]!r}, no number to hold against `threshold`",
                "mend the row, or take `threshold` out",
            )
        return number

    def _fault(self, row: MappedRow, key: str, what: str, fix: str) -> DataError:
        return DataError(what, where=f"{row.where} ({row.place}.mapping.{key})", fix=fix)


def _short(texts: Sequence[str]) -> str:
    told = str(list(texts))
    return told if len(told) <= 100 else f"{told[:97]}..."
