"""Whether what a demonstration shows is true, as far as that can be told.

Where the source is a world that finds its question in the context, the world's step checker judges
every step and its verifier the answer. Elsewhere the equations that can be read are computed. A
demonstration of which no step can be judged is not checkable, which is no praise and no blame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rlp_core import environments
from rlp_core.contracts.steps import steps as equations
from rlp_core.data.records import Demonstration
from rlp_core.environments import Environment
from rlp_core.environments import names as known_worlds


@dataclass(frozen=True)
class CheckedDemonstration:
    """What can be told of a demonstration.

    Attributes:
        steps: the steps of its thought, or its lines where no world knows them.
        judged: steps that could be judged.
        false_step: the first false one; empty: none was found.
        answer_right: by the world's verifier; None: no world can tell.
        by: `world`, `equations`, or empty where no step was judged.
    """

    steps: tuple[str, ...]
    judged: int
    false_step: str
    answer_right: bool | None
    by: str

    @property
    def sound(self) -> bool | None:
        """Whether no step and no answer is false; None where nothing could be judged."""
        if self.false_step or self.answer_right is False:
            return False
        return True if self.judged else None


def checked(demonstrations: Sequence[Demonstration]) -> list[CheckedDemonstration]:
    """Judge each.

    Raises:
        PluginError: a world fails.
    """
    worlds = worlds_of({demo.source for demo in demonstrations})
    return [_checked(demo, worlds.get(demo.source)) for demo in demonstrations]


def worlds_of(sources: set[str]) -> dict[str, Environment[Any, Any]]:
    """By source, the world of that name that asks questions."""
    found = {name: environments.get(name) for name in sources & set(known_worlds())}
    return {name: world for name, world in found.items() if isinstance(world, Environment)}


def _checked(demo: Demonstration, world: Environment[Any, Any] | None) -> CheckedDemonstration:
    task = None if world is None else world.parse(demo.context)
    if world is None or task is None:
        found = list(equations(f"{demo.thought}\n{demo.continuation}"))
        wrong = next((one.text for one in found if not one.holds), "")
        lines = tuple(line.strip() for line in demo.thought.splitlines() if line.strip())
        return CheckedDemonstration(lines, len(found), wrong, None, "equations" if found else "")
    shown = tuple(step for step in world.steps(demo.thought) if step)
    verdicts = [(step, world.check_step(task, step)) for step in shown]
    judged = tuple(step for step, verdict in verdicts if verdict is not None)
    return CheckedDemonstration(
        judged or shown,
        len(judged),
        next((step for step, verdict in verdicts if verdict is False), ""),
        world.verify(task, demo.continuation.strip()),
        "world" if judged else "",
    )
