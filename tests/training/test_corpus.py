"""The documents of a run: none is read twice, and what is lost is counted and said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.errors import ConfigError
from rlp_core.training.corpus import tokenize_corpus
from rlp_core.training.inputs import as_records
from tests import models
from tests.training.steps import settings

TEXTS = [f"Q: {a}+{b}\nA:{a + b}\n" for a in range(1, 5) for b in range(1, 6)]


@given(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=30), st.integers(0, 12))
def test_a_text_is_held_back_with_all_its_copies(texts: list[str], held: int) -> None:
    corpus = tokenize_corpus(models.codec(), as_records(texts), settings(), held)
    assert len(corpus.training) + len(corpus.heldout) == len(texts)
    training, heldout = (
        {tuple(document.tokens) for document in part} for part in (corpus.training, corpus.heldout)
    )
    assert not training & heldout
    assert len(heldout) == min(held, len(set(texts)))


def test_what_a_limit_cuts_is_counted_and_said(capsys) -> None:
    records = as_records([TEXTS[0], TEXTS[1] * 2])
    corpus = tokenize_corpus(models.codec(), records, settings(max_tokens=14), 0)
    whole = [document.whole for document in corpus.training]
    assert corpus.truncation.tokens == sum(whole)
    assert corpus.truncation.lost == sum(max(0, one - 14) for one in whole)
    corpus.require_positions()
    assert "1 of 2 records cut" in capsys.readouterr().out
    assert corpus.metrics()["lost_token_share"] == corpus.truncation.lost / sum(whole)


def test_documents_without_a_position_are_counted_and_said(capsys) -> None:
    plain, marked = as_records(TEXTS[:2])
    marked = marked.model_copy(update={"spans": [[8, 9]]})
    answers = settings(position_selection="answer")
    corpus = tokenize_corpus(models.codec(), [plain, marked], answers, 0)
    assert (len(corpus.training), corpus.without_position) == (1, 1)
    corpus.require_positions()
    assert "1 documents have no position to think at; not read" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="none of 1 documents leaves a place to think"):
        tokenize_corpus(models.codec(), [plain], answers, 0).require_positions()


def test_a_run_that_would_not_read_most_of_its_text_is_refused() -> None:
    records = as_records([" ".join(TEXTS)])
    with pytest.raises(ConfigError, match="most of the data would not be read"):
        tokenize_corpus(models.codec(), records, settings(), 0).require_positions()
