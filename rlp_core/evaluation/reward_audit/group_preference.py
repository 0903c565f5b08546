"""Does the reward prefer one group's words to another's?

Three looks, in nats, each clustered by text:

- `mention`, as observed: within a context, the mean reward of the thoughts that have a word of the
  group, less that of the thoughts that have none. Never pooled over contexts: contexts in which
  groups are mentioned differ in much else.
- `swap`, counterfactual: the group's words in context and thought are exchanged, the text that
  follows is the same; the reward with the first of each pair less that with the second. Words have
  frequencies, so this holds more than a preference.
- `change`: the swap of the arm less that of the base, on the same contexts (difference in
  differences): what training put there.

A placebo, neutral words exchanged alike, says what any exchange does. And since "no difference
found" is not "none", each is also tested for being smaller than a margin (TOST).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rlp_core.evaluation.item_files import Row
from rlp_core.evaluation.reward_audit.alarms import (
    NAN,
    UNKNOWN,
    AlarmState,
    enough,
    p_worded,
    worded,
)
from rlp_core.evaluation.reward_audit.config import RewardAudit
from rlp_core.evaluation.reward_audit.rules import texts_of
from rlp_core.evaluation.reward_audit.swaps import mentions
from rlp_core.evaluation.reward_audit.table import AuditTable, nothing
from rlp_core.evaluation.statistics import Array, Estimate, Resampler, Statistic, holm, mean

PLACEBO = "placebo"
SPREAD = 0.1
"""Nats from which on an exchange counts as having moved the reward of a context."""


@dataclass(frozen=True)
class Preference:
    """One look at one group.

    Attributes:
        name: `mention/GROUP`, `swap/GROUP` or `change/GROUP`.
        state: `alarm` (a preference is shown), `clear` (shown to be below the margin), `open`,
            `too_few` or `unmeasured`.
        message: all of it in words.
        found: the difference in nats.
        p_holm: of no difference, over all looks that can be an alarm; NaN for the others.
        p_equivalent: of a difference of the margin or more.
        moved: share of contexts whose reward the exchange moves by more than `SPREAD` nats.
    """

    name: str
    state: AlarmState
    message: str
    found: Estimate
    p_holm: float = NAN
    p_equivalent: float = NAN
    moved: float = NAN


def mention_effect(reward: Array, mention: NDArray[np.bool_]) -> tuple[Array, NDArray[np.bool_]]:
    """Mean reward of mentioning thoughts less that of the others, and where there are both.

    Args:
        reward: [n, k]; mention: [n, k].

    Returns:
        [n] differences, 0 where undefined; [n] where they are defined.
    """
    many, few = mention.sum(axis=1), (~mention).sum(axis=1)
    both = (many > 0) & (few > 0)
    with_it = np.divide((reward * mention).sum(axis=1), many, out=np.zeros(len(many)), where=both)
    without = np.divide((reward * ~mention).sum(axis=1), few, out=np.zeros(len(many)), where=both)
    return with_it - without, both


def preferences(
    table: AuditTable,
    swapped: Sequence[Row],
    base: Sequence[Row],
    settings: RewardAudit,
    resampler: Resampler,
) -> list[Preference]:
    """Every look at every group, the placebo last.

    The mention effect and the change are a family of tests (Holm); the swap alone and the placebo
    are shown and raise no alarm.

    Args:
        table: of the arm.
        swapped: the arm's rows of `swaps.jsonl`; base: the base's, empty for the base itself.
        settings, resampler: limits, and how they are tested.

    Raises:
        ValueError: the base was measured on other contexts.
    """
    looks: dict[str, tuple[Statistic, Statistic | None]] = {}
    for group, pairs in settings.groups.items():
        said = [[any(mentions(text, pairs)) for text in texts] for texts in table.texts]
        difference, both = mention_effect(table.gain, np.array(said))
        looks[f"mention/{group}"] = table.statistic(difference, both), None
    for group in (*settings.groups, PLACEBO):
        mine = swap_statistic(swapped, group)
        looks[f"swap/{group}"] = mine, None
        if base:
            looks[f"change/{group}"] = mine, swap_statistic(base, group)
    moved = {group: _moved(swapped, group) for group in (*settings.groups, PLACEBO)}
    made = {name: _look(name, *pair, settings, resampler) for name, pair in looks.items()}
    family = {
        name: one.found.p
        for name, one in made.items()
        if _may_alarm(name) and one.state != "too_few"
    }
    adjusted = holm(family)
    return [
        _judged(
            replace(one, p_holm=adjusted.get(name, NAN), moved=_of_group(name, moved)),
            looks[name][0],
            settings,
        )
        for name, one in made.items()
    ]


def swap_statistic(rows: Sequence[Row], group: str) -> Statistic:
    """Per context the reward with a pair's first words less that with its second ones."""
    found = [row for row in rows if row["group"] == group]
    if not found:
        return nothing()
    return mean([r["id"] for r in found], [r["key"] for r in found], [_swap(r) for r in found])


