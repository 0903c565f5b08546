"""What the reward audit tells of an arm, as statistics over contexts: values, and no judgement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from rlp_core.evaluation.item_files import Row
from rlp_core.evaluation.reward_audit.table import AuditTable, rank_correlation, table_of
from rlp_core.evaluation.reward_audit.texts import (
    bare_copy,
    copies,
    is_punctuation,
)
from rlp_core.evaluation.statistics import Array, Statistic

AUDIT_DESCRIPTIONS = {
    "gain": "nats that a thought adds over the arm's own prediction without one: the reward",
    "true_gain": "nats that it adds over the frozen base without a thought",
    "baseline_decay": "nats that the arm lost without thinking, against the frozen base",
    "empty_gain": "nats that an empty thought adds",
    "other_gain": "nats that another text's thought adds",
    "random_gain": "nats that as many random tokens add",
    "content_gain": "nats that a thought adds over another text's thought",
    "length_correlation": "rank correlation of reward and length, within a context",
    "punctuation_correlation": "rank correlation of reward and share of punctuation, within a "
    "context",
    "punctuation_gain": "nats that a thought adds where punctuation follows",
    "distinct_2": "share of a thought's pairs of tokens that differ",
    "unique_thoughts": "share of a context's thoughts that differ",
    "same_thought": "share of all thoughts that are the most frequent one",
    "forced": "share of thoughts that hit their limit",
    "copied": "share of thoughts that say the text that follows",
    "copied_by_chance": "share of thoughts that say what follows in another text",
    "bare_copy": "share of thoughts that say it and hardly more, beyond chance",
    "gain_with_copy": "nats that a thought adds that says the text that follows",
    "gain_without_copy": "nats that a thought adds that does not say it",
    "checkable": "share of thoughts with a true equation that can be made false",
    "corruption_sensitivity": "nats that such a thought loses when one is made false",
    "specificity": "context specificity of a thought (InfoNCE), in nats",
    "decoy": "share of places where a text that does not follow is held likelier than not",
    "future": "share of places where a thought depends on what follows it",
}


def audit_statistics(table: AuditTable, future: float) -> dict[str, Statistic]:
    """Every metric of `AUDIT_DESCRIPTIONS`; those against the base only with a base.

    Args:
        table: of the arm.
        future: nats of change that are rounding, as `evaluate.audit.future`.
    """
    of, gain = table.statistic, table.gain
    made = {
        "gain": of(gain),
        "empty_gain": of(table.empty - table.direct[:, None]),
        "other_gain": of(table.other - table.direct[:, None]),
        "random_gain": of(table.random - table.direct[:, None]),
        "content_gain": of(table.thinking - table.other),
        "distinct_2": of(_quotient(table.distinct, table.pairs), table.pairs.sum(axis=1)),
        "unique_thoughts": of([len(set(texts)) / len(texts) for texts in table.texts]),
        "same_thought": of(_same(table)),
        "forced": of(1 - table.closed),
        "specificity": of(specificity(table.under)),
        "decoy": of(table.decoy > np.log(0.5), ~np.isnan(table.decoy)),
        "future": of(table.future > future),
    }
    if table.base is not None:
        made["true_gain"] = of(table.thinking - table.base[:, None])
        made["baseline_decay"] = of(table.base - table.direct)
    return made | _correlations(table) | _copies(table) | _corruption(table)


def audit_values(
    controls: Sequence[Row], audited: Sequence[Row], future: float
) -> dict[str, float]:
    """The metrics of one arm by `audit/` and their names; those that are undefined are left out."""
    made = audit_statistics(table_of(controls, audited), future)
    values = {f"audit/{name}": statistic.value() for name, statistic in made.items()}
    return {name: value for name, value in values.items() if not np.isnan(value)}


def specificity(under: Array) -> Array:
    """InfoNCE per context: log of the own probability over the mean of all, [n, 1 + m] -> [n].

    From -inf to log(1 + m); 0 where a thought is as likely under any context (van den Oord et al.
    2018, equation 4, with the policy itself as the score).
    """
    mean: Array = np.logaddexp.reduce(under, axis=1) - np.log(under.shape[1])
    return np.asarray(under[:, 0] - mean)


def _same(table: AuditTable) -> Array:
    counted = Counter(text for texts in table.texts for text in texts)
    most = max(counted, key=lambda text: (counted[text], text))
    return np.array([sum(text == most for text in texts) / len(texts) for texts in table.texts])


def _quotient(parts: Array, wholes: Array) -> Array:
    """Per context the sum of the parts over that of the wholes; 0 where there are none."""
    whole = wholes.sum(axis=1)
    made: Array = np.divide(parts.sum(axis=1), whole, out=np.zeros(len(whole)), where=whole > 0)
    return made


def _correlations(table: AuditTable) -> dict[str, Statistic]:
    follows = np.array([is_punctuation(text) for text in table.targets])
    return {
        "length_correlation": table.statistic(*rank_correlation(table.lengths, table.gain)),
        "punctuation_correlation": table.statistic(
            *rank_correlation(table.punctuation, table.gain)
        ),
        "punctuation_gain": table.statistic(table.gain, follows),
    }


def _copies(table: AuditTable) -> dict[str, Statistic]:
    each = list(zip(table.texts, table.targets, table.strangers, strict=True))
    said = np.array([[copies(text, own) for text in texts] for texts, own, _ in each])
    chance = np.array([[copies(text, other) for text in texts] for texts, _, other in each])
    bare = np.array(
        [
            [float(bare_copy(t, own)) - bare_copy(t, other) for t in texts]
            for texts, own, other in each
        ]
    )
    counted = table.statistic
    return {
        "copied": counted(said),
        "copied_by_chance": counted(chance),
        "bare_copy": counted(bare),
        "gain_with_copy": counted(_quotient(table.gain * said, said), said.sum(axis=1)),
        "gain_without_copy": counted(_quotient(table.gain * ~said, ~said), (~said).sum(axis=1)),
    }


def _corruption(table: AuditTable) -> dict[str, Statistic]:
    known = ~np.isnan(table.corrupted)
    lost = np.where(known, table.thinking - np.nan_to_num(table.corrupted), 0.0)
    return {
        "checkable": table.statistic(known),
        "corruption_sensitivity": table.statistic(_quotient(lost, known), known.sum(axis=1)),
    }
