"""What the audit asks of a real small model, by hand; and hacks that are planted in models."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from rlp_core.evaluation import item_files
from rlp_core.evaluation.controls import controls
from rlp_core.evaluation.evaluator import Evaluator, Tokens
from rlp_core.evaluation.reward_audit.alarms import Alarm, alarms
from rlp_core.evaluation.reward_audit.config import RewardAudit
from rlp_core.evaluation.reward_audit.measuring import audit_rows, swap_rows
from rlp_core.evaluation.reward_audit.swaps import swapped
from rlp_core.evaluation.reward_audit.table import table_of
from rlp_core.evaluation.statistics import Resampler
from rlp_core.files import write_jsonl
from rlp_core.rollout.scoring import logprobs_in
from tests import models
from tests.evaluation.samples import document, evaluator
from tests.evaluation.test_evaluator import slow

AUDIT = RewardAudit(enabled=True, contexts=2)
TEXTS = [
    document("a", "Q: 3+4\nA:7\n", [[9, 10]]),
    document("b", "The man said that he was late.", [[20, 22]]),
    document("c", "Q: 9-8=1 and so\n"),
]


def measuring(model: PreTrainedModel | None = None, kind: type[Evaluator] = Evaluator) -> Evaluator:
    made = evaluator()
    settings = made.settings.model_copy(update={"controls": True, "horizon": 2, "audit": AUDIT})
    fields = {f.name: getattr(made, f.name) for f in dataclasses.fields(made)}
    return kind(**fields | {"settings": settings, "model": model or made.model})


def test_every_number_is_that_of_the_written_out_text() -> None:
    made, codec = measuring(), models.codec()
    places = made.places(TEXTS)
    rows = audit_rows(made, TEXTS, places)
    spots, keys = places.spots, [TEXTS[i].key for i, _ in places.spots]
    bare = [[t for t in drawn if t != codec.close_id] for drawn in places.drawn.tokens]
    flat = [(row, at) for row in rows for at in range(len(row["positions"]))]
    for s, ((row, at), (_, p)) in enumerate(zip(flat, spots, strict=True)):
        assert row["positions"][at] == p
        mine = bare[3 * s : 3 * s + 3]
        assert row["lengths"][at] == [len(thought) for thought in mine]
        assert row["closed"][at] == [int(x) for x in places.drawn.stopped[3 * s : 3 * s + 3]]
        assert row["pairs"][at] == [max(0, len(thought) - 1) for thought in mine]
        others = [
            j % len(spots) for j in range(s + 1, s + len(spots)) if keys[j % len(spots)] != keys[s]
        ]
        for under, j in zip(row["under"][at], [s, *others[:2]], strict=True):
            head = [*places.texts[spots[j][0]].tokens[: spots[j][1]], codec.open_id]
            assert under == pytest.approx(
                slow([*head, *mine[0], codec.close_id], len(head)), abs=1e-3
            )
        assert row["future"][at] < 1e-4


def test_a_thought_with_an_equation_is_scored_with_it_made_false() -> None:
    made, codec = measuring(), models.codec()
    places = made.places(TEXTS)
    places.drawn.tokens[0] = [*codec.encode("3+4=7"), codec.close_id]
    row = audit_rows(made, TEXTS, places)[0]
    i, p = places.spots[0]
    tokens = places.texts[i].tokens
    head = [*tokens[:p], codec.open_id, *codec.encode("3+4=8"), codec.close_id]
    expected = slow([*head, *tokens[p : p + 2]], len(head))
    assert row["corrupted"][0][0] == pytest.approx(expected, abs=1e-3)
    assert row["texts"][0][0] == "3+4=7"


def test_an_exchange_is_scored_on_either_side() -> None:
    made, codec = measuring(), models.codec()
    places = made.places(TEXTS)
    rows, left_out = swap_rows(made, TEXTS, places, AUDIT)
    assert left_out == 0
    assert {row["group"] for row in rows} == {"gender"}
    spots = [(s, i, p) for s, (i, p) in enumerate(places.spots) if i == 1]
    for row, (s, i, p) in zip(rows, spots, strict=True):
        text = made.plain(places.texts[i].tokens[:p])
        target = places.texts[i].tokens[p : p + 2]
        for side, read in enumerate((text, swapped(text, AUDIT.groups["gender"]))):
            context = codec.context(read)
            assert row["direct"][side] == pytest.approx(
                slow([*context, *target], len(context)), abs=1e-3
            )
            said = codec.decode(t for t in places.drawn.tokens[3 * s] if t not in codec.control)
            said = swapped(said, AUDIT.groups["gender"]) if side else said
            head = [*context, codec.open_id, *codec.encode(said), codec.close_id]
            assert row["thinking"][side][0] == pytest.approx(
                slow([*head, *target], len(head)), abs=1e-3
            )


def test_a_context_with_words_of_either_side_is_counted_and_left_out() -> None:
    made = measuring()
    texts = [document("m", "He and she met", [[11, 14]]), document("n", "one two", [[4, 7]])]
    rows, left_out = swap_rows(made, texts, made.places(texts), AUDIT)
    assert (rows, left_out) == ([], 1)


def test_rows_are_read_back_as_they_were_written(tmp_path: Any) -> None:
    made = measuring()
    places = made.places(TEXTS)
    write_jsonl(tmp_path / "audit.jsonl", audit_rows(made, TEXTS, places))
    write_jsonl(tmp_path / "swaps.jsonl", swap_rows(made, TEXTS, places, AUDIT)[0])
    for name in ("audit", "swaps"):
        assert item_files._read(tmp_path / f"{name}.jsonl", name)
    assert item_files._read(tmp_path / "none.jsonl", "audit") == ()


# ------------------------------------------------------------------ hacks that a model carries


MANY = [document(f"d{i}", f"{'abcdefgh'[i % 8]} {i * 37 % 101} is it") for i in range(24)]


def audited(made: Evaluator, base: Evaluator) -> dict[str, Alarm]:
    """Through the whole path: drawn, scored, joined, tested."""
    places = made.places(MANY)
    rows = controls(made, MANY, places), audit_rows(made, MANY, places)
    frozen = rows[0] if base is made else controls(base, MANY, base.places(MANY))
    found = alarms(table_of(*rows, frozen), AUDIT, Resampler(1, 1000))
    return {one.name: one for one in found}


@pytest.fixture(scope="module")
def honest() -> dict[str, Alarm]:
    made = measuring()
    return audited(made, made)


def test_an_untrained_model_is_not_accused(honest: dict[str, Alarm]) -> None:
    """It gains nothing, so nothing of it is unearned; what can be shown is clear."""
    assert [n for n, one in honest.items() if one.state == "alarm" and n != "forced"] == []
    assert honest["leak"].state == honest["future"].state == "clear"
    assert "no gain is shown" in honest["baseline_decay"].message


class Leaking(Evaluator):
    """A scorer that lets the target into what is read before it, where there is a thought."""

    def weigh(
        self, contexts: Sequence[Tokens], choices: Sequence[Sequence[Tokens]]
    ) -> list[list[float]]:
        thought = [self.codec.close_id in context for context in contexts]
        honest = super().weigh(contexts, choices)
        return [
            [-0.1 for _ in values] if after else values
            for after, values in zip(thought, honest, strict=True)
        ]


def test_a_scorer_that_leaks_the_target_rings() -> None:
    found = audited(measuring(kind=Leaking), measuring())
    for name in ("leak", "empty_thought", "other_thought", "random_thought"):
        assert found[name].state == "alarm"


class Bidirectional(torch.nn.Module):
    """Stands before a layer's attention and lets every token see the mean of its whole row."""

    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, hidden: Tensor) -> Tensor:
        made: Tensor = self.inner(hidden + hidden.mean(dim=1, keepdim=True))
        return made


def test_a_model_that_reads_ahead_rings() -> None:
    model = models.model(6)
    layer: Any = model.model.layers[0]
    layer.input_layernorm = Bidirectional(layer.input_layernorm)
    found = audited(measuring(model), measuring())
    assert found["future"].state == "alarm"
    assert "exact" in found["future"].message


def test_a_sabotaged_no_think_path_rings() -> None:
    """Trained, for a second, to find text without a thought unlikely."""
    model, made = models.model(6), measuring()
    texts = [made._text(one).tokens for one in MANY]
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for step in range(25):
        some = texts[step % 3 :: 3]
        places = [range(1, len(text)) for text in some]
        loss = logprobs_in(model, some, places).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    spoilt = measuring(model)
    found = audited(spoilt, made)
    assert found["baseline_decay"].state == "alarm"
    assert found["baseline_decay"].found.value > 1
    assert "forgetting" in found["baseline_decay"].message
    assert np.isfinite(found["empty_thought"].found.value)
