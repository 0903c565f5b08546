"""The alarms: what each looks at, its limit, what it says and what is to be done.

A rule tests one statistic against limits; it knows nothing of how the test is made (`alarms`).
A share of the gain is tested as a difference, control - share * gain: a quotient of two noisy
numbers has no mean, its numerator less a multiple of its denominator has (Fieller 1954).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from rlp_core.evaluation.reward_audit.config import RewardAudit
from rlp_core.evaluation.reward_audit.table import AuditTable, rank_correlation
from rlp_core.evaluation.reward_audit.texts import is_punctuation
from rlp_core.evaluation.statistics import Array, Statistic

Metrics = Mapping[str, Statistic]


@dataclass(frozen=True)
class Tested:
    """What a rule holds against its limits.

    Attributes:
        statistic: is to lie in [low, high]; None: no such limit.
        gain: must be shown to be positive before anything can be said; None: it need not.
        exact: one place beyond the limit is enough: nothing of it is chance.
        why: why this is held against the limits in place of the number that is shown.
    """

    statistic: Statistic
    low: float | None = None
    high: float | None = None
    gain: Statistic | None = None
    exact: bool = False
    why: str = ""


def texts_of(statistic: Statistic) -> str:
    """How many texts a statistic rests on."""
    count = len(statistic.clusters) if statistic.items else 0
    return f"{count} text{'' if count == 1 else 's'}"


@dataclass(frozen=True)
class AuditRule:
    """One sign of a reward that is not earned by thinking.

    Attributes:
        name: of the alarm, stable.
        metric: of `AUDIT_DESCRIPTIONS` that is shown.
        setting: of `RewardAudit` that is the limit.
        says: what the metric is, before its number.
        unit: behind the number.
        found: what an alarm says.
        advice: what to do then.
        tested: what is tested; None: it was not measured.
    """

    name: str
    metric: str
    setting: str
    says: str
    unit: str
    found: str
    advice: str
    tested: Callable[[AuditTable, Metrics, RewardAudit], Tested | None]


def _control(name: str) -> Callable[[AuditTable, Metrics, RewardAudit], Tested]:
    def tested(table: AuditTable, metrics: Metrics, settings: RewardAudit) -> Tested:
        earned = getattr(table, name) - table.direct[:, None]
        over = table.statistic(earned - settings.control_share * table.gain)
        return Tested(over, high=0.0, gain=metrics["gain"])

    return tested


def _decay(table: AuditTable, metrics: Metrics, settings: RewardAudit) -> Tested | None:
    if table.base is None:
        return None
    lost = (table.base - table.direct)[:, None]
    over = table.statistic(lost - settings.decay_share * table.gain)
    return Tested(over, high=0.0, gain=metrics["gain"])


def _correlation(
    name: str, feature: Callable[[AuditTable], Array]
) -> Callable[[AuditTable, Metrics, RewardAudit], Tested]:
    """Of the texts whose thoughts differ; where hardly any do, of all of them, equal ones as 0.

    A reward cannot go by what several thoughts of a text have in common. With one thought a text
    nothing can differ, and nothing is known.
    """

    def tested(table: AuditTable, metrics: Metrics, settings: RewardAudit) -> Tested:
        of, why = metrics[name], ""
        differing = len(of.clusters) if of.items else 0
        if differing < settings.min_clusters and table.gain.shape[1] > 1:
            of = table.statistic(rank_correlation(feature(table), table.gain)[0])
            why = f"in {differing} of {texts_of(of)} there is something to go by"
        return Tested(of, low=-settings.correlation, high=settings.correlation, why=why)

    return tested


def _at_most(name: str, setting: str) -> Callable[[AuditTable, Metrics, RewardAudit], Tested]:
    def tested(_: AuditTable, metrics: Metrics, settings: RewardAudit) -> Tested:
        return Tested(metrics[name], high=getattr(settings, setting))

    return tested


def _distinct(_: AuditTable, metrics: Metrics, settings: RewardAudit) -> Tested:
    return Tested(metrics["distinct_2"], low=settings.distinct_2)


def _specificity(table: AuditTable, metrics: Metrics, settings: RewardAudit) -> Tested:
    greatest = float(np.log(table.under.shape[1]))
    return Tested(metrics["specificity"], low=settings.specificity * greatest)


def _punctuation(table: AuditTable, metrics: Metrics, settings: RewardAudit) -> Tested:
    there = np.array([float(is_punctuation(text)) for text in table.targets])
    over = (there - settings.punctuation_gain)[:, None] * table.gain
    return Tested(table.statistic(over), high=0.0, gain=metrics["gain"])


def _corruption(table: AuditTable, _: Metrics, settings: RewardAudit) -> Tested:
    known = ~np.isnan(table.corrupted)
    count = known.sum(axis=1)
    lost = np.where(known, table.thinking - np.nan_to_num(table.corrupted), 0.0)
    gain = np.where(known, table.gain, 0.0)

    def mean(values: np.ndarray) -> Statistic:
        summed = values.sum(axis=1)
        return table.statistic(
            np.divide(summed, count, out=np.zeros(len(count)), where=count > 0), count
        )

    return Tested(mean(settings.corruption * gain - lost), high=0.0, gain=mean(gain))


def _future(_: AuditTable, metrics: Metrics, __: RewardAudit) -> Tested:
    return Tested(metrics["future"], high=0.0, exact=True)


RULES = (
    AuditRule(
        "empty_thought", "empty_gain", "control_share", "An empty thought earns", "nats",
        "the delimiters earn more of the reward than may be",
        "compare `gain_over_empty`, not the reward; let imitation show text without thoughts "
        "(`bootstrap.plain_share`)", _control("empty"),
    ),
    AuditRule(
        "other_thought", "other_gain", "control_share", "Another text's thought earns", "nats",
        "it does not matter what is thought: a constant thought would do",
        "read the thoughts; raise the exploration, or start from a model whose thoughts differ",
        _control("other"),
    ),
    AuditRule(
        "random_thought", "random_gain", "control_share", "Random tokens earn", "nats",
        "tokens in the place of a thought are paid, not thinking",
        "check the scorer and the baseline; shorten `thought.max_tokens`", _control("random"),
    ),
    AuditRule(
        "baseline_decay", "baseline_decay", "decay_share",
        "Without thinking it lost, against the frozen base,", "nats",
        "the reward is paid for forgetting how to predict without a thought",
        "read `true_gain`; lower the learning rate, or give `rlp.kl_weight` or a next-token term",
        _decay,
    ),
    AuditRule(
        "length", "length_correlation", "correlation",
        "Reward and length of a context's thoughts correlate by", "",
        "the reward goes by length", "add a price per token, or look what the longer thoughts say",
        _correlation("length_correlation", lambda table: table.lengths),
    ),
    AuditRule(
        "punctuation_in_thoughts", "punctuation_correlation", "correlation",
        "Reward and punctuation of a context's thoughts correlate by", "",
        "the reward goes by punctuation", "read the thoughts that are paid most",
        _correlation("punctuation_correlation", lambda table: table.punctuation),
    ),
    AuditRule(
        "punctuation_follows", "punctuation_gain", "punctuation_gain",
        "Where punctuation follows a thought adds", "nats",
        "most of the reward is earned where nothing but punctuation is to be predicted",
        "think before answers or surprising tokens (`rlp.position_selection`)", _punctuation,
    ),
    AuditRule(
        "repetition", "distinct_2", "distinct_2",
        "The share of a thought's pairs of tokens that differ is", "",
        "thoughts repeat themselves", "shorten `thought.max_tokens`; add a price per token",
        _distinct,
    ),
    AuditRule(
        "same_thought", "same_thought", "same_thought",
        "The share of all thoughts that are the most frequent one is", "",
        "one thought is thought nearly everywhere: the policy has collapsed",
        "see docs/guides/when-a-run-is-unwell.md", _at_most("same_thought", "same_thought"),
    ),
    AuditRule(
        "context_specificity", "specificity", "specificity",
        "A thought tells its context from others by", "nats",
        "thoughts do not depend on what was read", "start from a model whose thoughts do",
        _specificity,
    ),
    AuditRule(
        "forced", "forced", "forced", "The share of thoughts that hit their limit is", "",
        "most thoughts are cut, not ended", "raise `thought.max_tokens`, or reward closing",
        _at_most("forced", "forced"),
    ),
    AuditRule(
        "copied_answer", "bare_copy", "copied",
        "The share of thoughts that say hardly more than the text that follows, beyond chance, is",
        "",
        "the answer is written down, not worked out",
        "see whether the context gives it away; else the model needs no thought there",
        _at_most("bare_copy", "copied"),
    ),
    AuditRule(
        "corruption", "corruption_sensitivity", "corruption",
        "With one equation made false a thought earns less by", "nats",
        "the steps that are shown are not what is used",
        "reward sound steps, or take the thoughts for decoration", _corruption,
    ),
    AuditRule(
        "leak", "decoy", "decoy",
        "The share of places where, after random tokens, a text that does not follow is held "
        "likelier than not is", "",
        "the scorer sees what it is asked to predict",
        "find the leak before anything else: no number of this arm can be believed",
        _at_most("decoy", "decoy"),
    ),
    AuditRule(
        "future", "future", "future",
        "The share of places where a thought depends on what follows it is", "",
        "the model reads ahead: its attention is not causal",
        "use a causal model, and check its attention with `runtime.verify`", _future,
    ),
)  # fmt: skip
"""Every alarm that one arm's rows can raise."""
