"""What follows a thought and its controls, against slow scores of single texts."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.errors import DataError
from rlp_core.evaluation import controls as module
from rlp_core.evaluation import evaluator as evaluator_module
from rlp_core.evaluation.control_metrics import CONTROL_DESCRIPTIONS, control_statistics
from rlp_core.evaluation.controls import controls
from rlp_core.evaluation.evaluator import Evaluator
from rlp_core.evaluation.item_files import TRIED
from tests import models
from tests.evaluation.samples import DOCUMENTS, document, evaluator
from tests.evaluation.test_evaluator import slow

TEXTS = [*DOCUMENTS, document("c", "Grüße, né? ✓✓ 1-1")]


def measuring(horizon: int = 3) -> Evaluator:
    made = evaluator()
    settings = made.settings.model_copy(update={"controls": True, "horizon": horizon})
    return dataclasses.replace(made, settings=settings)


def rows_of(made: Evaluator, texts: Any = TEXTS) -> list[dict[str, Any]]:
    return controls(made, texts, made.places(texts))


def test_every_number_is_that_of_the_written_out_text() -> None:
    made, codec = measuring(), models.codec()
    places = made.places(TEXTS)
    rows = controls(made, TEXTS, places)
    drawn = iter(places.drawn.tokens)
    thoughts = {spot: [next(drawn) for _ in range(3)] for spot in places.spots}
    bare = {
        s: [[t for t in one if t != codec.close_id] for one in of] for s, of in thoughts.items()
    }
    assert len(rows) == 3
    for i, row in enumerate(rows):
        tokens = places.texts[i].tokens
        for at, p in enumerate(row["positions"]):
            context, targets = tokens[:p], tokens[p : p + 3]
            assert row["tokens"][at] == len(targets)
            assert row["direct"][at] == pytest.approx(slow([*context, *targets], p), abs=1e-3)

            def after(body: list[int], context=context, targets=targets) -> float:  # type: ignore[no-untyped-def]
                head = [*context, codec.open_id, *body, codec.close_id]
                return slow([*head, *targets], len(head))

            assert row["thinking"][at] == pytest.approx(
                [after(one) for one in bare[i, p]], abs=1e-3
            )
            assert row["empty"][at] == pytest.approx([after([])] * 3, abs=1e-3)
            order = places.spots.index((i, p))
            others = [*places.spots[order:], *places.spots[:order]]
            partner = next(spot for spot in others if spot[0] != i)
            assert row["other"][at] == pytest.approx(
                [after(one) for one in bare[partner]], abs=1e-3
            )


def test_random_thoughts_are_as_long_and_hold_no_control_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, codec = measuring(), models.codec()
    places = made.places(TEXTS)
    scored: list[list[int]] = []
    whole = evaluator_module.score
    monkeypatch.setattr(
        evaluator_module, "score", lambda m, rows, *r: scored.extend(rows) or whole(m, rows, *r)
    )
    controls(made, TEXTS, places)
    spots, many = len(places.spots), 3
    thinking = scored[spots : spots * 4]
    random = scored[-spots * many :]
    assert [len(row) for row in random] == [len(row) for row in thinking]
    for row in random:
        at = row.index(codec.open_id)
        body = row[at + 1 : row.index(codec.close_id)]
        assert not codec.control.intersection(body)


def test_with_a_horizon_of_one_it_is_what_is_measured_already() -> None:
    made = measuring(1)
    places = made.places(TEXTS)
    before = made.heldout(TEXTS, places)
    assert before == made.heldout(TEXTS)
    for old, new in zip(before, controls(made, TEXTS, places), strict=True):
        assert old["positions"] == new["positions"]
        assert new["direct"] == pytest.approx(old["direct"], abs=1e-4)
        assert np.array(new["thinking"]) == pytest.approx(np.array(old["thinking"]), abs=1e-4)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=2, max_size=12))
def test_bytes_of_all_places_add_up_to_the_text(text: str) -> None:
    """Also where one character is several tokens: it counts once, where it is complete."""
    made = measuring(1)
    tokens = models.codec().document(text, [])[0]
    until = [module._complete(made, tokens[:p]) for p in range(1, len(tokens) + 1)]
    found = [after - before for before, after in itertools.pairwise(until)]
    assert min(found) >= 0
    if "\ufffd" not in text:
        assert sum(found) == len(text.encode())


def test_one_text_alone_has_no_other() -> None:
    twins = [document("a", "Q: 3+4\nA:7\n"), document("b", "Q: 3+4\nA:7\n")]
    same = [one.model_copy(update={"key": "k"}) for one in twins]
    with pytest.raises(DataError, match="two different held-out documents"):
        rows_of(measuring(), same)


def row(name: str, direct: list[float], **after: list[list[float]]) -> dict[str, Any]:
    places = list(range(len(direct)))
    return {"id": name, "key": name, "positions": places, "tokens": [2] * len(places),
            "bytes": [5] * len(places), "direct": direct, **after}  # fmt: skip


def test_metrics_by_hand() -> None:
    rows = [
        row("a", [-4.0, -2.0], thinking=[[-1.0, -3.0], [-2.0, -2.0]],
            empty=[[-3.0, -3.0], [-2.0, -2.0]], other=[[-2.0, -5.0], [-4.0, -1.0]],
            random=[[-6.0, -2.0], [-3.0, -3.0]]),
        row("b", [-6.0], thinking=[[-3.0, -3.0]], empty=[[-4.0, -4.0]], other=[[-5.0, -5.0]],
            random=[[-9.0, -7.0]]),
    ]  # fmt: skip
    base = [row("b", [-5.0], **{key: [[0.0]] for key in TRIED}), row("a", [-1.0, -2.0])]
    made = {name: s.value() for name, s in control_statistics(rows, base).items()}
    thinking, direct, empty = -2 - 2 - 3, -4 - 2 - 6, -3 - 2 - 4
    assert made["horizon_gain"] == pytest.approx((thinking - direct) / 3)
    assert made["true_gain"] == pytest.approx((thinking + 8) / 3)
    assert made["gain_over_empty"] == pytest.approx((thinking - empty) / 3)
    assert made["empty_thought_gain"] == pytest.approx((empty - direct) / 3)
    assert made["other_thought_gain"] == pytest.approx((-3.5 - 2.5 - 5 - direct) / 3)
    assert made["random_thought_gain"] == pytest.approx((-4 - 3 - 8 - direct) / 3)
    best = [(1 - 1) / 2, (0 - 1) / 2, 1.0]  # over -2 and -2; over -2 and -1; over -4 and -4
    assert made["content_gain"] == pytest.approx(sum(best) / 3)
    assert made["position_bits_per_byte_direct"] == pytest.approx(12 / np.log(2) / 15)
    assert made["position_bits_per_byte_thinking"] == pytest.approx(7 / np.log(2) / 15)
    assert set(made) == set(CONTROL_DESCRIPTIONS)
    assert "true_gain" not in control_statistics(rows)
    assert control_statistics([]) == {}


@pytest.mark.parametrize("change", [{"id": "z"}, {"positions": [9]}, {"tokens": [1]}])
def test_a_base_that_was_measured_elsewhere_is_refused(change: dict[str, Any]) -> None:
    rows = [row("b", [-6.0], **{key: [[0.0]] for key in TRIED})]
    with pytest.raises(ValueError, match="the base model's control"):
        control_statistics(rows, [rows[0] | change])
