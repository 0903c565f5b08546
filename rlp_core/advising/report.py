"""An advice as lines for a person, and as a tree for a program."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from rlp_core.advising.criteria import THRESHOLDS, Criterion
from rlp_core.advising.profile import CorpusProfile, DemonstrationProfile, Lengths
from rlp_core.advising.rule import WORDS, Advice, Decider
from rlp_core.advising.trial import HELP, ModelTrial
from rlp_core.evaluation.statistics import Estimate

Pair = tuple[str, str]

HELPING = f"by {HELP} nats over every control, less those of another text that do"


def lines(
    corpus: CorpusProfile,
    demonstrations: DemonstrationProfile,
    trial: ModelTrial | None,
    advice: Advice,
) -> Iterator[str]:
    """The profile as a table, then what is recommended and why."""
    yield from _table("corpus", _of_corpus(corpus))
    yield from _table("demonstrations", _of_demonstrations(demonstrations))
    if trial is None:
        yield "model\n  not tried: give --model FOLDER to know what it can do already"
    else:
        yield from _table("model", _of_trial(trial))
        yield from (f"  {loss}" for loss in trial.losses)
    yield f"\n{WORDS[advice.recommendation]}"
    yield f"  {advice.reason}"
    if advice.deciders:
        yield "decided by"
    for decider in advice.deciders:
        yield f"  {_decided(decider)}"
    for decider in advice.borderline:
        yield f"borderline: {_unsure(decider)}"


def tree(
    corpus: CorpusProfile,
    demonstrations: DemonstrationProfile,
    trial: ModelTrial | None,
    criteria: Mapping[str, Criterion],
    advice: Advice,
) -> dict[str, Any]:
    """All of it; what is not a number is null."""
    whole: dict[str, Any] = _without_nan(
        {
            "corpus": asdict(corpus),
            "demonstrations": asdict(demonstrations),
            "model": None if trial is None else asdict(trial),
            "criteria": {
                name: {
                    "figure": None if one.figure is None else asdict(one.figure),
                    "met": one.met,
                    "borderline": one.borderline,
                    "threshold": asdict(THRESHOLDS[name]),
                }
                for name, one in criteria.items()
            },
            "recommendation": advice.recommendation,
            "reason": advice.reason,
            "decided_by": {d.criterion.name: d.otherwise for d in advice.deciders},
            "borderline": [d.criterion.name for d in advice.borderline],
        }
    )
    return whole


def _table(title: str, pairs: list[Pair]) -> Iterator[str]:
    width = max(len(name) for name, _ in pairs)
    yield title
    for name, value in pairs:
        yield f"  {name:{width}}  {value}"


def _of_corpus(of: CorpusProfile) -> list[Pair]:
    return [
        ("documents", f"{of.documents}, {of.distinct} distinct"),
        ("with a marked answer", f"{of.marked} of {of.distinct}"),
        ("characters", _lengths(of.characters)),
        ("sources", _sources(of.sources)),
    ]


def _of_demonstrations(of: DemonstrationProfile) -> list[Pair]:
    if not of.demonstrations:
        return [("demonstrations", "none")]
    kinds = f"{of.step_count}, {of.distinct_steps} distinct, {of.step_forms} forms without numbers"
    judged = f"{of.by_world} by their world, {of.by_equations} by their equations"
    pairs = [
        ("demonstrations", f"{of.demonstrations}, {of.distinct} distinct"),
        ("contexts", f"{of.contexts} distinct"),
        ("with a thought", _estimate(of.shown)),
        ("thought, characters", _lengths(of.lengths)),
        ("thought, steps", _lengths(of.steps)),
        ("steps", kinds),
        ("type-token ratio", _number(of.type_token)),
        ("sound", f"{_estimate(of.sound)}; {judged}"),
        ("not checkable", f"{of.not_checkable} with a thought"),
        ("not found false", f"{of.usable} with a thought"),
        ("right answers", _estimate(of.answers)),
        ("same task as a text", f"{of.repeated} of {of.demonstrations}"),
        ("sharing its words", f"{of.overlapping} of {of.demonstrations}"),
        ("sources", _sources(of.sources)),
    ]
    return pairs + [("unsound", f"{name}: {fault}") for name, fault in of.unsound]


def _of_trial(of: ModelTrial) -> list[Pair]:
    origin = {
        "problems": "the problems that were given",
        "corpus": "the corpus's marked answers",
        "demonstrations": "the demonstrations",
    }
    asked = f"{of.asked} of {origin[of.asked_from]}" if of.asked else "nothing: no problem is there"
    return [
        ("asked", asked),
        ("pass@1 thinking", _estimate(of.thinking)),
        ("pass@1 without thinking", _estimate(of.direct)),
        ("thought in", f"{of.read} texts, at one place each"),
        ("information gain", f"{_estimate(of.information_gain)} nats"),
        (
            "thoughts that help",
            f"{_estimate(of.helpful)}, {HELPING}",
        ),
        ("empty thoughts", _estimate(of.empty)),
        ("closed by force", f"{_estimate(of.forced)}, at {of.max_thought_tokens} tokens"),
        ("demonstrations longer than that", _estimate(of.longer_demonstrations)),
    ]


def _decided(decider: Decider) -> str:
    one, threshold = decider.criterion, decider.criterion.threshold
    figure = "not measured" if one.figure is None else _figure(one.figure, threshold.share)
    sign = "met" if one.met else "not met"
    if one.figure is None:
        sign = f"taken as {sign}"
    return (
        f"{threshold.figure}: {figure}; {sign} from {threshold.value:g} on "
        f"({threshold.low:g} to {threshold.high:g}): {threshold.reason}"
    )


def _unsure(decider: Decider) -> str:
    one = decider.criterion
    why = "was not measured" if one.figure is None else "is too near its threshold to be sure"
    return f"{one.threshold.figure}: this {why}; on the other side it would be {decider.otherwise}"


def _figure(of: Estimate, share: bool) -> str:
    return _estimate(of) if share else f"{of.value:.0f}"


def _estimate(of: Estimate | None) -> str:
    if of is None or not of.n:
        return "nothing to measure"
    return f"{of.value:.3f} [{of.low:.3f}, {of.high:.3f}] of {of.n}"


def _lengths(of: Lengths) -> str:
    if not of.longest:
        return "none"
    return f"median {of.median:.0f}, 90 % up to {of.high:.0f}, longest {of.longest}"


def _number(value: float) -> str:
    return "none" if math.isnan(value) else f"{value:.3f}"


def _sources(of: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in of.items()) or "none"


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and math.isnan(value) else value
