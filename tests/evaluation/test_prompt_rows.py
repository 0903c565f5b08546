"""What is measured under a prompt: against slow scores, at the same places by the same numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rlp_core.data.tokenizer import Codec
from rlp_core.evaluation import prompt_rows as module
from rlp_core.evaluation.prompt_rows import ThoughtTrials, placed, prompt_rows
from tests import models
from tests.evaluation.samples import DOCUMENTS, document
from tests.evaluation.test_evaluator import slow

TEXTS = [*DOCUMENTS, document("c", "Grüße, né? ✓✓ 1-1")]
TRIALS = ThoughtTrials(
    text_tokens=14, positions=2, samples=2, thought_tokens=4, horizon=2, micro_batch=5
)
START = Codec.of(models.tokenizer(), models.DELIMITERS, "Say <think>a</think> b.\n")
LEAD = Codec.of(models.tokenizer(), models.DELIMITERS, lead="Think.\n")


@pytest.mark.parametrize("codec", [models.codec(), START, LEAD], ids=["none", "start", "lead"])
def test_every_number_is_that_of_the_written_out_text(
    codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: dict[str, Any] = {}
    bodies = module._bodies

    def spy(*given: Any) -> Any:
        kept["drawn"], kept["bodies"] = given[3], bodies(*given)
        return kept["bodies"]

    monkeypatch.setattr(module, "_bodies", spy)
    texts = placed(models.codec(), TEXTS, TRIALS)
    rows = prompt_rows(models.model(6), codec, texts, TRIALS)
    assert [row["id"] for row in rows] == [text.document.id for text in texts]
    spot = 0
    for row, text in zip(rows, texts, strict=True):
        plain, _ = models.codec().document(text.document.text, [])
        inner = plain[len(models.codec().prefix) :][:14]
        for at, place in enumerate(row["positions"]):
            context = [*codec.prefix, *inner[:place]]
            targets = inner[place : place + 2]

            def after(body: list[int], context: Any = context, targets: Any = targets) -> float:
                head = [*context, *codec.lead, codec.open_id, *body, codec.close_id]
                return slow([*head, *targets], len(head))

            assert row["tokens"][at] == len(targets)
            assert row["direct"][at] == pytest.approx(
                slow([*context, *targets], len(context)), abs=1e-3
            )
            drawn = [
                [t for t in tokens if t != codec.close_id]
                for tokens in kept["drawn"].tokens[2 * spot : 2 * spot + 2]
            ]
            assert row["thinking"][at] == pytest.approx([after(one) for one in drawn], abs=1e-3)
            assert row["empty"][at] == pytest.approx([after([])] * 2, abs=1e-3)
            for name in ("other", "random"):
                said = kept["bodies"][spot][name]
                assert row[name][at] == pytest.approx([after(one) for one in said], abs=1e-3)
            assert [len(one) for one in kept["bodies"][spot]["random"]] == [len(o) for o in drawn]
            spot += 1
        assert sum(row["bytes"]) <= len(text.document.text.encode())
    assert spot == len(kept["bodies"])


def test_every_prompt_meets_the_same_places_and_random_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[set[tuple[int, ...]]] = []
    plain = module.uniform

    def spy(*coordinates: Any) -> Any:
        for cell in np.broadcast(*coordinates):
            asked[-1].add(tuple(map(int, cell)))
        return plain(*coordinates)

    monkeypatch.setattr(module, "uniform", spy)
    texts = placed(models.codec(), TEXTS, TRIALS)
    found = []
    for codec in (models.codec(), START, LEAD):
        asked.append(set())
        found.append(prompt_rows(models.model(6), codec, texts, TRIALS))
    first = [[(row["positions"], row["tokens"], row["bytes"]) for row in rows] for rows in found]
    assert first[0] == first[1] == first[2]
    places = {cell[:5] for cell in asked[0] if cell[1] == module.HELDOUT}
    assert all({c[:5] for c in one if c[1] == module.HELDOUT} == places for one in asked)
    assert {cell[3] for cell in places} == {p for text in texts for p in text.positions}
    assert found[0] != found[1]


def test_rows_do_not_depend_on_batches() -> None:
    texts = placed(models.codec(), TEXTS, TRIALS)
    one, other = (
        prompt_rows(models.model(6), START, texts, ThoughtTrials(
            text_tokens=14, positions=2, samples=2, thought_tokens=4, horizon=2,
            micro_batch=size, decode_batch_size=size,
        )) for size in (1, 64)
    )  # fmt: skip
    for a, b in zip(one, other, strict=True):
        assert a["lengths"] == b["lengths"]
        for name in ("direct", "thinking", "empty", "other", "random"):
            assert np.array(a[name]) == pytest.approx(np.array(b[name]), abs=1e-3)
