"""Small letters, or capitals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlp_core.evaluation.robustness import _words
from rlp_core.evaluation.robustness._perturbation import perturbation

if TYPE_CHECKING:
    import numpy as np

    from rlp_core.evaluation.robustness._question import Question


@perturbation(needs="words", keeps_answer=True)
def letter_case(question: Question, rng: np.random.Generator) -> str | None:
    """Every word in small letters, or every word in capitals, as is drawn.

    Words of fewer than three letters stay, which may be a variable or a unit, and words of the
    answer, the choices and the form.
    """
    spans = _words.free_words(question, 3, small=False, all_but_kept=True)
    ways = (str.lower, str.upper)
    first = int(rng.integers(2))
    for way in (ways[first], ways[1 - first]):
        made = {(start, end): way(question.body[start:end]) for start, end in spans}
        text = _words.replaced(question.body, made)
        if text != question.body:
            return text
    return None
