"""What can be wrong with an RLP run: one pure function per check, with message and advice.

A check looks at robust summaries of a run (`RunSummary`): medians over windows of steps, so that
one odd step says nothing. Which check is reported, when it begins and when it ends is the business
of `health.Monitor`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

Severity = Literal["note", "warning", "collapse"]
Metrics = Mapping[str, float]


@dataclass(frozen=True)
class HealthSettings:
    """When a run counts as unwell. Gains and rewards in nats, lengths in tokens.

    Attributes:
        window: steps of a median; nothing but a non-finite value is reported before as many.
        hold: steps in a row that a warning must be seen before it is reported.
        patience: steps in a row that a collapse must be seen before it is reported.
        stop: whether the trainer ends a run that has collapsed.
        falling: fall of the gain, from its best median, that counts as falling.
        collapse: the same fall that counts as a collapse, where hardly a thought helps any more.
        rare: share of thoughts with a positive reward below which hardly one helps.
        flat: standard deviation of the rewards in a group below which they tell nothing apart.
        empty: mean length up to which thoughts are nothing but the closing delimiter; with a
            least length of thoughts, more by that.
        same: standard deviation of the lengths below which all thoughts have one length.
        forced: share of thoughts closed by force at L that is too high.
        low_entropy: nats per thought token below which nothing is explored.
        entropy_rise: rise of the entropy over the start, nats per token, that is too high.
        gradient: multiple of the usual gradient norm that is too high.
        non_finite: steps in a row with a non-finite value that end the run.
    """

    window: int = 10
    hold: int = 3
    patience: int = 10
    stop: bool = True
    falling: float = 0.5
    collapse: float = 3.0
    rare: float = 0.2
    flat: float = 0.05
    empty: float = 1.5
    same: float = 0.05
    forced: float = 0.5
    low_entropy: float = 0.02
    entropy_rise: float = 1.0
    gradient: float = 10.0
    non_finite: int = 3

    def __post_init__(self) -> None:
        if min(self.window, self.hold, self.patience, self.non_finite) < 1:
            raise ValueError("window, hold, patience and non_finite must be at least 1")
        if self.collapse < self.falling:
            raise ValueError("a collapse is a deeper fall: `collapse` must be at least `falling`")


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
    """

    start: Metrics
    now: Metrics
    last: Metrics
    best: float | None
    usual_gradient: float | None

    @property
    def has_learnt(self) -> bool:
        """Whether thinking pays, and pays more than at the start."""
        gain = self.now.get("information_gain", 0.0)
        return gain > 0 and gain > self.start.get("information_gain", 0.0) + LEARNT


@dataclass(frozen=True)
class CheckResult:
    """What a symptom saw: how bad it is, and in words with numbers."""

    severity: Severity
    message: str


CheckFunction = Callable[[RunSummary, HealthSettings], CheckResult | None]

LEARNT = 0.25
"""Nats of gain over the start that are more than chance."""


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


def gain_collapsed(view: RunSummary, settings: HealthSettings) -> CheckResult | None:
    """Thoughts came to harm the prediction by many nats, and hardly one still helps."""
    gain, positive = view.now.get("information_gain"), view.now.get("positive", 0.0)
    if gain is None or view.best is None or gain >= 0 or positive > settings.rare:
        return None
    if view.best - gain < settings.collapse:
        return None
    return CheckResult(
        "collapse",
        f"thinking harms: the information gain is {gain:.2f} nats, at its best it was "
        f"{view.best:.2f}, and {positive:.0%} of the thoughts still help",
    )


def collapsed_to_empty(view: RunSummary, settings: HealthSettings) -> CheckResult | None:
    """All thoughts are the closing delimiter: equal rewards, no gradient, nothing left to learn.

    The gain does not matter here: what the delimiters alone give is not thinking.
    """
    spread = view.now.get("reward_std")
    if not _empty(view, settings) or spread is None or spread >= settings.flat:
        return None
    gain, first = (row.get("information_gain", math.nan) for row in (view.now, view.start))
    length = view.start.get("thought_tokens", math.nan)
    return CheckResult(
        "collapse",
        f"thoughts are empty: {view.now['thought_tokens']:.1f} tokens with their delimiter "
        f"(at the start {length:.1f}), their rewards differ by "
        f"{spread:.3f} nats within a group, so nothing is left to learn; the information gain is "
        f"{gain:.2f} nats (at the start {first:.2f})",
    )


