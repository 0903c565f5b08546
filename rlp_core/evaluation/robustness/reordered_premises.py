"""The same premises in another order (Chen et al. 2024, Premise order matters)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlp_core.evaluation.robustness import _sentences
from rlp_core.evaluation.robustness._perturbation import perturbation

if TYPE_CHECKING:
    import numpy as np

    from rlp_core.evaluation.robustness._question import Question


@perturbation(needs="premises", keeps_answer=True, reorders=True)
def reordered_premises(question: Question, rng: np.random.Generator) -> str | None:
    """Premises that all stand alone change places; the question stays where it is."""
    found, count = _sentences.Sentences.of(question.body), _sentences.premises(question)
    moved = found.parts[:count]
    while moved == found.parts[:count]:
        moved = tuple(found.parts[i] for i in rng.permutation(count))
    return _sentences.Sentences((*moved, *found.parts[count:]), found.between).text()
