"""First names in a question that stand by themselves, so that another may take their place."""

from __future__ import annotations

import re

from rlp_core.evaluation.robustness import _lists
from rlp_core.evaluation.robustness._question import Question
from rlp_core.evaluation.robustness._sentences import Sentences

_CAPITALISED = re.compile(r"\b[A-Z][^\W\d_]*\b")
_BEFORE = re.compile(r"([^\W\d_]+) \Z")
_AFTER = re.compile(r"(?:['\u2019]s)? (?:the )?[A-Z&]|-")
_GROWN = re.compile(r"(?:[-&]|& )\Z")


def lone_names(question: Question) -> list[str]:
    """Listed names of which every mention stands alone, in order of their first.

    Of a story alone, which has a sentence before the one that asks: in `Is Kevin a rare name?` the
    name is what it is about. Not `Michael Jackson`, `King Henry` or `Henry VIII`: who that is may
    be what is asked. Not a name that the answer, a choice or the form holds, nor one beside which a
    longer form of it stands (`Tim`, `Timothy`).
    """
    if len(Sentences.of(question.body).parts) < 2:
        return []
    listed = {name for group in _lists.names() for name in group}
    said = _CAPITALISED.findall(question.prompt(question.body))
    found = []
    for name in dict.fromkeys(_CAPITALISED.findall(question.body)):
        longer = any(other != name and other.startswith(name) for other in said)
        if name in listed and name.casefold() not in question.kept and not longer:
            mentions = re.finditer(rf"\b{name}\b", question.body)
            if all(_alone(question.body, mention) for mention in mentions):
                found.append(name)
    return found


def _alone(body: str, mention: re.Match[str]) -> bool:
    if _AFTER.match(body, mention.end()) or _GROWN.search(body[: mention.start()]):
        return False
    before = _BEFORE.search(body[: mention.start()])
    if before is None or before[1].islower():
        return True
    return before[1].casefold() in _lists.words("before_names")
