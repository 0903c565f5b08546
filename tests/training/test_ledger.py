from rlp_core.training.ledger import TRAINING, Ledger
from tests import models


def test_flops_are_those_of_the_formula():
    ledger = Ledger(models.model())
    body, head = ledger.body, ledger.head
    per_pair = 4 * 2 * 4 * 4  # layers, heads, width of a head
    ledger.rows("train", [3, 5], scored=6, passes=TRAINING)
    forward = 2 * body * 8 + per_pair * (6 + 15) + 2 * head * 6
    assert ledger.flops["train"] == 3 * forward
    assert ledger.tokens["train"] == 8


def test_drawing_token_by_token_costs_what_reading_them_would():
    drawn, read = Ledger(models.model()), Ledger(models.model())
    drawn.rows("x", [4], scored=0)
    drawn.decoded("x", [4], [6])
    read.rows("x", [9], scored=6)  # the sixth token drawn is never fed back
    assert drawn.flops["x"] == read.flops["x"]


def test_the_dictionary_adds_up():
    ledger = Ledger(models.model())
    ledger.rows("a", [3], 1)
    ledger.rows("b", [4], 1)
    book = ledger.as_dict()
    assert book["tokens"] == {"a": 3, "b": 4, "total": 7}
    assert book["flops"]["total"] == ledger.total_flops == sum(ledger.flops.values())
