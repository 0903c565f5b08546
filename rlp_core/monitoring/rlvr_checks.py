"""What can be wrong with a run of `rlvr`: its own checks, and those of RLP that fit it.

Rewards are 0 or 1 here, so a check reads the mean reward, the share of right answers, as it is.
"""

from __future__ import annotations

from rlp_core.monitoring.config import HealthConfig
from rlp_core.monitoring.health_checks import (
    CheckResult,
    HealthCheck,
    RunSummary,
    empty_thoughts,
    forced_thoughts,
    high_entropy,
    high_gradient,
)

HARDLY_ANY = 0.9
"""Share of the problems from which on hardly one has something to teach."""

MANY = 0.5
"""Share of the answers from which on it is many that cannot be read."""


def reward_collapsed(view: RunSummary, settings: HealthConfig) -> CheckResult | None:
    """Hardly an answer is right any more, of a model that began with some."""
    now, first = view.now.get("reward"), view.start.get("reward", 0.0)
    if now is None or first <= 0 or now > settings.rare * first:
        return None
    return CheckResult(
        "collapse", f"{now:.1%} of the answers are right, and {first:.1%} were at the start"
    )


def reward_falls(view: RunSummary, settings: HealthConfig) -> CheckResult | None:
    """Clearly fewer answers are right than at the start, in units of a group's spread then."""
    now, first = view.now.get("reward"), view.start.get("reward", 0.0)
    if now is None or view.unit is None or first - now < settings.falling * view.unit:
        return None
    return CheckResult(
        "warning", f"{now:.1%} of the answers are right, and {first:.1%} were at the start"
    )


def no_signal(view: RunSummary, _settings: HealthConfig) -> CheckResult | None:
    """The answers to nearly every problem are all right, or all wrong: nothing is compared."""
    share = view.now.get("no_signal")
    if share is None or share < HARDLY_ANY:
        return None
    right = view.now.get("all_right", 0.0)
    seen = f"{share:.0%} of the problems tell no answers apart, {right:.0%} are all right"
    if right >= share / 2:
        return CheckResult("note", f"{seen}: the problems are learnt")
    return CheckResult("warning", f"{seen}: they are too hard to learn from")


def unread_answers(view: RunSummary, _settings: HealthConfig) -> CheckResult | None:
    """Many answers do not end within their limit, or are empty."""
    unended, empty = view.now.get("unended", 0.0), view.now.get("empty_answer", 0.0)
    if unended + empty < MANY:
        return None
    return CheckResult(
        "warning",
        f"{unended:.0%} of the answers do not end within `rlvr.answer_tokens`, and {empty:.0%} "
        "are empty: they count as wrong",
    )


SMALLER_STEPS = "lower `rlvr.optimizer.lr`, or raise `rlvr.optimizer.warmup_steps`"
NON_FINITE_ADVICE = f"{SMALLER_STEPS}, or lower `rlvr.optimizer.clip_norm`"

RLVR_CHECKS = (
    HealthCheck(
        "reward_collapsed", reward_collapsed,
        f"{SMALLER_STEPS}; or hold to the fine-tuned model by `rlvr.kl_weight`", "patience",
    ),
    HealthCheck(
        "reward_falls", reward_falls, f"{SMALLER_STEPS}; or set `rlvr.kl_weight`"
    ),
    HealthCheck(
        "no_signal", no_signal,
        "end earlier where they are learnt (`rlvr.steps`); else give easier problems "
        "(`prepare.rlvr`), a larger `rlvr.group_size`, or fine-tune longer",
    ),
    HealthCheck(
        "unread_answers", unread_answers,
        "raise `rlvr.answer_tokens`, or fine-tune longer: demonstrations show where answers end",
    ),
    HealthCheck(
        "empty_thoughts", empty_thoughts,
        "fine-tune on demonstrations that show their work (`worked`); or set `rlvr.kl_weight`",
    ),
    HealthCheck(
        "forced_thoughts", forced_thoughts,
        "raise `thought.max_tokens`, or show shorter thoughts in the `finetune` part",
    ),
    HealthCheck(
        "high_entropy", high_entropy, f"{SMALLER_STEPS}; or lower `rlvr.entropy_weight`"
    ),
    HealthCheck(
        "high_gradient", high_gradient, f"lower `rlvr.optimizer.clip_norm`; or {SMALLER_STEPS}",
        "now",
    ),
)  # fmt: skip
"""In order of severity: the first collapse that is seen is the one that is named."""
