"""More than one space between words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlp_core.evaluation.robustness import _words
from rlp_core.evaluation.robustness._perturbation import perturbation

if TYPE_CHECKING:
    import numpy as np

    from rlp_core.evaluation.robustness._question import Question


@perturbation(needs="gaps", keeps_answer=True)
def spacing(question: Question, rng: np.random.Generator) -> str | None:
    """One space of ten between words becomes two or three; none beside a number."""
    gaps = _words.free_gaps(question)
    made = {
        (gaps[i], gaps[i] + 1): " " * (2 + int(rng.integers(2)))
        for i in _words.some(len(gaps), rng)
    }
    return _words.replaced(question.body, made)
