"""The rule: from what is met to what is recommended, and which figures decided it.

A figure decided where the recommendation would be another if it lay on the other side of its
threshold. Where such a figure is borderline, the advice says so, and what it would be otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from rlp_core.advising.criteria import Criterion

Recommendation = Literal["imitation", "rlp", "both", "neither", "undecided"]

WORDS: dict[Recommendation, str] = {
    "imitation": "imitation: the demonstrations are enough, or the corpus is too small for RLP",
    "rlp": "RLP: the model's own thoughts help already, and there is too little worth imitating",
    "both": "both: imitation to begin with, then RLP, which goes beyond what the experts show",
    "neither": "neither: there is nothing to gain, or nothing to gain it from",
    "undecided": "undecided: too little is known; a trial of the model decides",
}


TWICE = (("begin", "plenty"), ("usable", "sound"))
"""Criteria of one figure, the lower threshold first."""


@dataclass(frozen=True)
class Decider:
    """A criterion that decided.

    Attributes:
        criterion: with its figure.
        otherwise: what would be recommended if it lay on the other side of its threshold.
    """

    criterion: Criterion
    otherwise: Recommendation


@dataclass(frozen=True)
class Advice:
    """What is recommended.

    Attributes:
        recommendation: in one word.
        reason: one sentence of the case that applies.
        deciders: the figures that decided it, in the order of the table.
    """

    recommendation: Recommendation
    reason: str
    deciders: tuple[Decider, ...]

    @property
    def borderline(self) -> tuple[Decider, ...]:
        """Those that could as well lie on the other side."""
        return tuple(d for d in self.deciders if d.criterion.borderline)


def advise(criteria: Mapping[str, Criterion]) -> Advice:
    """Recommend.

    Args:
        criteria: what `criteria_of` found.
    """
    met = {name: criterion.met for name, criterion in criteria.items()}
    tried = criteria["helped"].figure is not None
    recommendation, reason = decide(met, tried=tried)
    deciders = []
    for name, criterion in criteria.items():
        if _beyond_another(name, met):
            continue
        other, _ = decide(met | {name: not met[name]}, tried=tried or name == "helped")
        if other != recommendation:
            deciders.append(Decider(criterion, other))
    return Advice(recommendation, reason, tuple(deciders))


def _beyond_another(name: str, met: Mapping[str, bool]) -> bool:
    """Whether the figure would have to pass another threshold of its own before this one."""
    for lower, upper in TWICE:
        if (name == lower and met[upper]) or (name == upper and not met[lower]):
            return True
    return False


def decide(met: Mapping[str, bool], *, tried: bool) -> tuple[Recommendation, str]:
    """The recommendation and its reason.

    Args:
        met: by criterion, whether it is met.
        tried: whether the model was tried; else nobody knows whether its thoughts help.
    """
    if met["solved"]:
        return "neither", "The model answers right already; there is next to nothing to learn."
    imitable = met["begin"] and met["usable"]
    if imitable and met["plenty"] and met["sound"] and met["shown"]:
        return "imitation", (
            "There are many demonstrations, nearly all sound, and they show their work: imitation "
            "reaches what they show, and RLP would add little for its price."
        )
    if imitable and met["text"]:
        return "both", f"There is enough to begin with, but {_short_of(met)}: RLP goes on from it."
    if imitable:
        return "imitation", (
            f"There is enough to imitate, though {_short_of(met)}; RLP has too few texts to learn "
            "from."
        )
    fault = "most demonstrations are false" if met["begin"] else "there is too little to imitate"
    if met["helped"] and met["text"]:
        return "rlp", (
            f"{fault.capitalize()}; but of the model's own thoughts some help already, and RLP "
            "makes them the rule."
        )
    if met["helped"]:
        return "neither", f"{fault.capitalize()}, and too few texts for RLP: get more of either."
    if not tried:
        return "undecided", (
            f"{fault.capitalize()}. Whether RLP has something to begin with, a trial of the model "
            "tells: give --model."
        )
    return "neither", (
        f"{fault.capitalize()}, and none of the model's own thoughts would be rewarded: RLP would "
        "teach it to think nothing. Get more sound demonstrations, or a stronger model."
    )


def _short_of(met: Mapping[str, bool]) -> str:
    """What keeps demonstrations from being enough by themselves."""
    faults = {
        "plenty": "the demonstrations are few",
        "sound": "some of them are false",
        "shown": "many do not show their work",
    }
    return " and ".join(text for name, text in faults.items() if not met[name])
