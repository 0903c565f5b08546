"""The same persons under other names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rlp_core.evaluation.robustness import _lists, _names
from rlp_core.evaluation.robustness._perturbation import perturbation

if TYPE_CHECKING:
    import numpy as np

    from rlp_core.evaluation.robustness._question import Question


@perturbation(needs="a name", keeps_answer=True)
def renamed_entities(question: Question, rng: np.random.Generator) -> str | None:
    """Every first name that the list knows becomes another of the list, at each of its mentions."""
    taken = set(question.vocabulary())
    made: dict[str, str] = {}
    for name in _names.lone_names(question):
        group = next(group for group in _lists.names() if name in group)
        free = [other for other in group if other.casefold() not in taken]
        if free:
            made[name] = free[int(rng.integers(len(free)))]
            taken.add(made[name].casefold())
    if not made:
        return None
    mentioned = re.compile(rf"\b(?:{'|'.join(made)})\b")
    return mentioned.sub(lambda mention: made[mention[0]], question.body)
