"""What the inspector shows, against slow scores of single texts and what is measured besides."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.errors import DataError
from rlp_core.evaluation import inspection, item_files
from rlp_core.evaluation.evaluator import Evaluator
from rlp_core.evaluation.inspection import excerpt, inspected_rows, told
from rlp_core.evaluation.inspection_config import Inspect
from rlp_core.evaluation.item_files import TRIED
from rlp_core.files import write_jsonl
from rlp_core.training.positions import TokenizedDocument
from tests import models
from tests.evaluation import arms
from tests.evaluation.samples import DOCUMENTS, document, evaluator
from tests.evaluation.test_evaluator import slow

TEXTS = [*DOCUMENTS, document("c", "Grüße, né? ✓✓ 1-1")]


def inspecting(**changes: Any) -> Evaluator:
    """Two of the three thoughts that are measured at a place."""
    made = evaluator()
    of = Inspect(documents=2, tokens=8, thoughts=2).model_copy(update=changes)
    return dataclasses.replace(made, settings=made.settings.model_copy(update={"inspect": of}))


def rows_of(made: Evaluator, texts: Any = TEXTS) -> list[dict[str, Any]]:
    return inspected_rows(made, texts, made.places(texts))


def test_every_number_is_that_of_the_written_out_text(monkeypatch: pytest.MonkeyPatch) -> None:
    made, codec = inspecting(documents=3), models.codec()
    asked: list[Any] = []
    whole = inspection.states_after
    monkeypatch.setattr(
        inspection, "states_after", lambda m, t, b, n: asked.append((t, b)) or whole(m, t, b, n)
    )
    places = made.places(TEXTS)
    for row, (text, branches) in zip(inspected_rows(made, TEXTS, places), asked, strict=True):
        tokens = places.texts[[d.id for d in TEXTS].index(row["id"])].tokens
        each = iter(branches)
        assert text == tokens[: row["start"] + len(row["tokens"]) - 1]
        for at, p in enumerate(range(row["start"], row["start"] + len(row["tokens"]))):
            assert row["direct"][at] == pytest.approx(slow(tokens[: p + 1], p), abs=1e-3)
            after = [
                row["empty"][at],
                *(x for n in ("thinking", "other", "random") for x in row[n][at]),
            ]
            assert len(after) == 1 + 3 * 2
            for value in after:
                branch = next(each)
                assert branch.position == p
                assert branch.tokens[0] == codec.open_id
                assert branch.tokens[-1] == codec.close_id
                head = [*tokens[:p], *branch.tokens]
                assert value == pytest.approx(slow([*head, tokens[p]], len(head)), abs=1e-3)


def test_the_thoughts_are_those_that_are_measured_and_their_scores_too() -> None:
    """At the places of `heldout.jsonl` the inspector shows the first of the same thoughts."""
    made = inspecting(documents=3, tokens=40)
    places = made.places(TEXTS)
    heldout = {row["id"]: row for row in made.heldout(TEXTS, places)}
    thoughts = iter(models.codec().decode(t for t in x if t != made.codec.close_id)
                    for x in places.drawn.tokens)  # fmt: skip
    texts = {spot: [next(thoughts) for _ in range(3)] for spot in places.spots}
    seen = 0
    for number, row in enumerate(inspected_rows(made, TEXTS, places)):
        measured = heldout[row["id"]]
        for p, direct, thinking in zip(
            measured["positions"], measured["direct"], measured["thinking"], strict=True
        ):
            at = p - row["start"]
            assert row["texts"][at] == texts[number, p][:2]
            assert row["direct"][at] == pytest.approx(direct, abs=1e-3)
            assert row["thinking"][at] == pytest.approx(thinking[:2], abs=1e-3)
            seen += 1
    assert seen == len(places.spots)


def test_what_follows_stands_first_and_its_probability_is_that_of_the_scores() -> None:
    for row in rows_of(inspecting()):
        for at, candidates in enumerate(row["candidates"]):
            assert candidates[0] == row["tokens"][at]
            assert 5 <= len(candidates) + 1 <= 10
            first = [chances[0] for chances in row["chances"][at]]
            logs = [row["direct"][at], row["empty"][at], *row["thinking"][at]]
            assert first == pytest.approx(np.exp(logs), abs=1e-5)
            assert all(sum(chances) <= 1 + 1e-5 for chances in row["chances"][at])


def test_the_likeliest_next_tokens_are_among_those_shown() -> None:
    made = inspecting(candidates=1)
    places = made.places(TEXTS)
    for row in inspected_rows(made, TEXTS, places):
        tokens = places.texts[[d.id for d in TEXTS].index(row["id"])].tokens
        with torch.no_grad():
            logits = models.model(6, branching=False)(torch.tensor([tokens])).logits[0]
        top = logits.softmax(-1).max(-1).values
        for at in range(len(row["tokens"])):
            assert max(row["chances"][at][0]) == pytest.approx(
                float(top[row["start"] + at - 1]), abs=1e-5
            )


def test_batches_change_nothing() -> None:
    made = inspecting()
    few = dataclasses.replace(made, micro_batch=2, decode_batch_size=2)
    for one, other in zip(rows_of(made), rows_of(few), strict=True):
        assert one["texts"] == other["texts"]
        for name in TRIED:
            flat = [np.ravel(row[name]) for row in (one, other)]
            assert flat[0] == pytest.approx(flat[1], abs=1e-4)


def test_one_text_alone_has_no_other_thought() -> None:
    rows = rows_of(inspecting(), TEXTS[:1])
    assert [row["other"] for row in rows] == [[[]] * len(rows[0]["tokens"])]


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12))
def test_tokens_add_up_to_their_text(text: str) -> None:
    codec = models.codec()
    tokens = codec.document(text, [], ends=False)[0]
    pieces = [
        inspection._piece(codec, tokens[:p], tokens[p]) for p in range(codec.first, len(tokens))
    ]
    if "\ufffd" not in text:
        assert "".join(pieces).replace("\ufffd", "") == text


@given(st.integers(2, 90), st.integers(1, 60), st.data())
def test_an_excerpt_lies_in_the_text_and_holds_its_first_mark(
    length: int, tokens: int, data: st.DataObject
) -> None:
    marked = data.draw(st.integers(1, length - 1))
    found = excerpt(TokenizedDocument(1, [0] * length, [marked]), 1, tokens)
    assert len(found) == min(tokens, length - 1)
    assert marked in found
    assert 1 <= found.start < found.stop <= length


def test_what_is_cut_is_counted() -> None:
    made = inspecting(tokens=3)
    rows = rows_of(made)
    for row in rows:
        text = next(d.text for d in TEXTS if d.id == row["id"])
        whole = len(made.codec.document(text, [])[0]) - made.codec.first
        assert row["before_tokens"] + len(row["tokens"]) + row["after_tokens"] == whole
    cut = sum(row["before_tokens"] + row["after_tokens"] for row in rows)
    assert told(rows) == f"2 documents are inspected token by token: 6 of their {6 + cut} tokens"


def test_rows_are_read_back_and_old_folders_have_none(tmp_path: Path) -> None:
    folder = arms.write_arm(tmp_path, "rlp")
    assert item_files.read(folder).inspected == ()
    rows = rows_of(inspecting())
    write_jsonl(folder / "inspected.jsonl", rows)
    assert list(item_files.read(folder).inspected) == json.loads(json.dumps(rows))


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("direct", lambda v: v[1:], "differ in length"),
        ("thinking", lambda v: [v[0][1:], *v[1:]], "differ in number"),
        ("texts", lambda v: [[], *v[1:]], "differ in number"),
        ("chances", lambda v: [v[0][1:], *v[1:]], "probabilities and thoughts"),
        ("candidates", lambda v: [v[0][1:], *v[1:]], "probabilities and next tokens"),
        ("empty", lambda v: [float("nan"), *v[1:]], "not a finite number"),
    ],
)
def test_a_row_that_cannot_be_shown_is_refused(
    tmp_path: Path, name: str, change: Any, said: str
) -> None:
    folder = arms.write_arm(tmp_path, "rlp")
    rows = rows_of(inspecting())
    path = folder / "inspected.jsonl"
    path.write_text(json.dumps(rows[0] | {name: change(rows[0][name])}) + "\n")
    with pytest.raises(DataError, match=said):
        item_files.read(folder)
