"""Letters that changed places."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlp_core.evaluation.robustness import _words
from rlp_core.evaluation.robustness._perturbation import perturbation

if TYPE_CHECKING:
    import numpy as np

    from rlp_core.evaluation.robustness._question import Question


@perturbation(needs="free words", keeps_answer=True)
def adjacent_swap(question: Question, rng: np.random.Generator) -> str | None:
    """Two neighbouring letters within one word of ten change places."""
    return _words.spoilt(question, rng, _swapped)


def _swapped(word: str, rng: np.random.Generator) -> str | None:
    places = [i for i in range(1, len(word) - 1) if word[i] != word[i + 1]]
    if not places:
        return None
    at = places[int(rng.integers(len(places)))]
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
