"""What follows from facts and if-then rules, in propositional logic: Horn clauses over letters.

    facts AC, rules AC>B CD>E B>F DE>G, reach F?

A and C are true; if A and C, then B; and so on. The answer is `yes` where the letter asked for
follows, and `no` where it does not. The expert is forward chaining as of Dowling and Gallier (1984,
"Linear-time algorithms for testing the satisfiability of propositional Horn formulae"): each rule
counts its premises that are not reached yet, and gains its head when there are none. A step names
the rule and the fact gained, and the last one says whether what was asked for was reached:

    AC>B so B    B>F so F    F reached

Both answers are as likely whatever the facts and the rules, for each drawn set has a fact to reach
and another that cannot be, at the ends of two chains built alike, and a coin says which is asked
for. Nothing but where the chains begin tells them apart.
"""

from __future__ import annotations

import random
import re
from collections import deque
from dataclasses import dataclass, replace
from string import ascii_uppercase
from typing import Annotated

from pydantic import Field

from rlp_core.environments import Environment, ExpertSettings, Solution

_RULE = "[A-Z]{1,4}>[A-Z]"
_QUESTION = re.compile(
    f"facts ([A-Z]{{1,26}}), rules ({_RULE}(?: {_RULE}){{0,19}}), reach ([A-Z])\\?"
)
_GAIN = re.compile(f"({_RULE}) so ([A-Z])")
_END = re.compile("([A-Z]) (not )?reached")

_Depth = Annotated[int, Field(ge=1, le=6)]


class EntailmentSettings(ExpertSettings):
    """How far the chains reach, and how much stands beside them."""

    min_depth: _Depth = Field(default=1, description="Rules in each of the two chains, at least.")
    max_depth: _Depth = Field(default=3, description="Rules in each of the two chains, at most.")
    facts: Annotated[int, Field(ge=1, le=6)] = Field(default=2, description="Facts given.")
    premises: Annotated[int, Field(ge=1, le=4)] = Field(
        default=2, description="Most premises of a rule."
    )
    spare: Annotated[int, Field(ge=0, le=4)] = Field(
        default=1, description="Rules beside the chains, which never gain anything."
    )


@dataclass(frozen=True)
class HornRule:
    """If all letters of `body`, which are in order, then `head`, which is none of them."""

    body: str
    head: str

    def __str__(self) -> str:
        return f"{self.body}>{self.head}"


@dataclass(frozen=True)
class HornQuestion:
    """Whether `asked`, no fact but in a rule, follows; facts are in order, rules differ."""

    facts: str
    rules: tuple[HornRule, ...]
    asked: str


class Entailment(Environment[HornQuestion, EntailmentSettings]):
    """Whether a letter follows from facts and if-then rules."""

    settings = EntailmentSettings

    def sample(self, rng: random.Random, settings: EntailmentSettings) -> HornQuestion:
        """Two chains of equal depth, one from a fact and one from nothing, and rules beside them.

        Beside the letter before it, a rule of a chain may ask for facts and for letters that lie
        lower in the chains; of the chain without a beginning, for letters of both. A rule beside
        the chains asks for a letter that no rule gains.
        """
        depth = rng.randint(settings.min_depth, settings.max_depth)
        letters = rng.sample(ascii_uppercase, settings.facts + 2 * depth + 1 + settings.spare)
        facts = [letters.pop() for _ in range(settings.facts)]
        live = [facts[0], *(letters.pop() for _ in range(depth))]
        dead = [letters.pop() for _ in range(depth + 1)]
        rules = []
        for level in range(depth):
            lower = [*facts[1:], *live[:level]]
            # As many for both chains: the number of premises must not tell one from the other.
            most = min(settings.premises - 1, len(lower))
            rules.append(_rule(rng, live[level], lower, most, live[level + 1]))
            lower += [live[level], *dead[:level]]
            rules.append(_rule(rng, dead[level], lower, most, dead[level + 1]))
        inner = [*facts, *live[1:depth], *dead[:depth]]
        for letter in letters:
            head = rng.choice(live[1:] + dead[1:])
            lower = [one for one in inner if one != head]
            most = min(settings.premises - 1, len(inner) - 1)
            rules.append(_rule(rng, letter, lower, most, head))
        rng.shuffle(rules)
        asked = rng.choice((live[-1], dead[-1]))
        return HornQuestion("".join(sorted(facts)), tuple(rules), asked)

    def key(self, task: HornQuestion) -> str:
        """The rules in order: the same in another order are on the same side."""
        return self.question(replace(task, rules=tuple(sorted(task.rules, key=str))))

    def question(self, task: HornQuestion) -> str:
        rules = " ".join(map(str, task.rules))
        return f"facts {task.facts}, rules {rules}, reach {task.asked}?"

    def read(self, question: str) -> HornQuestion | None:
        found = _QUESTION.fullmatch(question)
        if found is None:
            return None
        facts, told, asked = found.groups()
        rules = tuple(HornRule(*rule.split(">")) for rule in told.split(" "))
        ordered = all(_ordered(letters) for letters in (facts, *(rule.body for rule in rules)))
        if not ordered or len(set(rules)) < len(rules) or any(r.head in r.body for r in rules):
            return None
        return HornQuestion(facts, rules, asked) if asked in told and asked not in facts else None

    def expert(self, task: HornQuestion) -> Solution:
        """Forward chaining, up to what is asked for or until nothing more is gained."""
        used, reached = _chained(task, task.asked)
        found = task.asked in reached
        steps = [f"{rule} so {rule.head}" for rule in used]
        steps.append(f"{task.asked} {'' if found else 'not '}reached")
        return Solution(tuple(steps), "yes" if found else "no")

    def verify(self, task: HornQuestion, answer: str) -> bool:
        return answer.strip() == self.expert(task).answer

    def check_step(self, task: HornQuestion, step: str) -> bool | None:
        """Whether a rule of the task gains its head, or what is asked for was reached or not.

        A rule gains its head where all its premises follow.
        """
        if found := _GAIN.fullmatch(step):
            rule = HornRule(*found[1].split(">"))
            return (
                rule in task.rules and rule.head == found[2] and set(rule.body) <= _chained(task)[1]
            )
        if found := _END.fullmatch(step):
            return found[1] == task.asked and (task.asked in _chained(task)[1]) is not bool(
                found[2]
            )
        return None


def _rule(rng: random.Random, first: str, others: list[str], most: int, head: str) -> HornRule:
    """A rule that asks for a letter and for up to `most` others."""
    more = rng.sample(others, rng.randint(0, most))
    return HornRule("".join(sorted([first, *more])), head)


def _ordered(letters: str) -> bool:
    return list(letters) == sorted(set(letters))


def _chained(task: HornQuestion, goal: str = "") -> tuple[list[HornRule], set[str]]:
    """The rules that gain something, in turn, and all that is reached; `goal` is the last to be."""
    missing = [len(rule.body) for rule in task.rules]
    waiting: dict[str, list[int]] = {}
    for place, rule in enumerate(task.rules):
        for letter in rule.body:
            waiting.setdefault(letter, []).append(place)
    reached, queue, used = set(task.facts), deque(task.facts), list[HornRule]()
    while queue:
        for place in waiting.get(queue.popleft(), ()):
            rule, missing[place] = task.rules[place], missing[place] - 1
            if not missing[place] and rule.head not in reached:
                used.append(rule)
                reached.add(rule.head)
                queue.append(rule.head)
                if rule.head == goal:
                    return used, reached
    return used, reached
