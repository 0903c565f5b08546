"""Arithmetic word problems: a story of who has how many, in one to three steps.

    Ann has 12 plums. Tom gives Ann 5. Eva has 3 more than Ann. How many plums has Eva now?

Each sentence after the first changes a number, compares it, adds up, shares out or sells: the kinds
of Riley, Greeno and Heller (1983, "Development of children's problem-solving ability in
arithmetic") and of Greer (1992, "Multiplication and division as models of situations"). The expert
follows the story, one equation a step: `12+5=17`, `17+3=20`. All is shared evenly, nothing is left
over, nothing falls below one, and whoever is named for the first time is somebody else.

No word gives an operation away: each that occurs with one of `+`, `-`, `*`, `/` occurs with another
too, mostly with persons changed about (`Tom gives Ann 5`, `Ann gives Tom 5`), and two sentences of
different operations differ in two words at least.
"""

from __future__ import annotations

import functools
import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import Field

from rlp_core.environments import Environment, ExpertSettings, Solution

MOST = 999  # the largest number that a story may tell or lead to
NAMES = ("Ann", "Ben", "Eva", "Ida", "Max", "Sam", "Tom", "Zoe")
THINGS = ("apples", "books", "cards", "cups", "nuts", "pears", "pens", "plums")
OPENINGS = (
    "{h} has {n} {t}.",
    "{h} has {n} {t} in each of {m} bags.",
    "{h} has {n} {t} for each of {m} friends.",
)
"""The first sentence: it names who has things, `h`, and how many, `n` or `n` times `m`."""

EVENTS = {
    "{o} gives {h} {n}.": "h+n",
    "{h} gives {o} {n}.": "h-n",
    "{o} sells {h} {n}.": "h+n",
    "{h} sells {o} {n}.": "h-n",
    "{o} sends {n} to {h}.": "h+n",
    "{h} sends {n} to {o}.": "h-n",
    "{h} gets {n} from {o}.": "h+n",
    "{o} gets {n} from {h}.": "h-n",
    "{h} takes {n} from {o}.": "h+n",
    "{o} takes {n} from {h}.": "h-n",
    "{h} buys {n} from {o}.": "h+n",
    "{o} buys {n} from {h}.": "h-n",
    "{o} has {n} more than {h}.": "o=h+n",
    "{h} has {n} more than {o}.": "o=h-n",
    "{h} needs {n} more to match {o}.": "o=h+n",
    "{o} needs {n} more to match {h}.": "o=h-n",
    "{o} has {n} times as many as {h}.": "o=h*n",
    "{h} has {n} times as many as {o}.": "o=h/n",
    "{o} has {n}. How many have {h} and {o} in all?": "h+n",
    "{o} has {n}. How many have {h} and {o} to share?": "h+n",
    "{o} has {n}. How many more has {h} than {o}?": "h-n",
    "{o} has {n}. How many more has {o} than {h}?": "n-h",
    "{h} and {o} have {n} in all. How many has {o}?": "n-h",
    "{h} needs {n}. How many more is that?": "n-h",
    "{h} sells each for {n} coins. How many coins is that?": "h*n",
    "{n} friends each have what {h} has. How many have all {n}?": "h*n",
    "{h} sells all for {n} coins. How many coins is each?": "n/h",
    "{n} friends share what {h} has. How many has each?": "h/n",
    "{h} has all in bags of {n}. How many bags is that?": "h/n",
    "{h} has all in {n} bags. How many has each?": "h/n",
}
"""The other sentences, and what they do to the known number, `h`; `o` is somebody new.

Where it begins with `o=`, what comes of it is the number of `o`, of whom the story goes on.
"""

ASKING = ("How many {t} has {h} now?", "{h} now has how many {t}?")
"""The last sentence, after events that do not ask themselves."""

_LONGEST = 300  # characters of a question, with room to spare
_NUMBER = "[1-9][0-9]{0,2}"
_NAME = "|".join(NAMES)
_HOLES = {"n": _NUMBER, "m": _NUMBER, "h": _NAME, "o": _NAME, "t": "|".join(THINGS)}
_STEP = re.compile(f"({_NUMBER})([-+*/])({_NUMBER})=({_NUMBER})")

Equation = tuple[int, str, int, int]
"""Left, sign, right, value."""

