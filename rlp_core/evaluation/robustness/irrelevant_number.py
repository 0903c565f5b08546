"""A number that has nothing to do with it (GSM-NoOp: Mirzadeh et al. 2024, section 4.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlp_core.evaluation.robustness import _sentences
from rlp_core.evaluation.robustness._perturbation import perturbation

if TYPE_CHECKING:
    import numpy as np

    from rlp_core.evaluation.robustness._question import Question

_NUMBERS = range(11, 100)


@perturbation(needs="a number", keeps_answer=True, adds="a number")
def irrelevant_number(question: Question, rng: np.random.Generator) -> str | None:
    """A sentence with a number that is only a label, neither one of the question nor the answer."""
    found = _sentences.unrelated(question, "number_sentences")
    taken = question.digits | frozenset(question.numbers())
    free = [number for number in _NUMBERS if str(number) not in taken]
    if not found or not free:
        return None
    sentence = found[int(rng.integers(len(found)))]
    number = free[int(rng.integers(len(free)))]
    return _sentences.inserted(question, rng, sentence.format(number=number))
