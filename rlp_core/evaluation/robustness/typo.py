"""Letters hit beside the key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlp_core.evaluation.robustness import _words
from rlp_core.evaluation.robustness._perturbation import perturbation

if TYPE_CHECKING:
    import numpy as np

    from rlp_core.evaluation.robustness._question import Question

_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


@perturbation(needs="free words", keeps_answer=True)
def typo(question: Question, rng: np.random.Generator) -> str | None:
    """A letter within one word of ten is the one beside it on the keyboard."""
    return _words.spoilt(question, rng, _mistyped)


def _mistyped(word: str, rng: np.random.Generator) -> str:
    at = 1 + int(rng.integers(len(word) - 1))
    row = next(row for row in _ROWS if word[at] in row)
    place = row.index(word[at])
    beside = row[max(0, place - 1) : place] + row[place + 1 : place + 2]
    return word[:at] + beside[int(rng.integers(len(beside)))] + word[at + 1 :]
