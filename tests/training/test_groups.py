"""What a step draws: places as asked, scores of text without thoughts, and nothing by order."""

from __future__ import annotations

import pytest

from rlp_core.rollout.branches import Branch
from rlp_core.rollout.rng import uniform
from rlp_core.training import groups
from rlp_core.training.groups import (
    Delimiters,
    RolloutGroup,
    RolloutWorker,
    ThinkPosition,
    branches_of,
    trunks_of,
)
from rlp_core.training.ledger import Ledger
from tests import models
from tests.training import steps
from tests.training.steps import stopping, trainer


def drawn(made, number: int = 0) -> dict[tuple[int, int], list[list[int]]]:
    return {(g.position.document.number, g.position.index): g.tokens for g in made.groups(number)}


def test_every_document_gives_its_places_and_every_place_its_thoughts() -> None:
    made = trainer(documents=3, positions=4, group_size=5, horizon=2)
    groups = made.groups(0)
    numbers = [group.position.document.number for group in groups]
    assert sorted(numbers) == sorted(4 * [text.number for text in made.documents])
    for group in groups:
        assert len(group.tokens) == len(group.predicted) == len(group.logprobs) == 5
        assert len(group.advantages) == 5
        assert [*map(len, group.tokens)] == [*map(len, group.logprobs)]
        tokens, position = group.position.document.tokens, group.position.index
        assert group.position.following == tokens[position : position + 2]
        assert group.position.context == tokens[:position]
        assert position > 0


def test_more_places_than_a_document_has_takes_all_of_them() -> None:
    made = trainer(positions=999)
    found = {
        (position.document.number, position.index) for position in made.positions(made.documents, 0)
    }
    assert found == {(text.number, p) for text in made.documents for p in text.candidates}


def test_a_thought_depends_neither_on_the_batch_nor_on_the_order_of_documents() -> None:
    expected = drawn(stopping(documents=3))
    small = stopping(documents=3, decode_batch_size=1)
    assert drawn(small) == expected
    turned = stopping(documents=3)
    turned.documents = turned.documents[::-1]
    assert drawn(turned) == expected


@pytest.mark.parametrize("rows", [1, 64])
def test_a_step_hashes_one_number_per_token_that_it_draws(rows: int, monkeypatch) -> None:
    made = stopping(documents=3, decode_batch_size=rows)
    positions = made.positions(made.documents, 0)
    hashed: list[int] = []

    def counting(*coordinates):
        found = uniform(*coordinates)
        hashed.append(found.size)
        return found

    monkeypatch.setattr(groups, "uniform", counting)
    drawn = made.draw(positions, 0)
    assert sum(hashed) == sum(len(tokens) for group in drawn for tokens in group.tokens)


def test_a_thought_ends_with_its_close_or_at_the_limit() -> None:
    made = stopping()
    for group in made.groups(0):
        for tokens, stopped in zip(group.tokens, group.stopped, strict=True):
            assert (made.worker.marks.close in tokens) == stopped
            assert made.worker.marks.close not in tokens[:-1]
            assert stopped or len(tokens) == made.thought.max_tokens


@pytest.mark.parametrize("discount", [1.0, 0.5, 0.0])
def test_a_baseline_is_the_score_of_the_text_alone(discount: float) -> None:
    made = trainer()
    text = made.documents[0]
    model = made.ema.model
    positions = [ThinkPosition(text, 2, range(2, 4)), ThinkPosition(text, 5, range(5, 6))]
    logits = (
        steps.plain(model)(models.torch.tensor([text.tokens])).logits[0].detach().log_softmax(1)
    )
    by_hand = {p: float(logits[p - 1, text.tokens[p]]) for p in (2, 3, 5)}
    ledger = Ledger(model)
    worker = RolloutWorker(Delimiters(1, 2), discount, 0, 8, 8, ledger)
    found = worker.score(model, positions, "ema")
    assert found == pytest.approx([by_hand[2] + discount * by_hand[3], by_hand[5]], abs=1e-5)
    assert ledger.tokens == {"ema": 6}  # read once, to the last target


def test_each_text_is_read_once_and_to_its_last_place() -> None:
    one, two = steps.documents()[:2]
    positions = [
        ThinkPosition(text, p, range(p, p + 1)) for text, p in ((two, 3), (two, 6), (one, 2))
    ]
    trunks, index = trunks_of(positions)
    assert trunks == [two.tokens[:6], one.tokens[:2]]
    assert index == [0, 0, 1]


def test_the_close_is_fed_once_and_the_last_token_never() -> None:
    text = steps.documents()[0]
    position = ThinkPosition(text, 3, range(3, 5))
    group = RolloutGroup(position, 0, [[40, 41], [42, 9]], [False, True], [], [])
    marks = Delimiters(8, 9)
    x, y = text.tokens[3:5]
    assert branches_of([group], marks, reasoned=True)[0] == [
        Branch(0, 3, [8, 40, 41, 9, x]),
        Branch(0, 3, [8, 42, 9, x]),
    ]
    assert branches_of([group], marks, reasoned=False)[0] == [
        Branch(0, 3, [8, 40]),
        Branch(0, 3, [8, 42]),
    ]
    assert y not in (8, 9)
