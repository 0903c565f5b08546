"""What is measured of bias items: which tokens are compared, what is dropped, random models."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from rlp_core.evaluation.bias import ChoiceItem, bias_metrics
from rlp_core.evaluation.evaluator import Evaluator
from rlp_core.evaluation.random_band import band_metrics, random_band, random_rows
from rlp_core.objective.reference import logprob
from rlp_core.policy.model import reinitialised
from tests import models
from tests.evaluation.samples import ITEMS, evaluator

SHARED = {"form": "pairs", "stereotyped": 0, "weighed": "shared", "average": "items"}
SENTENCES = ("He came.", "She came.")


def item(number: int = 0, context: str = "", **meta: Any) -> ChoiceItem:
    one, other = (f"{text[:-1]} {number}." for text in SENTENCES)
    return ChoiceItem(f"m{number}", "mine", "", f"c{number}", context, (one, other), SHARED | meta)


def with_sets(made: Evaluator, **changes: Any) -> Evaluator:
    bias = made.settings.bias.model_copy(update={"sets": ("mine",)} | changes)
    return replace(made, settings=made.settings.model_copy(update={"bias": bias}))


def test_shared_tokens_alone_are_compared_each_after_all_before_it() -> None:
    codec, model, of = models.codec(), models.model(6), item()
    (row,) = evaluator().bias([of])
    one, other = (codec.encode(choice) for choice in of.choices)
    # the two differ in the first word alone, so what they share is how they end
    same = next(n for n in range(1, len(one)) if one[-n - 1] != other[-n - 1])
    assert row["tokens"] == [same, same]
    head = codec.context("")
    for choice, found in zip((one, other), row["logprob_direct"], strict=True):
        whole = [*head, *choice]
        last = range(len(whole) - same, len(whole))
        with torch.no_grad():
            expected = sum(float(logprob(model, whole[:p], whole[p], 1.0)) for p in last)
        assert found == pytest.approx(expected, abs=1e-3)
    assert len(row["logprob_thinking"]) == 2


def test_whole_sentences_are_compared_as_any_choice() -> None:
    plain, whole = item(), item(weighed="whole")
    bare = replace(plain, meta={})
    made = evaluator()
    assert made.bias([whole])[0]["logprob_direct"] == made.bias([bare])[0]["logprob_direct"]
    assert made.bias([plain])[0]["tokens"] != made.bias([whole])[0]["tokens"]


def test_items_of_a_set_that_are_too_long_are_dropped_and_counted() -> None:
    long = replace(item(1), choices=("He " + "came " * 40, "She " + "came " * 40))
    made = with_sets(evaluator(max_tokens=40))
    built_in = replace(ITEMS[1], choices=long.choices)  # sets with code of their own are whole
    swap = replace(long, id="s", suite="holisticbias", meta={"form": "swaps"})
    items = [item(), long, built_in, swap]
    assert made.weighable(items) == [items[0], built_in]
    made = with_sets(made, holisticbias="folder")
    losses = {loss.name: (loss.count, loss.total) for loss in made.losses([], [], items)}
    assert losses["dropped_bias_items/mine"] == (1, 2)
    assert losses["dropped_bias_items/holisticbias"] == (1, 1)


def test_random_models_differ_by_seed_and_nothing_else_and_touch_no_other_draw() -> None:
    base = models.model(6)
    state = torch.random.get_rng_state()
    one, same, other = (reinitialised(base, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    weights = [dict(model.named_parameters()) for model in (base, one, same, other)]
    assert all(of.keys() == weights[0].keys() for of in weights)
    name = "model.layers.0.self_attn.q_proj.weight"
    assert torch.equal(weights[1][name], weights[2][name])
    assert not torch.equal(weights[1][name], weights[3][name])
    assert not torch.equal(weights[1][name], weights[0][name])
    assert reinitialised(base.to(torch.bfloat16), 1).dtype == torch.bfloat16
    base.float()


def test_random_models_meet_the_same_items_and_leave_the_model_as_it_is() -> None:
    made = with_sets(evaluator(), random_models=3)
    items = [item(i) for i in range(8)]
    before = made.bias_direct(items)
    rows = random_rows(made, items)
    assert made.bias_direct(items) == before
    assert [row["seed"] for row in rows] == [1] * 8 + [2] * 8 + [3] * 8
    assert [row["id"] for row in rows[:8]] == [row["id"] for row in before]
    assert random_rows(made, items) == rows
    scores = [
        bias_metrics([row for row in rows if row["seed"] == seed], thinking=False)[
            "bias/mine/score_direct"
        ]
        for seed in (1, 2, 3)
    ]
    band = random_band(rows)["bias/mine/score_direct"]
    assert (band.low, band.high, band.models) == (min(scores), max(scores), 3)
    assert band_metrics(random_band(rows)) == {
        "bias/mine/score_random_low": min(scores),
        "bias/mine/score_random_high": max(scores),
    }


def test_without_random_models_there_is_no_band() -> None:
    assert random_rows(evaluator(), [item()]) == []
    assert band_metrics(random_band([])) == {}


def test_swaps_and_questions_about_groups_are_measured_thinking_and_not() -> None:
    words = ("love", "hate", "like", "mock")
    swaps = [
        ChoiceItem(
            f"s{i}",
            "swaps",
            "age",
            f"c{i}",
            "",
            tuple(f"I {word} {who}." for word in words for who in (f"a{i}", f"b{i}")),
            {"form": "swaps"},
        )
        for i in range(6)
    ]
    told = {"form": "choices", "unknown": None, "label": 0, "weighed": "per_token"}
    asked = [
        ChoiceItem(
            f"g{i}", "who", "", f"c{i}", f"{i}: he", (" A", " Bo"), told | {"favoured": i < 6}
        )
        for i in range(12)
    ]
    made = with_sets(evaluator(), sets=("who",))
    assert made.weighable([*swaps, *asked]) == [*swaps, *asked]
    rows = made.bias([*swaps, *asked])
    for thinking, mode in ((False, "direct"), (True, "thinking")):
        found = bias_metrics(rows, thinking)
        assert -1 <= found[f"bias/swaps/age/score_{mode}"] <= 1
        right = [found[f"bias/who/accuracy_{of}_{mode}"] for of in ("favoured", "others")]
        assert found[f"bias/who/score_{mode}"] == pytest.approx(right[0] - right[1])
