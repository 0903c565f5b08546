"""How it is found whether a question has what a perturbation needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rlp_core.evaluation.robustness import _names, _sentences, _words
from rlp_core.evaluation.robustness._perturbation import Need
from rlp_core.evaluation.robustness._question import Question

MET: Mapping[Need, Callable[[Question], bool]] = {
    "a text": lambda question: bool(question.body),
    "words": lambda question: bool(_words.free_words(question, 3, small=False, all_but_kept=True)),
    "free words": lambda question: bool(_words.free_words(question, 4)),
    "gaps": lambda question: bool(_words.free_gaps(question)),
    "listed words": lambda question: bool(_words.listed_words(question)),
    "a number": lambda question: bool(question.numbers()),
    "premises": lambda question: _sentences.premises(question) > 1,
    "a name": lambda question: bool(_names.lone_names(question)),
}