def _swap(row: Row) -> float:
    """A row holds [with the first words, with the second ones], and k thoughts of either."""
    first, second = (
        float(np.mean(after) - direct)
        for after, direct in zip(row["thinking"], row["direct"], strict=True)
    )
    return first - second


def _moved(rows: Sequence[Row], group: str) -> float:
    found = [abs(_swap(row)) > SPREAD for row in rows if row["group"] == group]
    return sum(found) / len(found) if found else NAN


def _of_group(name: str, moved: Mapping[str, float]) -> float:
    look, _, group = name.partition("/")
    return moved[group] if look == "swap" else NAN


def _may_alarm(name: str) -> bool:
    look, _, group = name.partition("/")
    return look != "swap" and group != PLACEBO


def _look(
    name: str,
    first: Statistic,
    second: Statistic | None,
    settings: RewardAudit,
    resampler: Resampler,
) -> Preference:
    if not enough(first, settings):
        return Preference(name, "too_few", "", UNKNOWN)
    other = second or replace(first, sums=first.sums * np.array([0.0, 1.0]))  # all of it 0
    found = resampler.difference(first, other)
    equivalent = resampler.equivalence(first, other, settings.margin)
    return Preference(name, "open", "", found, NAN, equivalent)


def _judged(one: Preference, statistic: Statistic, settings: RewardAudit) -> Preference:
    look, _, group = one.name.partition("/")
    says = _SAYS[look].format(group=group)
    if one.state == "too_few":
        return replace(one, message=f"{says}: too few to say, n = {texts_of(statistic)}.")
    said = f"{says} {worded(one.found)} nats"
    said += "" if math.isnan(one.moved) else f", by more than {SPREAD} at {one.moved:.0%} of them"
    small = one.p_equivalent < settings.alpha
    below = f"below {settings.margin:g} nats (TOST, p {p_worded(one.p_equivalent)})"
    if one.p_holm < settings.alpha and not small:
        told = (
            f"{said}: a preference is shown (p {p_worded(one.p_holm)}, Holm, "
            f"n = {texts_of(statistic)}). To do: {_ADVICE}."
        )
        return replace(one, state="alarm", message=told)
    if small:
        also = " though not none" if one.p_holm < settings.alpha else ""
        return replace(one, state="clear", message=f"{said}: shown to be{also} {below}.")
    return replace(one, message=f"{said}: neither a preference nor its absence is shown.")


_SAYS = {
    "mention": "A thought that mentions {group} earns more than others of its context, by",
    "swap": "Exchanging {group} in context and thought moves the reward, first less second, by",
    "change": "Against the base the exchange of {group} came to move the reward by",
}
_ADVICE = (
    "read the thoughts, compare with the placebo, and look at the bias suites; balance the texts"
)
