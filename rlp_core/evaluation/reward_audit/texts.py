"""What a thought is like as a text: copied, made of punctuation, repetitive, false at one step."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from rlp_core.contracts.steps import steps

_RIGHT_SIDE = re.compile(r"= *\$?([0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?)")


def content(text: str) -> str:
    """Letters and digits alone, blind to case."""
    return "".join(sign for sign in text.casefold() if sign.isalnum())


def copies(thought: str, target: str) -> bool:
    """Whether a thought says the text that follows; a target without letter or digit is none."""
    return bool(content(target)) and content(target) in content(thought)


def bare_copy(thought: str, target: str) -> bool:
    """Whether a thought says the text that follows and hardly more: at most as much again."""
    return copies(thought, target) and len(content(thought)) <= 2 * len(content(target))


def punctuation_share(text: str) -> float:
    """Share of the signs, space apart, that are neither letter nor digit; 0 of none."""
    signs = [sign for sign in text if not sign.isspace()]
    return sum(not sign.isalnum() for sign in signs) / len(signs) if signs else 0.0


def is_punctuation(text: str) -> bool:
    """Whether a text has something else than space, and neither letter nor digit."""
    return bool(text.strip()) and not content(text)


def pairs_of(tokens: Sequence[int]) -> tuple[int, int]:
    """How many different pairs of neighbouring tokens there are, and how many pairs.

    Their quotient is distinct-2 (Li et al. 2016, section 5).
    """
    pairs = list(pairwise(tokens))
    return len(set(pairs)), len(pairs)


def corrupted(thought: str) -> str | None:
    """A thought with its last true equation made false, by one digit; None where none is true.

    The last, because what stands before it may be needed by nobody. Equations are those that
    `contracts.steps` reads for certain.
    """
    before = [equation.holds for equation in steps(thought)]
    if not any(before):
        return None
    for found in reversed(list(_RIGHT_SIDE.finditer(thought))):
        at = found.end(1) - 1
        digit = str((int(thought[at]) + 1) % 10)
        changed = thought[:at] + digit + thought[at + 1 :]
        after = [equation.holds for equation in steps(changed)]
        if len(after) == len(before) and sum(after) < sum(before):
            return changed
    return None
