"""The measured items against slow scores of single texts."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.data.tokenizer import Codec
from rlp_core.evaluation import abilities, item_files
from rlp_core.evaluation import evaluator as module
from rlp_core.evaluation.problem_rows import problem_rows
from rlp_core.files import write_jsonl
from rlp_core.objective.reference import logprob
from tests import models
from tests.evaluation.samples import (
    DOCUMENTS,
    ITEMS,
    PROBLEMS,
    choice_problem,
    evaluator,
    problem,
    templates_item,
)

PROMPTED = Codec.of(models.tokenizer(), models.DELIMITERS, "Think.\n")


def slow(tokens: list[int], start: int) -> float:
    model = models.model(6)
    return sum(float(logprob(model, tokens[:p], tokens[p], 1.0)) for p in range(start, len(tokens)))


def test_held_out_text_is_scored_as_by_hand():
    for row, document in zip(evaluator().heldout(DOCUMENTS), DOCUMENTS, strict=True):
        tokens, _ = models.codec().document(document.text, [], 40)
        assert row["tokens"] == len(tokens) - 1
        assert row["nll"] == pytest.approx(-slow(tokens, 1), abs=1e-3)
        assert row["bytes"] == len(document.text.encode())
        for place, direct in zip(row["positions"], row["direct"], strict=True):
            assert direct == pytest.approx(slow(tokens[: place + 1], place), abs=1e-4)
        assert [len(thoughts) for thoughts in row["thinking"]] == [3] * len(row["positions"])


def test_a_prompt_is_read_and_not_scored():
    """It stands before text with a thought and without, and counts as no text."""
    kept = len(PROMPTED.prefix)
    for row, document in zip(evaluator(codec=PROMPTED).heldout(DOCUMENTS), DOCUMENTS, strict=True):
        tokens, _ = PROMPTED.document(document.text, document.spans, 40)
        assert tokens[:kept] == list(PROMPTED.prefix)
        assert row["tokens"] == len(tokens) - kept
        assert row["nll"] == pytest.approx(-slow(tokens, kept), abs=1e-3)
        assert row["bytes"] == len(document.text.encode())
        assert min(row["positions"]) >= kept
        for place, direct in zip(row["positions"], row["direct"], strict=True):
            assert direct == pytest.approx(slow(tokens[: place + 1], place), abs=1e-4)


def test_a_prompt_before_thoughts_is_read_where_something_is_thought(monkeypatch):
    """Answers, held-out text and choices: every thought has it, and nothing else has."""
    led = Codec.of(models.tokenizer(), models.DELIMITERS, lead="Think.\n")
    seen = []
    whole, at_places = module.complete, module.generate
    weigh, of_options = module.score, module.score_continuations

    def spy(model, contexts, *rest):
        seen.extend(map(list, contexts))
        return whole(model, contexts, *rest)

    def spy_generate(model, trunks, prompts, *rest):
        seen.extend([*trunks[p.trunk][: p.position], p.opening] for p in prompts)
        return at_places(model, trunks, prompts, *rest)

    def spy_score(model, rows, *rest):
        seen.extend(map(list, rows))
        return weigh(model, rows, *rest)

    def spy_options(model, trunks, asked, *rest):
        seen.extend([*trunks[one.trunk][: one.position], *one.tokens] for one in asked)
        return of_options(model, trunks, asked, *rest)

    monkeypatch.setattr(module, "complete", spy)
    monkeypatch.setattr(module, "generate", spy_generate)
    monkeypatch.setattr(module, "score", spy_score)
    monkeypatch.setattr(module, "score_continuations", spy_options)
    made = evaluator(codec=led)
    choices = choice_problem("c", "Q: 3+4\nA:", ["7", "8"], "7")
    problem_rows(made, [*PROBLEMS, choices])
    made.heldout(DOCUMENTS)
    made.bias(ITEMS)
    opened = [row for row in seen if led.open_id in row]
    assert opened
    for row in opened:
        at = row.index(led.open_id)
        assert tuple(row[at - len(led.lead) : at]) == led.lead
    plain = [led.decode(row) for row in seen if led.open_id not in row]
    assert plain
    assert not any("Think." in text for text in plain)


@given(st.text("Q: 3+4", max_size=80))
def test_a_long_context_keeps_prefix_and_end(text):
    whole = PROMPTED.context(text)
    cut = evaluator(codec=PROMPTED).cut(whole)
    assert len(cut) == min(len(whole), 40)
    assert tuple(cut[: len(PROMPTED.prefix)]) == PROMPTED.prefix
    assert text.endswith(PROMPTED.decode(cut[len(PROMPTED.prefix) :]))


def test_marked_answers_are_where_thoughts_are_tried():
    row = evaluator().heldout(DOCUMENTS[:1])[0]
    tokens, marked = models.codec().document(DOCUMENTS[0].text, DOCUMENTS[0].spans, 40)
    assert row["positions"] == marked
    assert models.codec().decode([tokens[marked[0]]]) == "7"


def test_choices_are_weighed_as_by_hand_also_without_a_context():
    codec = models.codec()
    for row, item in zip(evaluator().bias(ITEMS), ITEMS, strict=True):
        context = codec.context(item.context)
        expected = [slow([*context, *codec.encode(c)], len(context)) for c in item.choices]
        assert row["logprob_direct"] == pytest.approx(expected, abs=1e-3)
        assert row["tokens"] == [len(codec.encode(c)) for c in item.choices]
        assert len(row["logprob_thinking"]) == 2


def test_batch_size_changes_no_answer():
    large, small = problem_rows(evaluator(64), PROBLEMS), problem_rows(evaluator(3), PROBLEMS)
    assert large == small
    alone = problem_rows(evaluator(), PROBLEMS[1:2])
    assert alone == large[1:2]


@pytest.mark.parametrize("micro_batch", [1, 64])
def test_an_answer_or_a_thought_hashes_one_number_per_token_that_is_drawn(micro_batch, monkeypatch):
    hashed, drawn = [], []
    number, whole, at_places = module.uniform, module.complete, module.generate

    def counting(*coordinates):
        found = number(*coordinates)
        hashed.append(found.size)
        return found

    def spy(model, contexts, params, *rest):
        found = whole(model, contexts, params, *rest)
        drawn.extend(len(tokens) for tokens in found.tokens if params.temperature)
        return found

    def spy_generate(*args):
        found = at_places(*args)
        drawn.extend(map(len, found.tokens))
        return found

    monkeypatch.setattr(module, "uniform", counting)
    monkeypatch.setattr(module, "complete", spy)
    monkeypatch.setattr(module, "generate", spy_generate)
    made = evaluator(micro_batch)
    problem_rows(made, PROBLEMS)
    made.heldout(DOCUMENTS)
    assert sum(hashed) == sum(drawn) > 0


def test_long_contexts_are_cut_at_their_start():
    long = problem("l", "Q: " + "1+" * 60 + "1\nA:", "1")
    row = problem_rows(evaluator(max_tokens=8), [long])[0]
    assert len(row["thinking"]) == len(row["direct"]) == 3


def test_a_context_that_is_cut_begins_as_every_text_in_training(monkeypatch):
    """With the start-of-text token, which the parts that train are given by the codec."""
    seen = []
    whole = module.complete

    def spy(model, contexts, *rest):
        seen.extend(contexts)
        return whole(model, contexts, *rest)

    monkeypatch.setattr(module, "complete", spy)
    text = "Q: " + "1+" * 60 + "1\nA:"
    long = problem("l", text, "1")
    long_item = templates_item("t1", text)
    made = evaluator(max_tokens=8)
    problem_rows(made, [long, PROBLEMS[0]])
    made.bias([long_item])
    codec = models.codec()
    assert codec.prefix
    assert len(codec.document(text, [], 1000)[0]) > 8
    for context in seen:
        assert tuple(context[: len(codec.prefix)]) == codec.prefix
    assert [*codec.prefix, *codec.encode(text)[-7:]] in seen


def test_the_rows_are_what_the_comparison_reads(tmp_path):
    made = evaluator()
    rows = {"problems": problem_rows(made, PROBLEMS), "heldout": made.heldout(DOCUMENTS)}
    rows["bias"] = made.bias(ITEMS)
    for name, lines in rows.items():
        write_jsonl(tmp_path / f"{name}.jsonl", lines)
    items = item_files.read(tmp_path)
    values = {
        name: statistic.value()
        for name, statistic in abilities.ability_statistics(items.problems, items.heldout).items()
    }
    assert values["pass_at_1_thinking"] == np.mean([r["thinking"] for r in rows["problems"]])
    gains = [
        np.mean(thoughts) - direct
        for r in rows["heldout"]
        for thoughts, direct in zip(r["thinking"], r["direct"], strict=True)
    ]
    assert values["information_gain"] == pytest.approx(np.mean(gains))


def test_decoding_has_a_batch_of_its_own(monkeypatch):
    """Scores take whole rows and little else; a thought holds keys and values for as long."""
    made = dataclasses.replace(evaluator(2), decode_batch_size=7)
    rows: list[tuple[str, int]] = []

    def spy(name, place):
        whole = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda *a, **k: rows.append((name, a[place])) or whole(*a, **k)
        )

    for name, place in (
        ("complete", 4),
        ("generate", 5),
        ("score", 3),
        ("score_continuations", 3),
    ):
        spy(name, place)
    problem_rows(made, PROBLEMS[:2])
    made.heldout(DOCUMENTS[:2])
    made.bias(ITEMS)
    assert set(rows) == {
        ("complete", 7),
        ("generate", 7),
        ("score", 2),
        ("score_continuations", 2),
    }


def test_thoughts_at_places_are_scored_as_by_hand():
    made = evaluator()
    places = made.places(DOCUMENTS)
    rows = made.heldout(DOCUMENTS, places)
    many, codec = made.settings.samples, made.codec
    each = iter(zip(places.drawn.tokens, places.drawn.stopped, strict=True))
    for row, text in zip(rows, (places.texts[i] for i in places.kept), strict=True):
        for place, found in zip(row["positions"], row["thinking"], strict=True):
            for value in found:
                tokens, stopped = next(each)
                close = [] if stopped else [codec.close_id]
                whole = [*text.tokens[:place], *codec.opening, *tokens, *close, text.tokens[place]]
                assert value == pytest.approx(slow(whole, len(whole) - 1), abs=1e-3)
            assert len(found) == many


def test_a_row_tells_how_hard_its_problem_is_where_that_is_told():
    told = PROBLEMS[0].model_copy(update={"difficulty": 3})
    rows = problem_rows(evaluator(), [told, PROBLEMS[1]])
    assert rows[0]["difficulty"] == 3
    assert "difficulty" not in rows[1]