_Steps = Annotated[int, Field(ge=1, le=3)]


class WordProblemsSettings(ExpertSettings):
    """How long the stories are, and how large their numbers."""

    min_steps: _Steps = Field(default=1, description="Fewest steps.")
    max_steps: _Steps = Field(default=2, description="Most steps.")
    largest: Annotated[int, Field(ge=10, le=MOST)] = Field(
        default=20, description="Largest number told, found on the way, or answered."
    )


@dataclass(frozen=True)
class StoryEvent:
    """One of `EVENTS` with its number; `other` is empty where it names nobody new."""

    text: str
    number: int
    other: str


@dataclass(frozen=True)
class Story:
    """A word problem.

    Attributes:
        owner: who has things at first.
        thing: what they are, in the plural.
        opening: one of `OPENINGS`.
        counts: its numbers `n` and, where it has one, `m`.
        events: in order; one that asks is the last.
        asking: one of `ASKING`; empty where the last event asks.
    """

    owner: str
    thing: str
    opening: str
    counts: tuple[int, ...]
    events: tuple[StoryEvent, ...]
    asking: str

    def names(self) -> list[str]:
        """All who are named, in order."""
        return [self.owner, *(event.other for event in self.events if event.other)]

    def equations(self) -> tuple[Equation, ...]:
        """In the order of the story; none where it cannot be, or has too many."""
        known, made = self.counts[0], []
        if len(self.counts) > 1:
            known *= self.counts[1]
            made.append((self.counts[0], "*", self.counts[1], known))
        for event in self.events:
            equation = _equation(event.text, known, event.number)
            if known < 2 or equation is None:
                return ()
            made.append(equation)
            known = equation[-1]
        told = min(*self.counts, *(event.number for event in self.events), MOST)
        return tuple(made) if told > 1 and known <= MOST and len(made) <= 3 else ()


