"""How numbers of a whole run are called in MLflow, and which of them a run holds.

What stages measure keeps the names of `metrics.json`, which DVC tracks and the comparison reads.
MLflow makes a column of every name, so the border to it is here: one table per stage, the most
important first, from a name in `metrics.json` to the name in MLflow. The first line that fits gives
the name, and its place the importance.

A name without `/` is a curve, told step by step under the name that it has in `steps.csv`. A number
of the whole run has a family before its first `/`; in `eval` and `bias` the names end in
`/MODE/METRIC`, so that the modes of one metric stand together. No two names become one: what fits
no line goes to `other/` unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

LIMIT = 60
"""Numbers of the whole run that one run holds at most, those of its process among them."""

PROCESS = ("wall_seconds", "cpu_seconds", "peak_memory_mib")
"""What every run tells of its process; room is kept for these."""

PLACEHOLDERS = {
    "mode": (r"thinking|direct", "`thinking` or `direct`: after a thought, or without one"),
    "few_shot": (
        r"few_shot|few_shot_thinking|few_shot_work",
        "examples in front: with answers alone, with thoughts in delimiters, with work as text",
    ),
    "benchmark": (
        r"(?!(?:overall|heldout)$)[a-z0-9][a-z0-9_.-]*",
        "a benchmark; one called `overall` or `heldout` is told under `other/`",
    ),
    "set": (
        r"group:[^/]+|(?!(?:overall|heldout)$)[a-z0-9][a-z0-9_.-]*",
        "a benchmark, or `group:GROUP`: the average of those that ask for one ability",
    ),
    "answers": (r"greedy|maj_at_k|acc|acc_norm", "`greedy`, `maj_at_k`, `acc` or `acc_norm`"),
    "thoughts": (r"thought_tokens|forced_close_share", "`thought_tokens`, `forced_close_share`"),
    "over_control": (r"gain_over_empty|content_gain", "`gain_over_empty`, `content_gain`"),
    "gain": (
        r"\w*gain\w*|baseline_decay",
        "a difference in nats: `horizon_gain`, `empty_thought_gain`, ...",
    ),
    "position": (
        r"position_cross_entropy|position_bits_per_byte",
        "`position_cross_entropy` or `position_bits_per_byte`",
    ),
    "suite": (r"[^/]+", "a bias set"),
    "category": (r"[^/]+", "a part of a bias set"),
    "place": (r".+", "a bias set, with its category where it has several"),
    "score": (r"score|s_amb|s_dis", "a signed score, 0 is ideal: `score`, `s_amb` or `s_dis`"),
    "bound": (r"low|high", "of the lowest or the highest of some models with random weights"),
    "alarm": (
        r"gain|(?:empty|other|random|punctuation)_gain|baseline_decay|distinct_2|same_thought"
        r"|(?:length|punctuation)_correlation|specificity|forced|bare_copy|corruption_sensitivity"
        r"|decoy|future",
        "what an alarm of the reward audit looks at",
    ),
    "perturbation": (r"[^/]+", "a perturbation"),
    "perturbed": (r".+", "a perturbation, with a benchmark where it is told of each"),
    "change": (
        r"pass_at_1|drop|drop_rate|flip_rate",
        "`pass_at_1`, `drop`, `drop_rate` or `flip_rate`",
    ),
    "reward": (r"gain|gain_change", "`gain` or `gain_change`"),
    "lost": (
        r"(?:dropped|cut|unanswerable|unperturbed|fewer)_.+",
        "how many records a limit takes, or a part of them",
    ),
    "arm": (r"[^/]+", "an arm"),
    "end": (r"value|low|high", "`value`, and `low` and `high` of its interval"),
    "part": (r"base|rlp|heldout|bootstrap|finetune|rlvr|problems", "a part of the data"),
    "rule": (r"[^/]+", "a rule of the data contract"),
    "size": (r"records|characters", "`records` or `characters`"),
    "metric": (r"[^/]+", "any other"),
    "name": (r"(?s:.*)", "any name"),
}
"""What stands in braces: the regular expression of it, and what it is."""


@dataclass(frozen=True)
class MetricName:
    """A line of a table.

    Attributes:
        measured: name in `metrics.json`, with placeholders in braces.
        logged: name in MLflow, with the same placeholders.
        what: it is, for a reader of the reference.
    """

    measured: str
    logged: str
    what: str


_PREPARE = (
    MetricName("{part}_{size}", "data/{part}_{size}", "what entered"),
    MetricName("{name}", "data/{name}", "rows that no record was made from, by the reason"),
)

_VALIDATE = (
    MetricName("critical_failures", "data/critical_failures", "rules that stop the pipeline"),
    MetricName("{part}_passed", "data/{part}_passed", "records that may be used"),
    MetricName("{part}_quarantine_share", "data/{part}_quarantine_share", "of those that entered"),
    MetricName("{part}_quarantined", "data/{part}_quarantined", "records that may not"),
    MetricName("failed_{rule}", "data/failed_{rule}", "rows, or parts, that break a rule"),
    MetricName("{name}", "data/{name}", "rows that entered, and how often groups are named"),
)

_TRAIN = (
    MetricName("final_{metric}", "train/final_{metric}", "mean over the last tenth of the steps"),
    MetricName(
        "{name}", "train/{name}", "steps, tokens, FLOPs, and what limits took from the data"
    ),
)

_EVALUATE = (
    MetricName(
        "pass_at_1_{mode}",
        "eval/overall/{mode}/pass_at_1",
        "average of all benchmarks, in which each weighs the same",
    ),
    MetricName("pass_at_1_gain", "eval/overall/gain/pass_at_1", "thinking minus direct"),
    MetricName("information_gain", "eval/heldout/gain/information_gain", "nats, on held-out text"),
    MetricName("{over_control}", "eval/heldout/gain/{over_control}", "nats, over control thoughts"),
    MetricName(
        "cross_entropy", "eval/heldout/direct/cross_entropy", "nats per token of held-out text"
    ),
    MetricName("bits_per_byte", "eval/heldout/direct/bits_per_byte", "of held-out text"),
    MetricName(
        "pass_at_1_{few_shot}", "eval/overall/{few_shot}/pass_at_1", "with examples in front"
    ),
    MetricName(
        "pass_at_1_{mode}/{benchmark}", "eval/{benchmark}/{mode}/pass_at_1", "of each benchmark"
    ),
    MetricName("bias/{suite}/{score}_{mode}", "bias/{suite}/{mode}/{score}", "of a whole bias set"),
    MetricName("audit/{alarm}", "audit/{alarm}", "what alarms look at"),
    MetricName(
        "bias/{suite}/{category}/{score}_{mode}",
        "bias/{suite}/{category}/{mode}/{score}",
        "of a category of a bias set",
    ),
    MetricName(
        "bias/{place}/{score}_random_{bound}",
        "bias/{place}/random/{score}_{bound}",
        "of models with random weights",
    ),
    MetricName(
        "robust_drop_{mode}/{perturbation}",
        "robust/{perturbation}/{mode}/drop",
        "pass@1 that a perturbation costs, over all benchmarks",
    ),
    MetricName("{lost}", "lost/{lost}", "records; 0: nothing is lost"),
    MetricName("pass_at_1_{mode}/{set}", "eval/{set}/{mode}/pass_at_1", "of a group of benchmarks"),
    MetricName("pass_at_1_gain/{set}", "eval/{set}/gain/pass_at_1", "thinking minus direct"),
    MetricName(
        "pass_at_1_{few_shot}/{set}", "eval/{set}/{few_shot}/pass_at_1", "with examples in front"
    ),
    MetricName("{answers}_{mode}", "eval/overall/{mode}/{answers}", "average of all benchmarks"),
    MetricName("{answers}_few_shot", "eval/overall/few_shot/{answers}", "with examples in front"),
    MetricName("{thoughts}", "eval/overall/thinking/{thoughts}", "average of all benchmarks"),
    MetricName("shots", "eval/overall/few_shot/shots", "examples in front of a problem"),
    MetricName("{position}_{mode}", "eval/heldout/{mode}/{position}", "where thoughts are tried"),
    MetricName("{gain}", "eval/heldout/gain/{gain}", "nats, where thoughts are tried"),
    MetricName("audit/{metric}", "audit/{metric}", "the rest of the audit"),
    MetricName("bias/{place}/{metric}_{mode}", "bias/{place}/{mode}/{metric}", "beside the scores"),
    MetricName("bias/{place}/{metric}", "bias/{place}/both/{metric}", "items left out, too few"),
    MetricName(
        "robust_{change}_{mode}/{perturbed}",
        "robust/{perturbed}/{mode}/{change}",
        "what perturbations cost",
    ),
    MetricName(
        "robust_{reward}/{perturbed}", "robust/{perturbed}/gain/{reward}", "nats of the reward"
    ),
    MetricName(
        "{answers}_{mode}/{set}", "eval/{set}/{mode}/{answers}", "of each benchmark or group"
    ),
    MetricName(
        "{answers}_few_shot/{set}", "eval/{set}/few_shot/{answers}", "with examples in front"
    ),
    MetricName("{thoughts}/{set}", "eval/{set}/thinking/{thoughts}", "of each benchmark or group"),
    MetricName("shots/{set}", "eval/{set}/few_shot/shots", "of each benchmark or group"),
)

_COMPARE = (
    MetricName("rlp_minus_{arm}/{end}", "compare/rlp_minus_{arm}/{end}", "pass@1 after thinking"),
    MetricName(
        "rlp_minus_{arm}/best_{end}",
        "compare/rlp_minus_{arm}/best_{end}",
        "pass@1, each arm in its better mode",
    ),
    MetricName("{arm}/audit_alarms", "compare/{arm}/audit_alarms", "alarms of the audit that ring"),
    MetricName(
        "{arm}/pass_at_1_best", "compare/{arm}/pass_at_1_best", "pass@1, in its better mode"
    ),
    MetricName(
        "{arm}/gain_over_base",
        "compare/{arm}/gain_over_base",
        "nats over the base without thinking",
    ),
    MetricName(
        "{arm}/information_gain",
        "compare/{arm}/information_gain",
        "nats over its own direct prediction",
    ),
    MetricName("{arm}/pass_at_1_{mode}", "compare/{arm}/pass_at_1_{mode}", "pass@1, in each mode"),
    MetricName("{name}", "compare/{name}", "any other"),
)

_PROMOTE = (MetricName("{name}", "gate/{name}", "the verdict: 1 where the gate holds"),)

OF_EVERY_STAGE = tuple(
    MetricName(name, f"process/{name}", "of the stage's process") for name in PROCESS
)
"""Before the lines of a stage."""

REST = MetricName("{name}", "other/{name}", "what fits no other line")
"""Behind the lines of a stage."""

TABLES = {
    "prepare": _PREPARE,
    "validate": _VALIDATE,
    "base": _TRAIN,
    "bootstrap": _TRAIN,
    "rlp": _TRAIN,
    "cpt": _TRAIN,
    "finetune": _TRAIN,
    "rlvr": _TRAIN,
    "evaluate": _EVALUATE,
    "compare": _COMPARE,
    "promote": _PROMOTE,
}
"""The lines of a stage, by what stands before the `@` of its name; the most important first."""


def lines_of(stage: str) -> tuple[MetricName, ...]:
    """The whole table of a stage, in order of importance: its process's numbers come first."""
    return (*OF_EVERY_STAGE, *TABLES.get(stage.partition("@")[0], ()), REST)


