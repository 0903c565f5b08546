"""The ledger: FLOPs of the formula, and those of a step counted token by token."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.training.config import AuditConfig
from rlp_core.training.ledger import TRAINING, Ledger
from tests import models
from tests.training.steps import stopping, trainer

PER_PAIR = 4 * 2 * 4 * 4  # layers, heads, width of a head


def ledger() -> Ledger:
    return Ledger(models.model())


def by_hand(book: Ledger, seen: Iterable[int], scored: int) -> int:
    """FLOPs of tokens that each see so many, themselves among them, and of scored states."""
    return sum(2 * book.body + PER_PAIR * count for count in seen) + 2 * book.head * scored


def test_flops_are_those_of_the_formula() -> None:
    book = ledger()
    book.rows("train", [3, 5], scored=6, passes=TRAINING)
    seen = [1, 2, 3, 1, 2, 3, 4, 5]
    assert book.flops["train"] == 3 * by_hand(book, seen, 6)
    assert book.tokens["train"] == 8


@given(st.integers(0, 20), st.integers(0, 20))
def test_going_on_from_a_text_costs_what_reading_on_would(read: int, more: int) -> None:
    parted, whole = ledger(), ledger()
    parted.rows("x", [read], 0)
    parted.branches("x", [read], [more], scored=more)
    whole.rows("x", [read + more], scored=more)
    assert (parted.flops, parted.tokens) == (whole.flops, whole.tokens)


def test_the_dictionary_adds_up() -> None:
    book = ledger()
    book.rows("a", [3], 1)
    book.rows("b", [4], 1)
    found = book.as_dict()
    assert found["tokens"] == {"a": 3, "b": 4, "total": 7}
    assert found["flops"]["total"] == book.total_flops == sum(book.flops.values())


def test_it_is_restored() -> None:
    book, other = ledger(), ledger()
    book.rows("a", [3], 1)
    book.usual_recipe(3, 4, 1)
    other.restore(book.state())
    other.rows("b", [2], 0)
    assert other.tokens == {"a": 3, "b": 2}
    assert other.usual == book.usual
    assert "b" not in book.tokens


@pytest.mark.parametrize("ntp_weight", [0.0, 0.5])
def test_a_step_is_counted_token_by_token(ntp_weight: float) -> None:
    """Texts are read once for all places and thoughts: once to draw, once to update.

    So is what thoughts have in common: each beginning once to draw, equal thoughts once to update.
    """
    changes = {
        "horizon": 2,
        "ntp_weight": ntp_weight,
        "kl_weight": 0.1,
        "audit": AuditConfig(every=0),
    }
    made, twin = stopping(**changes), stopping(**changes)
    groups = twin.groups(0)
    for each in (made, twin):
        each.ledger.restore(Ledger(each.policy).state())
    result = made.step(0)
    book = made.ledger
    ends: dict[int, int] = {}
    reach: dict[int, int] = {}
    for group in groups:
        number, place = group.position.document.number, group.position
        ends[number] = max(ends.get(number, 0), place.index)
        reach[number] = max(reach.get(number, 0), place.targets.stop)
    trunk = [n for end in ends.values() for n in range(1, end + 1)]
    read = [n for end in reach.values() for n in range(1, end + 1)]
    decode, score, update = [], [], []
    drawn = targets = followed = 0
    for group in groups:
        first, following = group.position.index + 1, len(group.position.targets)
        followed += following * len(group.tokens)
        begun = {tuple(t[:i]) for t in group.tokens for i in range(len(t))}
        decode += [first + len(beginning) for beginning in begun]
        distinct = dict(zip(map(tuple, group.tokens), group.stopped, strict=True))
        for tokens, stopped in distinct.items():
            drawn, targets = drawn + len(tokens), targets + following
            thinking = range(first, first + len(tokens))  # the opening, not the last token
            closing = range(thinking.stop, thinking.stop + following + (not stopped))
            score += closing
            update += [*thinking, *closing] if ntp_weight else thinking
    learnt = drawn + (followed if ntp_weight else 0)
    per_place = sum(len(group.position.targets) for group in groups)
    assert dict(book.flops) == {
        "prefill": by_hand(book, trunk, 0),
        "decode": by_hand(book, decode, len(decode)),
        "score": by_hand(book, score, targets),
        "ema": by_hand(book, read, per_place),
        "update": 3 * by_hand(book, [*trunk, *update], learnt),
        "reference": by_hand(book, [*trunk, *update], drawn),
    }
    assert result.flops == book.total_flops
    assert result.tokens == sum(book.tokens.values())
    assert book.tokens["update"] == len(trunk) + len(update)


@given(st.integers(1, 30), st.integers(1, 9), st.integers(1, 9))
def test_the_usual_recipe_reads_every_thought_with_its_whole_text(
    context: int, thought: int, targets: int
) -> None:
    book = ledger()
    book.usual_recipe(context, thought, targets)
    whole = context + 1 + thought
    passes = by_hand(book, range(1, whole + 1), thought)  # draw, score again, update
    reasoned = by_hand(book, range(1, whole + targets + 1), targets)
    baseline = by_hand(book, range(1, context + targets + 1), targets)
    assert book.usual == (2 + TRAINING) * passes + reasoned + baseline


def test_the_usual_recipe_costs_more_the_more_thoughts_a_text_has() -> None:
    found = []
    for size in (2, 8):
        made = trainer(group_size=size, positions=4, audit=AuditConfig(every=0))
        made.step(0)
        found.append(made.ledger.redundancy)
    assert 1 < found[0] < found[1]
