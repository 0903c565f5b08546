"""Which objects light a machine: cause and effect, found by elimination.

A machine lights when at least one of some causes, which nobody knows, lies on it; what else lies on
it is no matter. Trials tell which objects lay on it and whether it was lit; asked is whether other
objects light it: `yes`, `no`, or `unknown` where the trials leave it open.

    AB lit, B dark, CD lit; AC?

This is in the manner of ACRE (Zhang, Jia, Edmonds, Zhu and Zhu 2021, "Abstract causal reasoning
beyond covariation"). The expert eliminates, as Valiant (1984, "A theory of the learnable") learns a
disjunction: what lay on a dark machine is no cause; one of what is left of a lit trial is, and if
one object is left, that one. So all causes that fit the trials light the machine if all that is
left of some lit trial is asked about, and none does if all that is asked about is eliminated:

    not B    AB leaves A    AC has A so yes

The other endings are `BD has none so no` for what is eliminated as a whole, and `BC may have C so
unknown` with those asked about that are left. For each set of trials and each number of objects all
three answers can be had by what is asked about, and each is drawn as often.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import combinations
from string import ascii_uppercase
from typing import Annotated

from pydantic import Field, model_validator

from rlp_core.environments import Environment, ExpertSettings, Solution

ANSWERS = ("no", "unknown", "yes")

_OBJECTS = "[A-Z]{1,6}"
_TRIAL = f"{_OBJECTS} (?:lit|dark)"
_QUESTION = re.compile(rf"({_TRIAL}(?:, {_TRIAL}){{0,19}}); ({_OBJECTS})\?")
_OUT = re.compile(f"not ({_OBJECTS})")
_LEFT = re.compile(f"({_OBJECTS}) leaves ({_OBJECTS})")
_END = re.compile(
    f"({_OBJECTS}) (?:has (?P<yes>{_OBJECTS}) so yes|has (?P<no>none) so no"
    f"|may have (?P<unknown>{_OBJECTS}) so unknown)"
)


class CausesSettings(ExpertSettings):
    """How many objects there are, on the machine and to ask about."""

    objects: Annotated[int, Field(ge=3, le=10)] = Field(default=6, description="Objects tried.")
    together: Annotated[int, Field(ge=2, le=4)] = Field(
        default=2, description="Most objects on the machine in a trial."
    )
    asked: Annotated[int, Field(ge=1, le=4)] = Field(
        default=2, description="Most objects asked about."
    )

    @model_validator(mode="after")
    def _possible(self) -> CausesSettings:
        # So many without effect, one cause that is known, and one object that is left open.
        if self.objects < self.asked + 2:
            raise ValueError(
                f"{self.objects} objects are too few to ask about {self.asked}, which needs "
                f"{self.asked + 2}: raise `objects` or lower `asked`"
            )
        return self


@dataclass(frozen=True)
class MachineTrial:
    """Objects, in order, and whether they lit the machine."""

    objects: str
    lit: bool

    def __str__(self) -> str:
        return f"{self.objects} {'lit' if self.lit else 'dark'}"


@dataclass(frozen=True)
class MachineQuestion:
    """Trials of different objects, which some causes fit; some of all objects tried, in order."""

    trials: tuple[MachineTrial, ...]
    asked: str

    @property
    def objects(self) -> set[str]:
        """All that were tried."""
        return set().union(*(trial.objects for trial in self.trials))

    @property
    def out(self) -> set[str]:
        """The objects that are no causes."""
        return set().union(*(trial.objects for trial in self.trials if not trial.lit))

    def left(self, objects: str) -> str:
        """Those of some objects that may be causes."""
        return _text(set(objects) - self.out)


class Causes(Environment[MachineQuestion, CausesSettings]):
    """Which objects light a machine, or may."""

    settings = CausesSettings

    def sample(self, rng: random.Random, settings: CausesSettings) -> MachineQuestion:
        """Trials, then a number of objects, an answer, and objects to which it is the answer.

        Some objects are tried in the dark; each of some others is tried with none but those; the
        rest is tried with at least one more that may be a cause.
        """
        letters = rng.sample(ascii_uppercase, settings.objects)
        without = rng.randint(settings.asked, settings.objects - 2)
        known = rng.randint(without + 1, settings.objects - 1)
        dark, causes, open_ones = letters[:without], letters[without:known], letters[known:]
        trials = [MachineTrial(_text(some), False) for some in _parts(rng, dark, settings.together)]
        lit: list[list[str]] = [[cause] for cause in causes]
        for some in _parts(rng, open_ones, settings.together):
            lit.append(some if len(some) > 1 else [*some, rng.choice(causes)])
        for some in lit:
            more = rng.sample(dark, min(len(dark), rng.randint(0, settings.together - len(some))))
            trials.append(MachineTrial(_text(some + more), True))
        rng.shuffle(trials)
        return _asked(rng, MachineQuestion(tuple(trials), ""), rng.randint(1, settings.asked))

    def key(self, task: MachineQuestion) -> str:
        """The trials in order: the same in another order are on the same side."""
        return self.question(replace(task, trials=tuple(sorted(task.trials, key=str))))

    def question(self, task: MachineQuestion) -> str:
        return f"{', '.join(map(str, task.trials))}; {task.asked}?"

    def read(self, question: str) -> MachineQuestion | None:
        found = _QUESTION.fullmatch(question)
        if found is None:
            return None
        told = [trial.split(" ") for trial in found[1].split(", ")]
        task = MachineQuestion(tuple(MachineTrial(o, w == "lit") for o, w in told), found[2])
        tried = [trial.objects for trial in task.trials]
        ordered = all(_text(set(objects)) == objects for objects in (*tried, task.asked))
        if not ordered or len(set(tried)) < len(tried) or not set(task.asked) <= task.objects:
            return None
        return task if all(task.left(t.objects) for t in task.trials if t.lit) else None

    def expert(self, task: MachineQuestion) -> Solution:
        """Dark trials, then lit ones up to the first that answers; none needed where all is out."""
        steps = [f"not {t.objects}" for t in task.trials if not t.lit]
        left = task.left(task.asked)
        if not left:
            return Solution((*steps, f"{task.asked} has none so no"), "no")
        for trial in task.trials:
            if trial.lit:
                causes = task.left(trial.objects)
                steps.append(f"{trial.objects} leaves {causes}")
                if set(causes) <= set(task.asked):
                    return Solution((*steps, f"{task.asked} has {causes} so yes"), "yes")
        return Solution((*steps, f"{task.asked} may have {left} so unknown"), "unknown")

    def verify(self, task: MachineQuestion, answer: str) -> bool:
        return answer.strip() == _answer(_left(task), task.left(task.asked))

    def check_step(self, task: MachineQuestion, step: str) -> bool | None:
        """Whether objects are no causes, a lit trial leaves those, or the answer follows."""
        if found := _OUT.fullmatch(step):
            return _text(set(found[1]) & task.out) == found[1]
        if found := _LEFT.fullmatch(step):
            return MachineTrial(found[1], True) in task.trials and task.left(found[1]) == found[2]
        found = _END.fullmatch(step)
        if found is None:
            return None
        left = task.left(task.asked)
        if found[1] != task.asked or found.lastgroup != _answer(_left(task), left):
            return False
        if found["yes"]:
            return found["yes"] in _left(task) and set(found["yes"]) <= set(left)
        return found["unknown"] in (None, left)


def _text(objects: Iterable[str]) -> str:
    return "".join(sorted(objects))


def _left(task: MachineQuestion) -> list[str]:
    """What is left of each lit trial: at least one of these is a cause."""
    return [task.left(trial.objects) for trial in task.trials if trial.lit]


def _answer(trials: list[str], asked: str) -> str:
    """Whether those asked about light the machine, by what is left of them and of lit trials."""
    if not asked:
        return "no"
    return "yes" if any(set(causes) <= set(asked) for causes in trials) else "unknown"


def _parts(rng: random.Random, objects: list[str], most: int) -> list[list[str]]:
    """Objects in parts of random size, up to `most`, in order."""
    parts, rest = [], objects
    while rest:
        size = rng.randint(1, most)
        parts.append(rest[:size])
        rest = rest[size:]
    return parts


def _asked(rng: random.Random, told: MachineQuestion, count: int) -> MachineQuestion:
    """The trials with `count` objects asked about: an answer, then objects, both uniform."""
    trials, out = _left(told), told.out
    found: dict[str, list[str]] = {answer: [] for answer in ANSWERS}
    for asked in combinations(sorted(told.objects), count):
        left = _text(one for one in asked if one not in out)
        found[_answer(trials, left)].append(_text(asked))
    return replace(told, asked=rng.choice(found[rng.choice(ANSWERS)]))
