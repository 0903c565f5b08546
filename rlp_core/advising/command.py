"""`rlp advise`: profile the data, try the model, recommend."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rlp_core.advising import report
from rlp_core.advising.asked import gather
from rlp_core.advising.criteria import criteria_of
from rlp_core.advising.profile import profile_corpus, profile_demonstrations
from rlp_core.advising.reading import read_records
from rlp_core.advising.rule import advise
from rlp_core.advising.trial import ModelTrial, TrialOptions
from rlp_core.data.records import Demonstration, Document, Problem
from rlp_core.data.thinking import Thinking


@dataclass(frozen=True)
class AdviceRequest:
    """What there is.

    Attributes:
        corpus: file of documents.
        demonstrations: file of demonstrations; None: there are none.
        model: folder of the model that is to learn; None: it is not tried.
        problems: file of problems to ask it; None: those that the data hold.
        thinking: how it thinks; None: as its folder says.
        options: how much is tried.
    """

    corpus: Path
    demonstrations: Path | None = None
    model: Path | None = None
    problems: Path | None = None
    thinking: Thinking | None = None
    options: TrialOptions = field(default_factory=TrialOptions)


def told(asked: AdviceRequest, *, as_json: bool = False) -> Iterator[str]:
    """Yield the lines of an advice, or one JSON document.

    Raises:
        RlpError: a file or the model cannot be used; nothing was tried before all files were read.
    """
    documents = read_records(asked.corpus, Document)
    demonstrations: list[Demonstration] = []
    if asked.demonstrations is not None:
        demonstrations = read_records(asked.demonstrations, Demonstration, may_be_empty=True)
    given = [] if asked.problems is None else read_records(asked.problems, Problem)
    corpus = profile_corpus(documents)
    profile = profile_demonstrations(demonstrations, documents)
    trial: ModelTrial | None = None
    if asked.model is not None:
        from rlp_core.advising.trying import open_evaluator, try_model

        asking = gather(given, documents, demonstrations)
        evaluator = open_evaluator(
            asked.model, asked.thinking, asked.options, asking.longest_answer
        )
        trial = try_model(evaluator, asking, documents, demonstrations)
    criteria = criteria_of(corpus, profile, trial)
    advice = advise(criteria)
    if as_json:
        tree = report.tree(corpus, profile, trial, criteria, advice)
        yield json.dumps(tree, indent=2, ensure_ascii=False)
        return
    yield from report.lines(corpus, profile, trial, advice)