def logged_as(stage: str, name: str) -> str:
    """The name in MLflow of a number of the whole run that `metrics.json` calls `name`."""
    return _placed(stage, name)[1]


def admitted(stage: str, names: Iterable[str], taken: int = 0) -> list[str]:
    """Which of the names a run holds, in order of importance.

    Args:
        stage: whose run it is, `evaluate@rlp`.
        names: as in `metrics.json`.
        taken: how many numbers beside its process's the run holds already.
    """
    ordered = sorted(names, key=lambda name: _placed(stage, name))
    own = [name for name in ordered if name in PROCESS]
    others = [name for name in ordered if name not in PROCESS]
    return own + others[: max(0, LIMIT - len(PROCESS) - taken)]


@cache
def _pattern(measured: str) -> re.Pattern[str]:
    """The names that fit a line, their parts as named groups."""
    parts = re.split(r"\{(\w+)\}", measured)
    fixed = (re.escape(part) for part in parts[0::2])
    open_parts = [f"(?P<{name}>{PLACEHOLDERS[name][0]})" for name in parts[1::2]] + [""]
    return re.compile("".join(f for pair in zip(fixed, open_parts, strict=True) for f in pair))


def _placed(stage: str, name: str) -> tuple[int, str]:
    """The number of the first line that fits, and the name in MLflow."""
    for place, line in enumerate(lines_of(stage)):
        found = _pattern(line.measured).fullmatch(name)
        if found:
            return place, line.logged.format(**found.groupdict())
    raise AssertionError(f"the last line fits every name: {name!r}")
