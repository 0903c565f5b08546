"""Other words of the same meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlp_core.evaluation.robustness import _words
from rlp_core.evaluation.robustness._perturbation import perturbation

if TYPE_CHECKING:
    import numpy as np

    from rlp_core.evaluation.robustness._question import Question


@perturbation(needs="listed words", keeps_answer=True)
def synonyms(question: Question, rng: np.random.Generator) -> str | None:  # noqa: ARG001
    """Every word that the list knows becomes its synonym, at each of its mentions."""
    return _words.replaced(question.body, _words.listed_words(question))
