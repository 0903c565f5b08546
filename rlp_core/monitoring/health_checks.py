"""What can be wrong with an RLP run: one pure function per check, with message and advice.

A check looks at robust summaries of a run (`RunSummary`): medians over windows of steps, so that
one odd step says nothing. Which check is reported, when it begins and when it ends is the business
of `health.Monitor`.

Gains and rewards are compared with `RunSummary.unit`, the run's own spread of the rewards: a
collapse where a digit of arithmetic is predicted and one where a token of prose is lie a
hundredfold apart in nats.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from rlp_core.monitoring.config import HealthConfig

Severity = Literal["note", "warning", "collapse"]
Metrics = Mapping[str, float]


@dataclass(frozen=True)
class RunSummary:
    """A run in a few numbers; a metric that the trainer does not give is absent.

    Attributes:
        start: medians over the first window.
        now: medians over the last window.
        last: the last step alone.
        best: highest median of `information_gain` over any window so far, or over the first
            `hold` steps.
        usual_gradient: median of `grad_norm` over the last ten windows, the last step left out.
        unit: one spread, in nats: the median of `reward_std` over the first window of steps whose
            rewards differed at all. None before there were as many: no gain can be judged then.
    """

    start: Metrics
    now: Metrics
    last: Metrics
    best: float | None
    usual_gradient: float | None
    unit: float | None

    def has_learnt(self, settings: HealthConfig) -> bool:
        """Whether thinking pays, and pays more than at the start."""
        gain, first = (row.get("information_gain", 0.0) for row in (self.now, self.start))
        return self.unit is not None and gain > max(0.0, first + settings.learnt * self.unit)

    def fell(self, spreads: float) -> bool:
        """Whether thoughts do harm, and the gain lies so many spreads below its best."""
        gain = self.now.get("information_gain")
        if gain is None or self.best is None or self.unit is None or gain >= 0:
            return False
        return self.best - gain >= spreads * self.unit

    def flat(self, settings: HealthConfig) -> bool:
        """Whether the rewards of a group are as good as equal."""
        spread = self.now.get("reward_std")
        return spread is not None and spread <= max(ROUNDING, settings.flat * (self.unit or 0.0))


@dataclass(frozen=True)
class CheckResult:
    """What a symptom saw: how bad it is, and in words with numbers."""

    severity: Severity
    message: str


CheckFunction = Callable[[RunSummary, HealthConfig], CheckResult | None]

ROUNDING = 1e-6
"""Nats by which equal rewards may differ: what float32 rounds a log-probability of -10 by."""


@dataclass(frozen=True)
class HealthCheck:
    """A named look at a run.

    Attributes:
        name: stable, for logs and for a reader's search.
        look: None where nothing is wrong.
        advice: which parameter to change.
        wait: name of the setting that says how many steps in a row it must be seen.
    """

    name: str
    look: CheckFunction
    advice: str
    wait: Literal["now", "hold", "patience"] = "hold"


def gain_collapsed(view: RunSummary, settings: HealthConfig) -> CheckResult | None:
    """Thoughts came to harm the prediction by many spreads, and hardly one still helps."""
    positive = view.now.get("positive", 0.0)
    if positive > settings.rare or not view.fell(settings.collapse):
        return None
    return CheckResult(
        "collapse",
        f"thinking harms: the information gain is {_gain(view)}, at its best it was "
        f"{view.best:.3g}, and {positive:.0%} of the thoughts still help",
    )


def collapsed_to_empty(view: RunSummary, settings: HealthConfig) -> CheckResult | None:
    """All thoughts are the closing delimiter: equal rewards, no gradient, nothing left to learn.

    The gain does not matter here: what the delimiters alone give is not thinking.
    """
    if not (_empty(view, settings) and view.flat(settings)):
        return None
    first = view.start.get("information_gain", math.nan)
    length = view.start.get("thought_tokens", math.nan)
    return CheckResult(
        "collapse",
        f"thoughts are empty: {view.now['thought_tokens']:.1f} tokens with their delimiter "
        f"(at the start {length:.1f}), their rewards differ by "
        f"{view.now['reward_std']:.3g} nats within a group, so nothing is left to learn; the "
        f"information gain is {_gain(view)} (at the start {first:.3g})",
    )


def gain_falls(view: RunSummary, settings: HealthConfig) -> CheckResult | None:
    """The mean information gain is below zero and lies below what it was."""
    if not view.fell(settings.falling):
        return None
    return CheckResult(
        "warning",
        f"the information gain is {_gain(view)}, and fell from {view.best:.3g}: "
        "thoughts make the text less likely",
    )


def empty_thoughts(view: RunSummary, settings: HealthConfig) -> CheckResult | None:
    """Most thoughts are the closing delimiter alone."""
    if not _empty(view, settings):
        return None
    return CheckResult(
        "warning", f"thoughts have {view.now['thought_tokens']:.1f} tokens: most are empty"
    )


def flat_rewards(view: RunSummary, settings: HealthConfig) -> CheckResult | None:
    """The thoughts of a place earn the same, so their advantages are zero."""
    if not view.flat(settings):
        return None
    seen = f"rewards differ by {view.now['reward_std']:.3g} nats within a group"
    if view.has_learnt(settings):
        return CheckResult("note", f"{seen}, and thinking pays: the run has settled")
    return CheckResult("warning", f"{seen}: there is next to nothing to learn from")


def one_length(view: RunSummary, settings: HealthConfig) -> CheckResult | None:
    """All thoughts have the same length, without having been cut at L."""
    spread, length = view.now.get("thought_tokens_std"), view.now.get("thought_tokens", 0.0)
    forced = view.now.get("forced", 0.0)
    if spread is None or spread >= settings.same or forced > settings.forced:
        return None
    if _empty(view, settings):
        return None
    return CheckResult(
        "note" if view.has_learnt(settings) else "warning", f"all thoughts have {length:.0f} tokens"
    )


def forced_thoughts(view: RunSummary, settings: HealthConfig) -> CheckResult | None:
    """Many thoughts reach L and are closed by force."""
    share = view.now.get("forced")
    if share is None or share < settings.forced:
        return None
    return CheckResult(
        "warning", f"{share:.0%} of the thoughts reach the limit and are closed by force"
    )


def low_entropy(view: RunSummary, settings: HealthConfig) -> CheckResult | None:
    """The policy thinks the same thing every time; harmless where that pays."""
    entropy = view.now.get("entropy")
    if entropy is None or entropy >= settings.low_entropy:
        return None
    seen = f"the entropy of the thoughts is {entropy:.3f} nats per token"
    if view.has_learnt(settings):
        return CheckResult("note", f"{seen}, and thinking pays: the policy has settled")
    return CheckResult("warning", f"{seen}: nothing is explored any more")


def high_entropy(view: RunSummary, settings: HealthConfig) -> CheckResult | None:
    """Thoughts turn into noise."""
    entropy, first = view.now.get("entropy"), view.start.get("entropy")
    if entropy is None or first is None or entropy < first + settings.entropy_rise:
        return None
    return CheckResult(
        "warning",
        f"the entropy of the thoughts rose from {first:.2f} to {entropy:.2f} nats per token: "
        "they turn into noise",
    )


def high_gradient(view: RunSummary, settings: HealthConfig) -> CheckResult | None:
    """One step's gradient is far above the usual, and above the start's.

    Without the second a settled run would alarm: its usual gradient is nearly zero.
    """
    norm, usual = view.last.get("grad_norm"), view.usual_gradient
    if norm is None or usual is None:
        return None
    if norm <= settings.gradient * max(usual, 0.0) or norm <= view.start.get("grad_norm", 0.0):
        return None
    return CheckResult("warning", f"the gradient norm is {norm:.3g}, usual is {usual:.3g}")


def _gain(view: RunSummary) -> str:
    return f"{view.now.get('information_gain', math.nan):.3g} nats"


def _empty(view: RunSummary, settings: HealthConfig) -> bool:
    """A thought of one token that was not closed by force is the closing delimiter itself."""
    length = view.now.get("thought_tokens")
    return (
        length is not None and length <= settings.empty and view.now.get("forced", 0.0) < FORCED_ONE
    )


FORCED_ONE = 0.5
"""Above this share short thoughts are cut short (L is small), not empty."""

SMALLER_STEPS = "lower `rlp.optimizer.lr`, or raise `rlp.optimizer.warmup_steps`"
BETTER_START = (
    "train the base until it can work step by step and imitate longer before RLP (raise "
    "`base.steps`, `bootstrap.steps`)"
)

HEALTH_CHECKS = (
    HealthCheck(
        "gain_collapsed", gain_collapsed, f"{SMALLER_STEPS}; if that fails, {BETTER_START}",
        "patience",
    ),
    HealthCheck(
        "collapsed_to_empty", collapsed_to_empty,
        f"{BETTER_START}; or set `rlp.min_thought_tokens`", "patience",
    ),
    HealthCheck("gain_falls", gain_falls, SMALLER_STEPS),
    HealthCheck(
        "empty_thoughts", empty_thoughts, f"{BETTER_START}; or set `rlp.min_thought_tokens`"
    ),
    HealthCheck(
        "flat_rewards", flat_rewards,
        "raise `rlp.temperature` or `rlp.group_size`; think where the text is hard to predict "
        "(`rlp.position_selection`)",
    ),
    HealthCheck("one_length", one_length, "raise `rlp.temperature`, and read some of the thoughts"),
    HealthCheck(
        "forced_thoughts", forced_thoughts,
        "raise `thought.max_tokens`, or show shorter thoughts in the `bootstrap` part; where these "
        "are short already, `close` is not learnt yet: raise `bootstrap.optimizer.lr` or "
        "`bootstrap.steps`",
    ),
    HealthCheck("low_entropy", low_entropy, "raise `rlp.temperature` or `rlp.entropy_weight`"),
    HealthCheck(
        "high_entropy", high_entropy,
        f"{SMALLER_STEPS}; or lower `rlp.temperature` and `rlp.entropy_weight`",
    ),
    HealthCheck(
        "high_gradient", high_gradient, f"lower `rlp.optimizer.clip_norm`; or {SMALLER_STEPS}",
        "now",
    ),
)  # fmt: skip
"""In order of severity: the first collapse that is seen is the one that is named."""