class WordProblems(Environment[Story, WordProblemsSettings]):
    """Arithmetic word problems of one to three steps."""

    settings = WordProblemsSettings

    def sample(self, rng: random.Random, settings: WordProblemsSettings) -> Story:
        """One opening in four is a product; of what can come next, each operation is as likely."""
        left, largest = rng.randint(settings.min_steps, settings.max_steps), settings.largest
        owner, *others = rng.sample(NAMES, 4)
        if rng.random() < 0.25:
            times = rng.randint(2, largest // 2)
            counts: tuple[int, ...] = (rng.randint(2, largest // times), times)
            opening, known, left = rng.choice(OPENINGS[1:]), counts[0] * times, left - 1
        else:
            opening, known = OPENINGS[0], rng.randint(2, largest)
            counts = (known,)
        events: list[StoryEvent] = []
        for place in range(left, 0, -1):
            text, number = _drawn(rng, known, largest, last=place == 1)
            events.append(StoryEvent(text, number, others.pop() if "{o}" in text else ""))
            equation = _equation(text, known, number)
            assert equation is not None  # only what is possible is drawn
            known = equation[-1]
        asking = "" if events and events[-1].text.endswith("?") else rng.choice(ASKING)
        return Story(owner, rng.choice(THINGS), opening, counts, tuple(events), asking)

    def key(self, task: Story) -> str:
        """The story as told of the first names and the first thing: who and what is no matter."""
        known = dict(zip(task.names(), NAMES, strict=False))
        events = tuple(replace(e, other=known.get(e.other, "")) for e in task.events)
        return self.question(replace(task, owner=NAMES[0], thing=THINGS[0], events=events))

    def question(self, task: Story) -> str:
        holder, thing = task.owner, task.thing
        told = [task.opening.format(h=holder, t=thing, n=task.counts[0], m=task.counts[-1])]
        for event in task.events:
            told.append(event.text.format(h=holder, n=event.number, o=event.other))
            holder = event.other if EVENTS[event.text][0] == "o" else holder
        asked = task.asking.format(h=holder, t=thing)
        return " ".join([*told, asked] if asked else told)

    def read(self, question: str) -> Story | None:
        """Sentence by sentence; a story that cannot be, or is told another way, is none."""
        if len(question) > _LONGEST or (found := _next(OPENINGS, question, 0, _NAME)) is None:
            return None
        opening, first = found
        owner, thing, place = first["h"], first["t"], first.end()
        counts = tuple(int(first[hole]) for hole in ("n", "m") if hole in first.groupdict())
        holder, events = owner, []
        while found := _next(EVENTS, question, place, holder):
            text, told = found
            event = StoryEvent(text, int(told["n"]), told.groupdict().get("o", ""))
            events.append(event)
            holder = event.other if EVENTS[text][0] == "o" else holder
            place = told.end()
        asking = found[0] if (found := _next(ASKING, question, place, holder)) else ""
        story = Story(owner, thing, opening, counts, tuple(events), asking)
        if question.find("?") != len(question) - 1 or len(set(story.names())) < len(story.names()):
            return None
        return story if story.equations() and self.question(story) == question else None

    def expert(self, task: Story) -> Solution:
        """The equations of the story in its order; the last value is asked for."""
        steps = (f"{a}{sign}{b}={value}" for a, sign, b, value in task.equations())
        return Solution(tuple(steps), str(task.equations()[-1][-1]))

    def verify(self, task: Story, answer: str) -> bool:
        return answer.strip() == str(task.equations()[-1][-1])

    def check_step(self, task: Story, step: str) -> bool | None:
        """Whether an equation is one of the story's, sums and products in either order."""
        found = _STEP.fullmatch(step)
        if found is None:
            return None
        left, sign, right, value = int(found[1]), found[2], int(found[3]), int(found[4])
        ways = {(left, sign, right, value)}
        if sign in "+*":
            ways.add((right, sign, left, value))
        return not ways.isdisjoint(task.equations())


def _equation(text: str, known: int, number: int) -> Equation | None:
    """What an event makes of the known number; None where that leaves a remainder or nothing."""
    doing = EVENTS[text][-3:]
    left, right = (known, number) if doing[0] == "h" else (number, known)
    sign = doing[1]
    if sign == "/" and left % right:
        return None
    value = {"+": left + right, "-": left - right, "*": left * right, "/": left // right}[sign]
    return (left, sign, right, value) if 1 <= value <= MOST else None


def _numbers(doing: str, known: int, largest: int, least: int) -> Sequence[int]:
    """The numbers from 2 to `largest` that an event may have, by what it does.

    No sum or product exceeds `largest`; no difference is below `least`, and no quotient below 2.
    """
    if doing == "h/n":
        return [part for part in range(2, known // 2 + 1) if known % part == 0]
    return {
        "h+n": range(2, largest - known + 1),
        "h-n": range(2, known - least + 1),
        "n-h": range(known + least, largest + 1),
        "h*n": range(2, largest // known + 1),
        "n/h": range(2 * known, largest + 1, known),
    }[doing]


def _drawn(rng: random.Random, known: int, largest: int, *, last: bool) -> tuple[str, int]:
    """A sign, then an event with it, then its number, each uniform among the possible."""
    possible: dict[str, list[tuple[str, Sequence[int]]]] = {}
    for text in EVENTS:
        numbers = _numbers(EVENTS[text][-3:], known, largest, 1 if last else 2)
        if numbers and (last or text.endswith(".")):
            possible.setdefault(EVENTS[text][-2], []).append((text, numbers))
    text, numbers = rng.choice(possible[rng.choice(sorted(possible))])
    return text, rng.choice(numbers)


def _next(
    texts: Iterable[str], question: str, place: int, holder: str
) -> tuple[str, re.Match[str]] | None:
    """The sentence at a place of a question, told of `holder`: of no two does one begin another."""
    matches = ((text, _pattern(text, holder).match(question, place)) for text in texts)
    return next(((text, match) for text, match in matches if match), None)


@functools.lru_cache(maxsize=1024)
def _pattern(text: str, holder: str) -> re.Pattern[str]:
    """A sentence with its holes as groups; a hole that comes again is filled as before."""
    holes, made, seen = _HOLES | {"h": holder}, "", set()
    for piece in re.split(r"(\{[a-z]\})", text):
        hole = piece[1:-1]
        if not piece.startswith("{"):
            made += re.escape(piece)
        else:
            made += f"(?P={hole})" if hole in seen else f"(?P<{hole}>{holes[hole]})"
            seen.add(hole)
    return re.compile(rf"{made}(?: |\Z)")
