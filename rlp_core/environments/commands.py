"""Commands in simple English, carried out as actions: the language SCAN.

Grammar and meaning are those of Lake and Baroni (2018), "Generalization without systematicity",
whose 20,910 commands are exactly those of this world:

    command = part | part `and` part | part `after` part
    part    = phrase | phrase `twice` | phrase `thrice`
    phrase  = verb | verb side | verb `opposite` side | verb `around` side
    verb    = `walk` | `look` | `run` | `jump` | `turn`, which never stands without a side
    side    = `left` | `right`

The answer is one letter per action: `W`, `L`, `R`, `J` to walk, look, run and jump, `l` and `r` for
a turn to the left and to the right. To `walk twice after jump left` it is `lJWW`.

The expert interprets from the inside out, part by part in the order in which they are carried out:
the phrase, `jump left=lJ`; its repetition, `W twice=WW`; at last both parts, `lJ then WW=lJWW`.
"""

from __future__ import annotations

import functools
import itertools
import random
import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, model_validator

from rlp_core.environments import Environment, ExpertSettings, Solution

Joint = Literal["", "and", "after"]

_ACTIONS = {"walk": "W", "look": "L", "run": "R", "jump": "J", "turn": ""}
_TURNS = {"left": "l", "right": "r"}
_TIMES = {"": 1, "twice": 2, "thrice": 3}
_JOINTS: tuple[Joint, ...] = ("and", "after")
_LONGEST = 48
"""Actions of the longest command: two parts, each three times `around`, which is 8 actions."""

_DONE = f"[WLRJlr]{{1,{_LONGEST}}}"
_STEP = re.compile(
    rf"(?:(?:walk|look|run|jump|turn)(?: opposite| around)?(?: left| right)?"
    rf"|{_DONE} (?:twice|thrice)|{_DONE} then {_DONE})={_DONE}"
)

_Actions = Annotated[int, Field(ge=1, le=_LONGEST)]


class CommandsSettings(ExpertSettings):
    """How long the commands are, and how many actions they ask for."""

    max_parts: Annotated[int, Field(ge=1, le=2)] = Field(
        default=2, description="Most parts: 2 are joined by `and` or `after`."
    )
    min_actions: _Actions = Field(default=1, description="Fewest actions of a command.")
    max_actions: _Actions = Field(default=8, description="Most actions of a command.")

    @model_validator(mode="after")
    def _possible(self) -> CommandsSettings:
        lengths = _counts(self.max_parts)
        if not any(self.min_actions <= length <= self.max_actions for length in lengths):
            raise ValueError(
                f"no command has {self.min_actions} to {self.max_actions} actions: choose a range "
                f"with one of {', '.join(map(str, lengths))}, or another `max_parts`"
            )
        return self


@dataclass(frozen=True)
class Errand:
    """A part of a command: a phrase, and how often it is carried out.

    Attributes:
        verb: one of `walk`, `look`, `run`, `jump`, `turn`.
        manner: empty, `opposite` or `around`.
        side: `left` or `right`; empty only where there is no manner and the verb is not `turn`.
        times: empty, `twice` or `thrice`.
    """

    verb: str
    manner: str
    side: str
    times: str

    @property
    def phrase(self) -> str:
        return " ".join(filter(None, (self.verb, self.manner, self.side)))

    @property
    def once(self) -> str:
        """The actions of the phrase."""
        turn, action = _TURNS.get(self.side, ""), _ACTIONS[self.verb]
        return {"": turn + action, "opposite": 2 * turn + action, "around": 4 * (turn + action)}[
            self.manner
        ]

    @property
    def actions(self) -> str:
        return self.once * _TIMES[self.times]

    def __str__(self) -> str:
        return f"{self.phrase} {self.times}".strip()


@dataclass(frozen=True)
class Instruction:
    """One part, or two with a joint between them, as they are said."""

    parts: tuple[Errand, ...]
    joint: Joint

    @property
    def in_turn(self) -> tuple[Errand, ...]:
        """The parts as they are carried out."""
        return self.parts[::-1] if self.joint == "after" else self.parts

    @property
    def actions(self) -> str:
        return "".join(part.actions for part in self.in_turn)


class Commands(Environment[Instruction, CommandsSettings]):
    """The language SCAN: commands and the actions that carry them out."""

    settings = CommandsSettings

    def sample(self, rng: random.Random, settings: CommandsSettings) -> Instruction:
        """A uniformly drawn number of actions that is possible, then a command of that many."""
        counts = _counts(settings.max_parts)
        count = rng.choice([c for c in counts if settings.min_actions <= c <= settings.max_actions])
        return rng.choice(_commands(settings.max_parts, count))

    def question(self, task: Instruction) -> str:
        return f" {task.joint} ".join(map(str, task.parts))

    def read(self, question: str) -> Instruction | None:
        joint: Joint
        for joint in _JOINTS:
            first, between, second = question.partition(f" {joint} ")
            if between:
                texts = [first, second]
                break
        else:
            texts, joint = [question], ""
        parts = tuple(_PARTS[text] for text in texts if text in _PARTS)
        return Instruction(parts, joint) if len(parts) == len(texts) else None

    def expert(self, task: Instruction) -> Solution:
        """Each phrase, its repetition where there is one, and the parts put together."""
        steps = []
        for part in task.in_turn:
            steps.append(f"{part.phrase}={part.once}")
            if part.times:
                steps.append(f"{part.once} {part.times}={part.actions}")
        if task.joint:
            steps.append(f"{' then '.join(part.actions for part in task.in_turn)}={task.actions}")
        return Solution(tuple(steps), task.actions)

    def verify(self, task: Instruction, answer: str) -> bool:
        return answer.strip() == task.actions

    def check_step(self, task: Instruction, step: str) -> bool | None:
        """Whether an equation interprets a phrase, a repetition or the joint of this command.

        The language gives each of them one meaning: what holds is what the expert says.
        """
        return step in self.expert(task).steps if _STEP.fullmatch(step) else None


_PARTS = {
    str(part): part
    for part in itertools.starmap(
        Errand, itertools.product(_ACTIONS, ("", "opposite", "around"), ("", *_TURNS), _TIMES)
    )
    if part.side or (not part.manner and part.verb != "turn")
}
"""All that can be a command by itself, by its text."""


@functools.cache
def _counts(max_parts: int) -> list[int]:
    """How many actions a command of so many parts at most can ask for."""
    alone = {len(part.actions) for part in _PARTS.values()}
    joined = {one + other for one in alone for other in alone}
    return sorted(alone if max_parts == 1 else alone | joined)


@functools.cache
def _commands(max_parts: int, count: int) -> list[Instruction]:
    """All commands of so many parts at most that ask for so many actions."""
    lengths = {part: len(part.actions) for part in _PARTS.values()}
    found = [Instruction((part,), "") for part in lengths if lengths[part] == count]
    if max_parts == 2:
        found += [
            Instruction((one, other), joint)
            for one, other in itertools.product(lengths, repeat=2)
            if lengths[one] + lengths[other] == count
            for joint in _JOINTS
        ]
    return found
