"""A sentence that has nothing to do with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlp_core.evaluation.robustness import _sentences
from rlp_core.evaluation.robustness._perturbation import perturbation

if TYPE_CHECKING:
    import numpy as np

    from rlp_core.evaluation.robustness._question import Question


@perturbation(needs="a text", keeps_answer=True, adds="a sentence")
def irrelevant_sentence(question: Question, rng: np.random.Generator) -> str | None:
    """A sentence without numbers from the list, before a sentence that stands alone."""
    found = _sentences.unrelated(question, "sentences")
    if not found:
        return None
    return _sentences.inserted(question, rng, found[int(rng.integers(len(found)))])
