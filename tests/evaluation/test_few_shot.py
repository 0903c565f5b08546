"""Examples in front of a problem: which, how they are written, what is read out of the answer."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.data.records import Demonstration, content_key
from rlp_core.errors import ConfigError
from rlp_core.evaluation import few_shot as module
from rlp_core.evaluation.config import Shots
from rlp_core.evaluation.evaluator import Evaluator
from rlp_core.evaluation.few_shot import ask, few_shot, fewer_examples, pool, prompt
from rlp_core.evaluation.few_shot_metrics import FEW_SHOT_DESCRIPTIONS, few_shot_statistics
from rlp_core.evaluation.item_files import ANSWERS, FORMS, THINKING, WORKING
from rlp_core.evaluation.problem_rows import problem_rows
from rlp_core.training.batches import demonstration_example
from tests import models
from tests.evaluation.samples import PROBLEMS, evaluator

SHOTS = Shots(count=2, max_tokens=100)


def demo(name: str, context: str, thought: str, continuation: str = "7\n") -> Demonstration:
    return Demonstration(
        id=name,
        key=content_key(context),
        source="s",
        licence="l",
        context=context,
        thought=thought,
        continuation=continuation,
    )


DEMOS = [demo(f"d{i}", f"Q: {i}-1\nA:", f"W: {i}-1={i - 1}", f"{i - 1}\n") for i in range(1, 10)]


def shooting(**changes: Any) -> Evaluator:
    made = evaluator()
    shots = SHOTS.model_copy(update=changes)
    return dataclasses.replace(made, settings=made.settings.model_copy(update={"shots": shots}))


def test_the_prompts_written_out() -> None:
    codec = models.codec()
    text = {
        form: codec.decode(prompt(codec, form, DEMOS[1:3], "Q: 9-8\nA:", SHOTS)[1:])
        for form in FORMS
    }
    assert text == {
        ANSWERS: "Q: 2-1\nA:1\n\nQ: 3-1\nA:2\n\nQ: 9-8\nA:",
        THINKING: "Q: 2-1\nA:<think>W: 2-1=1</think>1\n\n"
        "Q: 3-1\nA:<think>W: 3-1=2</think>2\n\nQ: 9-8\nA:",
        WORKING: "Q: 2-1\nA:W: 2-1=1\nAnswer:1\n\nQ: 3-1\nA:W: 3-1=2\nAnswer:2\n\nQ: 9-8\nA:",
    }


def test_an_example_with_a_thought_is_what_imitation_reads() -> None:
    """Token by token, up to the space that the separator takes the place of."""
    codec = models.codec()
    shown = demonstration_example(codec, DEMOS[4], 100).tokens
    asked = prompt(codec, THINKING, DEMOS[4:5], "Q: 9-8\nA:", SHOTS)
    end = shown.index(codec.close_id) + 1
    assert asked[:end] == shown[:end]
    plain = prompt(codec, WORKING, DEMOS[4:5], "Q: 9-8\nA:", SHOTS)
    assert not codec.control.intersection(plain[len(codec.prefix) :])


@given(st.permutations(DEMOS), st.integers(1, 5))
def test_the_draw_depends_on_problem_and_seed_alone(demos: list[Demonstration], count: int) -> None:
    made = shooting(count=count, max_tokens=1000)
    shots = made.settings.shots
    first = ask(made, PROBLEMS, pool(DEMOS, PROBLEMS, shots, "s"))
    again = ask(made, PROBLEMS[::-1], pool(demos, PROBLEMS, shots, "s"))
    chosen = {one.problem.id: [d.id for d in one.examples] for one in first}
    assert chosen == {one.problem.id: [d.id for d in one.examples] for one in again}
    assert all(len(set(ids)) == count for ids in chosen.values())


def test_another_seed_and_another_problem_meet_other_examples() -> None:
    made = shooting()
    examples = pool(DEMOS, PROBLEMS, SHOTS, "s")
    of = {s: ask(dataclasses.replace(made, seed=s), PROBLEMS, examples) for s in range(4)}
    drawn = {tuple(d.id for d in one.examples) for asked in of.values() for one in asked}
    assert len(drawn) > 6


def test_no_problem_that_is_asked_is_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    spoilt = [
        demo("same", PROBLEMS[0].prompt, "W: 0+4=4"),
        demo("keyed", "Q: 8-8\nA:", "W").model_copy(update={"key": PROBLEMS[1].key}),
        demo("bare", "Q: 8-7\nA:", " "),
        demo("marked", "Q: 8-6\nA:", "W: 2\nAnswer:2"),
        demo("parted", "Q: 8-5\nA:", "W: 2\n\n3"),
        DEMOS[0].model_copy(update={"id": "twice"}),
    ]
    left = pool([*DEMOS, *spoilt], PROBLEMS, SHOTS, "evaluate@x")
    assert sorted(d.id for d in left) == sorted(d.id for d in DEMOS)
    said = capsys.readouterr().out
    assert "evaluate@x: 9 of 15 demonstrations may be examples: 1 show no thought, 2 are" in said
    assert "2 hold the separator" in said
    with pytest.raises(ConfigError, match="too few examples: 0 of 6"):
        pool(spoilt[:5] + spoilt[:1], PROBLEMS, SHOTS, "s")


@given(st.integers(40, 120))
def test_what_does_not_fit_is_left_out_whole_and_counted(limit: int) -> None:
    made = shooting(max_tokens=limit)
    asked = ask(made, PROBLEMS, pool(DEMOS, PROBLEMS, made.settings.shots, "s"))
    codec = made.codec
    for one in asked:
        kept = len(one.examples)
        for form in FORMS:
            tokens = one.prompts[form]
            assert len(tokens) <= max(limit, made.settings.max_tokens)
            assert tokens[-3:] == codec.encode(one.problem.prompt)[-3:]
            if not kept:
                assert tokens == codec.context(one.problem.prompt)
            else:
                whole = prompt(codec, form, one.examples, one.problem.prompt, made.settings.shots)
                assert tokens == whole
        more = list(ask(shooting(max_tokens=1000), [one.problem], pool(
            DEMOS, PROBLEMS, SHOTS, "s"))[0].examples)[: kept + 1]  # fmt: skip
        if kept < 2:
            longest = max(
                len(prompt(codec, f, more, one.problem.prompt, made.settings.shots)) for f in FORMS
            )
            assert longest > limit
    lost = fewer_examples(asked, made.settings.shots)
    assert lost.count == sum(len(one.examples) < 2 for one in asked)
    assert lost.total == len(PROBLEMS)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("W: 3+4=7\nAnswer:7\n\nQ: 1-1\nA:0", "7"),
        ("W: 3+4=7\nAnswer: 7 \nQ", "7"),
        ("7\n\nQ: 1-1\nA:W\nAnswer:0", ""),
        ("Answer:7", ""),
        ("\nAnswer:7", "7"),
        ("", ""),
    ],
)
def test_the_answer_stands_behind_the_marker_of_the_models_own_answer(
    text: str, answer: str
) -> None:
    codec = models.codec()
    tokens = [*codec.encode(text), codec.end_id, *codec.encode("\nAnswer:9")]
    assert module.answer_after_work(codec, tokens, SHOTS) == answer


def test_rows_are_marked_answers_of_each_form_in_any_batch() -> None:
    made = shooting()
    asked = ask(made, PROBLEMS, pool(DEMOS, PROBLEMS, SHOTS, "s"))
    rows = few_shot(made, asked)
    small = dataclasses.replace(made, micro_batch=2, decode_batch_size=2)
    assert few_shot(small, asked) == rows
    assert few_shot(made, asked[1:2]) == rows[1:2]
    for row, one in zip(rows, asked, strict=True):
        assert [len(row[form]) for form in FORMS] == [3, 3, 3]
        assert row["examples"] == [d.id for d in one.examples]
    alone = made.answer([one.prompts[ANSWERS] for one in asked], [0, 1, 2], 1, 0.0, 0)
    assert len(alone) == 3


def test_asked_without_examples_answers_are_those_of_zero_shot() -> None:
    """The same random numbers: what differs between the modes is the examples alone."""
    made = shooting()
    bare = problem_rows(made, PROBLEMS)
    asked = [
        module.ShotProblem(p, (), dict.fromkeys(FORMS, made.codec.context(p.prompt)))
        for p in PROBLEMS
    ]
    for row, zero in zip(few_shot(made, asked), bare, strict=True):
        assert row[ANSWERS] == zero["direct"]
        assert row[THINKING] == zero["thinking"]


def test_metrics_by_hand() -> None:
    rows = [
        {"id": "a", "key": "a", "benchmark": "x", "examples": ["d1", "d2"],
         ANSWERS: [1, 0], THINKING: [1, 1], WORKING: [0, 0]},
        {"id": "b", "key": "b", "benchmark": "y", "examples": ["d1"],
         ANSWERS: [1, 1], THINKING: [0, 1], WORKING: [0, 1]},
        {"id": "c", "key": "c", "benchmark": "y", "examples": ["d1"],
         ANSWERS: [0, 0], THINKING: [0, 0], WORKING: [0, 0]},
    ]  # fmt: skip
    made = {name: s.value() for name, s in few_shot_statistics(rows).items()}
    assert made["pass_at_1_few_shot"] == (0.5 + 0.5) / 2
    assert made["pass_at_1_few_shot/y"] == 0.5
    assert made["pass_at_1_few_shot_thinking"] == (1 + 0.25) / 2
    assert made["pass_at_1_few_shot_work"] == (0 + 0.25) / 2
    assert made["shots"] == 1.5
    assert {name.partition("/")[0] for name in made} == set(FEW_SHOT_DESCRIPTIONS)
    assert few_shot_statistics([]) == {}
