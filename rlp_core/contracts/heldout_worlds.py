"""Worlds, and their harder tasks, that no training part may hold: transfer to them is measured.

A benchmark of a world that training never saw says something only as long as training never saw
it. Here each training text is read by those worlds themselves, whatever source it came from.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from rlp_core import environments
from rlp_core.environments import Environment
from rlp_core.errors import RlpError

_QUESTION = re.compile(r"^Q: ", re.MULTILINE)


def known_fault(name: str) -> str:
    """What is wrong with the name of a held-out world, or an empty text."""
    try:
        world = environments.get(name)
    except RlpError as error:
        return f"{error.what}; {error.fix}"
    if not isinstance(world, Environment):
        return (
            f"the world {name!r} asks no questions, so its texts cannot be told from others; "
            f"hold out one of {', '.join(environments.with_experts())}"
        )
    return ""


def found_in(text: str, heldout: Mapping[str, int]) -> str:
    """The first held-out task that a text asks, in words; empty: it asks none.

    Args:
        text: of a training record, as it is read from top to bottom.
        heldout: world to the steps of its expert from which on a task of it is held out; 0: any.
    """
    starts = [0, *(match.start() for match in _QUESTION.finditer(text) if match.start())]
    for name, least in heldout.items():
        world = environments.get(name)
        assert isinstance(world, Environment)  # the settings took no other
        for start in starts:
            task = world.parse(text[start:])
            if task is None:
                continue
            if not least:  # its expert need not be asked, who may think long
                return f"asks a question of `{name}`"
            steps = len(world.expert(task).steps)
            if steps >= least:
                return f"asks a question of `{name}` that takes {steps} steps"
    return ""
