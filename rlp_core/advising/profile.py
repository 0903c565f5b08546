"""What there is to learn from: amount, variety and soundness of demonstrations, and the corpus."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rlp_core.advising.shares import share_of
from rlp_core.advising.soundness import CheckedDemonstration, checked
from rlp_core.contracts.contamination import Contamination
from rlp_core.contracts.text import tokens
from rlp_core.data.records import Demonstration, Document, content_key
from rlp_core.evaluation.statistics import Estimate

NGRAM = 8
"""Words in a row that a demonstration and a text must share, as `validate.contamination_ngram`."""

SHARED = 0.5
"""Share of such runs from which on a demonstration repeats a text, as
`validate.contamination_share`."""

SHOWN_FALSE = 3
"""Unsound demonstrations that are named."""


@dataclass(frozen=True)
class Lengths:
    """Of some texts, in the unit that their owner says: median, 90 % quantile and longest."""

    median: float
    high: float
    longest: int

    @staticmethod
    def of(values: Sequence[int]) -> Lengths:
        """NaN, NaN and 0 where there is none."""
        if not values:
            return Lengths(math.nan, math.nan, 0)
        return Lengths(float(np.median(values)), float(np.quantile(values, 0.9)), max(values))


@dataclass(frozen=True)
class CorpusProfile:
    """The text without thoughts, on which RLP learns.

    Attributes:
        documents: how many.
        distinct: different by their keys.
        marked: of the distinct, those with a marked answer, before which to think.
        characters: of a document.
        sources: how many documents each gave.
    """

    documents: int
    distinct: int
    marked: int
    characters: Lengths
    sources: dict[str, int]


@dataclass(frozen=True)
class DemonstrationProfile:
    """The experts' demonstrations, which imitation copies.

    Attributes:
        demonstrations: how many.
        distinct: different in context, thought or continuation.
        contexts: different contexts.
        shown: share that shows a thought.
        lengths: of a thought that is not empty, in characters.
        steps: of such a thought, in steps.
        step_count: steps of all thoughts; distinct_steps: different ones.
        step_forms: different ones when every number is read as 0.
        type_token: different words over words, of all thoughts (type-token ratio); NaN without.
        sound: of the distinct demonstrations with a thought of which a step could be judged, the
            share without a false step or answer.
        not_checkable: distinct demonstrations with a thought of which no step could be judged.
        by_world, by_equations: those that a world judged, or the equations within.
        usable: distinct demonstrations with a thought that was not found false.
        answers: share of right answers, where a world can tell.
        repeated: demonstrations whose task is one of the corpus, by key.
        overlapping: those that share half of their runs of 8 words with a text of the corpus, or
            have its key.
        unsound: the first few by id, with what is false in them.
        sources: how many demonstrations each gave.
    """

    demonstrations: int
    distinct: int
    contexts: int
    shown: Estimate
    lengths: Lengths
    steps: Lengths
    step_count: int
    distinct_steps: int
    step_forms: int
    type_token: float
    sound: Estimate
    not_checkable: int
    by_world: int
    by_equations: int
    usable: int
    answers: Estimate
    repeated: int
    overlapping: int
    unsound: tuple[tuple[str, str], ...]
    sources: dict[str, int]


def profile_corpus(documents: Sequence[Document]) -> CorpusProfile:
    """Count and measure texts."""
    by_key = {document.key: document for document in documents}
    return CorpusProfile(
        len(documents),
        len(by_key),
        sum(bool(document.spans) for document in by_key.values()),
        Lengths.of([len(document.text) for document in documents]),
        dict(sorted(Counter(document.source for document in documents).items())),
    )


def profile_demonstrations(
    demonstrations: Sequence[Demonstration], documents: Sequence[Document]
) -> DemonstrationProfile:
    """Count, measure and judge demonstrations, and hold them against the corpus.

    Raises:
        PluginError: a world fails that judges some.
    """
    unlike = _distinct(demonstrations)
    pairs = list(zip(unlike, checked(unlike), strict=True))
    thinking = [(demo, found) for demo, found in pairs if demo.thought.strip()]
    steps = [step for _, found in thinking for step in found.steps]
    words = [word for demo, _ in thinking for word in tokens(demo.thought)]
    judged = [(demo, found) for demo, found in thinking if found.sound is not None]
    wrong = [(demo.id, _fault(demo, found)) for demo, found in judged if not found.sound]
    repeated, overlapping = _overlaps(demonstrations, documents)
    return DemonstrationProfile(
        demonstrations=len(demonstrations),
        distinct=len(unlike),
        contexts=len({demo.context for demo in unlike}),
        shown=share_of((demo.context, float(bool(demo.thought.strip()))) for demo in unlike),
        lengths=Lengths.of([len(demo.thought) for demo, _ in thinking]),
        steps=Lengths.of([len(found.steps) for _, found in thinking]),
        step_count=len(steps),
        distinct_steps=len(set(steps)),
        step_forms=len({re.sub(r"\d+", "0", step) for step in steps}),
        type_token=len(set(words)) / len(words) if words else math.nan,
        sound=share_of((demo.context, float(bool(found.sound))) for demo, found in judged),
        not_checkable=len(thinking) - len(judged),
        by_world=sum(found.by == "world" for _, found in judged),
        by_equations=sum(found.by == "equations" for _, found in judged),
        usable=len(thinking) - len(wrong),
        answers=share_of(
            (demo.context, float(found.answer_right))
            for demo, found in pairs
            if found.answer_right is not None
        ),
        repeated=repeated,
        overlapping=overlapping,
        unsound=tuple(sorted(wrong)[:SHOWN_FALSE]),
        sources=dict(sorted(Counter(demo.source for demo in demonstrations).items())),
    )


def _distinct(demonstrations: Sequence[Demonstration]) -> list[Demonstration]:
    """The first of each context, thought and continuation, blind to case and white space."""
    found: dict[str, Demonstration] = {}
    for demo in demonstrations:
        found.setdefault(content_key(f"{demo.context}\0{demo.thought}\0{demo.continuation}"), demo)
    return list(found.values())


def _fault(demo: Demonstration, found: CheckedDemonstration) -> str:
    if found.false_step:
        return f"the step {found.false_step!r} is false"
    return f"the answer {demo.continuation.strip()!r} is wrong"


def _overlaps(
    demonstrations: Sequence[Demonstration], documents: Sequence[Document]
) -> tuple[int, int]:
    """Demonstrations with the key of a document; those, and those that share its words."""
    keys = {document.key for document in documents}
    index = Contamination((document.text for document in documents), NGRAM)
    same = shared = 0
    for demo in demonstrations:
        repeats = demo.key in keys
        overlap = None if repeats else index.of(f"{demo.context}{demo.continuation}")
        same += repeats
        shared += repeats or (overlap is not None and overlap.share > SHARED)
    return same, shared
