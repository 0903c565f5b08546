"""Rows of `controls.jsonl` and `audit.jsonl` as arrays: a context (one place) by its k thoughts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlp_core.evaluation.item_files import Row
from rlp_core.evaluation.reward_audit.texts import punctuation_share
from rlp_core.evaluation.statistics import Array, Statistic, collect


@dataclass(frozen=True)
class AuditTable:
    """What was measured of one arm, n contexts by k thoughts. Log-probabilities are in nats.

    Attributes:
        names: [n] of the contexts; keys: [n] the text of each, which is its cluster.
        targets: [n] the text that is scored; strangers: [n] that of a context of another text.
        texts: [n][k] thoughts.
        direct: [n] log p of the target without a thought; base: [n] the frozen base's, or None.
        thinking, empty, other, random: [n, k] log p after each thought and its controls.
        corrupted: [n, k] after the thought with a step made false; NaN where none can be.
        lengths: [n, k] tokens of a thought; closed: [n, k] 1 where it ended by itself.
        distinct, pairs: [n, k] different pairs of neighbouring tokens, and all of them.
        under: [n, 1 + m] log p of the first thought in its own context, then in others.
        decoy: [n] log p per token, after a random thought, of a text that does not follow.
        future: [n] nats that the thought's log p changed by with what follows it.
    """

    names: list[str]
    keys: list[str]
    targets: list[str]
    strangers: list[str]
    texts: list[list[str]]
    direct: Array
    base: Array | None
    thinking: Array
    empty: Array
    other: Array
    random: Array
    corrupted: Array
    lengths: Array
    closed: Array
    distinct: Array
    pairs: Array
    under: Array
    decoy: Array
    future: Array

    @property
    def gain(self) -> Array:
        """[n, k] the reward: what each thought adds over no thought."""
        return self.thinking - self.direct[:, None]

    @property
    def punctuation(self) -> Array:
        """[n, k] share of each thought that is punctuation."""
        return np.array([[punctuation_share(text) for text in texts] for texts in self.texts])

    def statistic(self, values: Any, weights: Any = None) -> Statistic:
        """The weighted mean over contexts, clustered by text; contexts of weight 0 are left out.

        Args:
            values: [n] to be averaged, or [n, k], of which the mean over thoughts is.
            weights: [n]; None: 1 each.
        """
        by_context = np.asarray(values, dtype=np.float64)
        if by_context.ndim == 2:
            by_context = by_context.mean(axis=1)
        each = np.ones(len(self.names)) if weights is None else np.asarray(weights, np.float64)
        kept = np.flatnonzero(each > 0)
        if not len(kept):
            return nothing()
        rows = np.column_stack([by_context[kept] * each[kept], each[kept]])
        names, keys = ([column[i] for i in kept] for column in (self.names, self.keys))
        return collect(names, keys, rows)


def nothing() -> Statistic:
    """A statistic of no item: its value is NaN."""
    return Statistic((), ((),), np.zeros((0, 1), dtype=np.int64), np.zeros((0, 2)))


def table_of(
    controls: Sequence[Row], audited: Sequence[Row], base: Sequence[Row] = ()
) -> AuditTable:
    """Bring the rows of an arm together.

    Args:
        controls: rows of `controls.jsonl`.
        audited: rows of `audit.jsonl`.
        base: the frozen base's `controls.jsonl`; none: no decay is told.

    Raises:
        ValueError: the files are of different places, or places differ in their thoughts' number.
    """
    beside = {row["id"]: row for row in audited}
    first = {row["id"]: row for row in base}
    if set(beside) != {row["id"] for row in controls} or (base and set(first) != set(beside)):
        raise ValueError("the reward audit and the control thoughts are of different documents")
    rows = [(row, beside[row["id"]]) for row in controls]
    if any(row["positions"] != other["positions"] for row, other in rows):
        raise ValueError("the reward audit and the control thoughts lie at different places")
    if base and any(row["positions"] != first[row["id"]]["positions"] for row in controls):
        raise ValueError("the base model's control thoughts lie at different places")
    places = [(row, other, at) for row, other in rows for at in range(len(row["positions"]))]
    if len({len(row["thinking"][at]) for row, _, at in places}) != 1:
        raise ValueError("places differ in the number of their thoughts")
    keys = [str(row["key"]) for row, _, _ in places]
    targets = [other["targets"][at] for _, other, at in places]

    def control(name: str) -> Array:
        return np.array([row[name][at] for row, _, at in places], dtype=np.float64)

    def beside_it(name: str) -> Array:
        return np.array([other[name][at] for _, other, at in places], dtype=np.float64)

    return AuditTable(
        names=[f"{row['id']}/{row['positions'][at]}" for row, _, at in places],
        keys=keys,
        targets=targets,
        strangers=[targets[i] for i in strangers(keys)],
        texts=[other["texts"][at] for _, other, at in places],
        direct=control("direct"),
        base=np.array([first[row["id"]]["direct"][at] for row, _, at in places]) if base else None,
        thinking=control("thinking"),
        empty=control("empty"),
        other=control("other"),
        random=control("random"),
        corrupted=beside_it("corrupted"),  # None becomes NaN
        lengths=beside_it("lengths"),
        closed=beside_it("closed"),
        distinct=beside_it("distinct"),
        pairs=beside_it("pairs"),
        under=beside_it("under"),
        decoy=beside_it("decoy"),
        future=beside_it("future"),
    )


def strangers(keys: Sequence[str]) -> list[int]:
    """For each place the nearest behind it in another text, from the end on to the start."""
    count = len(keys)
    return [
        next((j % count for j in range(i + 1, i + count) if keys[j % count] != keys[i]), i)
        for i in range(count)
    ]


def ranks(values: Array) -> Array:
    """Ranks within each row, ties averaged: [n, k] -> [n, k]."""
    above = values[:, :, None] - values[:, None, :]
    made: Array = (above > 0).sum(-1) + 0.5 * (above == 0).sum(-1)
    return made


def rank_correlation(first: Array, second: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Spearman's within each row, and where it is defined: [n, k], [n, k] -> [n], [n].

    A row whose values are all equal in one of the two has none.
    """
    a, b = (r - r.mean(axis=1, keepdims=True) for r in (ranks(first), ranks(second)))
    scale = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    known = scale > 0
    return np.divide((a * b).sum(axis=1), scale, out=np.zeros(len(a)), where=known), known