def gain_falls(view: RunSummary, settings: HealthSettings) -> CheckResult | None:
    """The mean information gain is below zero and lies below what it was."""
    gain = view.now.get("information_gain")
    if gain is None or view.best is None or gain >= 0 or view.best - gain < settings.falling:
        return None
    return CheckResult(
        "warning",
        f"the information gain is {gain:.2f} nats, and fell from {view.best:.2f}: "
        "thoughts make the text less likely",
    )


def empty_thoughts(view: RunSummary, settings: HealthSettings) -> CheckResult | None:
    """Most thoughts are the closing delimiter alone."""
    if not _empty(view, settings):
        return None
    return CheckResult(
        "warning", f"thoughts have {view.now['thought_tokens']:.1f} tokens: most are empty"
    )


def flat_rewards(view: RunSummary, settings: HealthSettings) -> CheckResult | None:
    """The thoughts of a place earn the same, so their advantages are zero."""
    spread = view.now.get("reward_std")
    if spread is None or spread >= settings.flat:
        return None
    seen = f"rewards differ by {spread:.3f} nats within a group"
    if view.has_learnt:
        return CheckResult("note", f"{seen}, and thinking pays: the run has settled")
    return CheckResult("warning", f"{seen}: there is next to nothing to learn from")


def one_length(view: RunSummary, settings: HealthSettings) -> CheckResult | None:
    """All thoughts have the same length, without having been cut at L."""
    spread, length = view.now.get("thought_tokens_std"), view.now.get("thought_tokens", 0.0)
    forced = view.now.get("forced", 0.0)
    if spread is None or spread >= settings.same or forced > settings.forced:
        return None
    if _empty(view, settings):
        return None
    return CheckResult(
        "note" if view.has_learnt else "warning", f"all thoughts have {length:.0f} tokens"
    )


def forced_thoughts(view: RunSummary, settings: HealthSettings) -> CheckResult | None:
    """Many thoughts reach L and are closed by force."""
    share = view.now.get("forced")
    if share is None or share < settings.forced:
        return None
    return CheckResult(
        "warning", f"{share:.0%} of the thoughts reach the limit and are closed by force"
    )


def low_entropy(view: RunSummary, settings: HealthSettings) -> CheckResult | None:
    """The policy thinks the same thing every time; harmless where that pays."""
    entropy = view.now.get("entropy")
    if entropy is None or entropy >= settings.low_entropy:
        return None
    seen = f"the entropy of the thoughts is {entropy:.3f} nats per token"
    if view.has_learnt:
        return CheckResult("note", f"{seen}, and thinking pays: the policy has settled")
    return CheckResult("warning", f"{seen}: nothing is explored any more")


def high_entropy(view: RunSummary, settings: HealthSettings) -> CheckResult | None:
    """Thoughts turn into noise."""
    entropy, first = view.now.get("entropy"), view.start.get("entropy")
    if entropy is None or first is None or entropy < first + settings.entropy_rise:
        return None
    return CheckResult(
        "warning",
        f"the entropy of the thoughts rose from {first:.2f} to {entropy:.2f} nats per token: "
        "they turn into noise",
    )


def high_gradient(view: RunSummary, settings: HealthSettings) -> CheckResult | None:
    """One step's gradient is far above the usual, and above the start's.

    Without the second a settled run would alarm: its usual gradient is nearly zero.
    """
    norm, usual = view.last.get("grad_norm"), view.usual_gradient
    if norm is None or usual is None:
        return None
    if norm <= settings.gradient * max(usual, 0.0) or norm <= view.start.get("grad_norm", 0.0):
        return None
    return CheckResult("warning", f"the gradient norm is {norm:.3g}, usual is {usual:.3g}")


def _empty(view: RunSummary, settings: HealthSettings) -> bool:
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
        "raise `thought.max_tokens`, or show shorter thoughts in the `bootstrap` part",
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
