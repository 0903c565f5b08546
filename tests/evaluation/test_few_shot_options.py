"""Options that are weighed after examples: which, how they are written, what comes of them."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.data.records import Problem
from rlp_core.errors import ConfigError
from rlp_core.evaluation.choosing import likeliest
from rlp_core.evaluation.config import Shots
from rlp_core.evaluation.evaluator import Evaluator
from rlp_core.evaluation.few_shot import fewer_examples
from rlp_core.evaluation.few_shot_metrics import few_shot_statistics, in_each_form
from rlp_core.evaluation.few_shot_options import (
    ShotOptions,
    ask_options,
    few_shot_options,
    option_pools,
    shown,
    without_examples,
)
from rlp_core.evaluation.item_files import ANSWERS, FORMS, THINKING, WORKING
from rlp_core.evaluation.weighed import weighed_rows
from rlp_core.objective.reference import logprob
from tests import models
from tests.evaluation.samples import choice_problem, evaluator

SHOTS = Shots(count=2, max_tokens=100)


def sums(number: int, **fields: Any) -> Problem:
    right = str(number + 4)
    prompt = f"Q: {number}+4\nA:"
    return choice_problem(f"c{number}", prompt, [right, "12", "no idea"], right, **fields)


def names(number: int, **fields: Any) -> Problem:
    """Two contexts, and one text that follows either."""
    return choice_problem(
        f"n{number}",
        f"So _ saw {number}.",
        ["Ann", "Bob"],
        "Bob",
        benchmark="n",
        contexts=["So Ann", "So Bob"],
        continuations=[f" saw {number}."] * 2,
        **fields,
    )


ASKED = [sums(0), sums(1), names(0)]
OTHERS = [*(sums(n) for n in range(2, 8)), *(names(n) for n in range(1, 8))]


def shooting(**changes: Any) -> Evaluator:
    made = evaluator()
    shots = SHOTS.model_copy(update=changes)
    return dataclasses.replace(made, settings=made.settings.model_copy(update={"shots": shots}))


def asking(made: Evaluator, asked: list[Problem], others: list[Problem]) -> list[ShotOptions]:
    pools = option_pools(asked, [*asked, *others], made.settings.shots, "s")
    return ask_options(made, asked, pools)


def test_the_prompts_written_out() -> None:
    codec = models.codec()
    text = codec.decode(shown(codec, [sums(2), names(3)], SHOTS)[len(codec.prefix) :])
    assert text == "Q: 2+4\nA: 6\n\nSo Bob saw 3.\n\n"
    (one,) = asking(shooting(), [names(0)], OTHERS)
    first, second = (codec.decode(tokens) for tokens in one.contexts)
    assert first.endswith(".\n\nSo Ann")
    assert second == first.removesuffix("Ann") + "Bob"
    assert [place for place, _ in one.options] == [0, 1]


def test_options_are_weighed_as_each_text_alone_by_hand() -> None:
    """The slow way: examples, problem and one option as one row, scored token by token."""
    made, codec = shooting(), models.codec()
    asked = asking(made, ASKED, OTHERS)
    assert [len(one.examples) for one in asked] == [2, 2, 2]
    for row, one in zip(few_shot_options(made, asked), asked, strict=True):
        by_hand = []
        for context, option in one.problem.weighed():
            tokens, told = list(codec.prefix), ""
            for example in one.examples:
                before, right = example.weighed()[example.choices.index(example.answer)]
                tokens += codec.encode(before) + codec.encode(f"{right}\n\n")
                told += f"{before}{right}\n\n"
            tokens += codec.encode(context)
            start = len(tokens)
            tokens += codec.encode(option)
            assert codec.decode(tokens[len(codec.prefix) :]) == f"{told}{context}{option}"
            each = (
                logprob(models.model(6), tokens[:p], tokens[p], 1.0).item()
                for p in range(start, len(tokens))
            )
            by_hand.append(sum(each))
        assert row["logprob_few_shot"] == pytest.approx(by_hand, abs=1e-3)
        lengths = [len(choice) for choice in one.problem.choices]
        taken = likeliest(by_hand, lengths, one.problem.rule)
        assert row[ANSWERS] == [int(one.problem.choices[taken] == one.problem.answer)]
        assert row["few_shot_text"] == one.problem.choices[taken]
        assert (row["characters"], row["right"]) == (
            lengths,
            one.problem.choices.index(one.problem.answer),
        )
        assert row["examples"] == [example.id for example in one.examples]
        assert not {THINKING, WORKING} & set(row)


def test_micro_batch_and_company_change_nothing() -> None:
    made = shooting()
    asked = asking(made, ASKED, OTHERS)
    whole = few_shot_options(made, asked)
    small = few_shot_options(dataclasses.replace(made, micro_batch=1), asked)
    for row, other, one in zip(whole, small, asked, strict=True):
        (alone,) = few_shot_options(made, [one])
        for twin in (other, alone):
            assert twin["logprob_few_shot"] == pytest.approx(row["logprob_few_shot"], abs=1e-4)


def test_where_no_example_fits_it_is_zero_shot() -> None:
    made = shooting(max_tokens=12)
    asked = asking(made, ASKED, OTHERS)
    assert {one.examples for one in asked} == {()}
    for row, bare in zip(few_shot_options(made, asked), weighed_rows(made, ASKED), strict=True):
        assert row["logprob_few_shot"] == pytest.approx(bare["logprob_direct"], abs=1e-4)
        assert row[ANSWERS] == bare["direct"]


@given(st.permutations(OTHERS), st.integers(1, 4), st.integers(0, 3), st.data())
def test_an_example_is_never_asked_nor_of_the_same_cluster(
    others: list[Problem], count: int, seed: int, data: st.DataObject
) -> None:
    """Whatever else is asked, in whatever order; and the draw hangs on problem and seed alone."""
    stories = data.draw(st.lists(st.sampled_from("xyz"), min_size=13, max_size=13))
    told = dict(zip([one.id for one in OTHERS], stories, strict=True))
    rest = [one.model_copy(update={"cluster": told[one.id]}) for one in others]
    asked = [one.model_copy(update={"cluster": "x"}) for one in ASKED]
    made = dataclasses.replace(shooting(count=count, max_tokens=1000), seed=seed)
    again = [one.model_copy(update={"id": f"{one.id}-again"}) for one in asked]
    found = asking(made, asked, [*again, *rest])
    turned = asking(made, asked[::-1], [*rest[::-1], *again])
    assert {o.problem.id: o.examples for o in found} == {o.problem.id: o.examples for o in turned}
    for one in found:
        able = [o for o in rest if o.benchmark == one.problem.benchmark and o.cluster != "x"]
        assert len({example.id for example in one.examples}) == min(count, len(able))
        assert all(example in able for example in one.examples)
    lost = fewer_examples(found, made.settings.shots)
    assert lost.count == sum(len(one.examples) < count for one in found)


@given(st.integers(12, 90))
def test_what_does_not_fit_is_left_out_whole_and_counted(limit: int) -> None:
    made = shooting(count=3, max_tokens=limit)
    asked = asking(made, ASKED, OTHERS)
    whole = asking(shooting(count=3, max_tokens=1000), ASKED, OTHERS)
    for one, full in zip(asked, whole, strict=True):
        kept = len(one.examples)
        assert one.examples == full.examples[:kept]
        assert max(map(len, one.contexts)) <= max(limit, made.settings.max_tokens)
        if kept < 3:
            head = len(shown(made.codec, full.examples[: kept + 1], made.settings.shots))
            texts = dict.fromkeys(context for context, _ in one.problem.weighed())
            assert head + max(len(made.codec.encode(text)) for text in texts) > limit
    assert fewer_examples(asked, made.settings.shots).count == sum(
        len(one.examples) < 3 for one in asked
    )


def test_those_that_a_benchmark_names_are_taken_alone(capsys: pytest.CaptureFixture[str]) -> None:
    named = [sums(n, role="example") for n in (8, 9)]
    spoilt = [
        sums(0, role="example").model_copy(update={"id": "same", "key": "another"}),
        sums(7, role="example").model_copy(update={"id": "keyed", "key": ASKED[1].key}),
        named[0].model_copy(update={"id": "twice"}),
    ]
    pools = option_pools(ASKED, [*ASKED, *OTHERS, *named, *spoilt], SHOTS, "evaluate@x")
    assert [one.id for one in pools["c"]] == ["c8", "c9"]
    assert [one.id for one in pools["n"]] == [f"n{n}" for n in range(1, 8)]
    said = capsys.readouterr().out
    assert "evaluate@x: benchmark c: 2 of 5 examples that it names may be examples: 2 are" in said
    assert "benchmark n: 7 of 7 problems of its own that are not asked may be examples: 0" in said
    with pytest.raises(ConfigError, match="too few examples: benchmark c: 1 of 3") as caught:
        option_pools(ASKED, [*OTHERS, named[0], *spoilt[:2]], SHOTS, "s")
    assert caught.value.where == "params.yaml, key evaluate.shots.count = 2"


def test_a_benchmark_with_too_few_others_is_asked_bare_and_counted() -> None:
    made = shooting(count=5)
    shots = made.settings.shots
    pools = option_pools(ASKED, [*ASKED, *OTHERS[:4], *OTHERS[6:]], shots, "s")
    assert [one.problem.id for one in ask_options(made, ASKED, pools)] == ["n0"]
    lost = {loss.name: loss for loss in without_examples(pools, ASKED, shots)}
    assert {name: (loss.count, loss.total) for name, loss in lost.items()} == {
        "fewer_examples/c": (2, 2),
        "fewer_examples/n": (0, 1),
    }
    assert not lost["fewer_examples/c"].bounded
    assert "4 others are at hand, and evaluate.shots.count = 5" in str(lost["fewer_examples/c"])


ROWS: list[dict[str, Any]] = [
    {"id": "a", "key": "a", "benchmark": "written", "examples": ["d1", "d2"],
     ANSWERS: [0, 0], THINKING: [1, 1], WORKING: [1, 0]},
    {"id": "b", "key": "b", "benchmark": "written", "examples": ["d1", "d2"],
     ANSWERS: [0, 1], THINKING: [1, 1], WORKING: [0, 0]},
    {"id": "c", "key": "c", "benchmark": "weighed", "examples": ["e1"], ANSWERS: [1],
     "logprob_few_shot": [-4.0, -3.0], "characters": [4, 2], "right": 1},
    {"id": "d", "key": "d", "benchmark": "weighed", "examples": [], ANSWERS: [0],
     "logprob_few_shot": [-3.0, -4.0], "characters": [1, 9], "right": 1},
]  # fmt: skip


def test_metrics_by_hand() -> None:
    made = {name: s.value() for name, s in few_shot_statistics(ROWS).items()}
    assert made["pass_at_1_few_shot"] == (0.25 + 0.5) / 2
    assert made["pass_at_1_few_shot/weighed"] == 0.5
    assert made["pass_at_1_few_shot_thinking"] == made["pass_at_1_few_shot_thinking/written"] == 1
    assert made["pass_at_1_few_shot_work"] == 0.25
    assert made["shots"] == (2 + 0.5) / 2
    assert (made["acc_few_shot"], made["acc_norm_few_shot"]) == (0.5, 0.5)
    assert "acc_few_shot/written" not in made
    assert not {name for name in made if name.startswith("pass_at_1_few_shot_work/weighed")}


def test_the_forms_to_choose_from_are_on_the_same_problems() -> None:
    forms = in_each_form(ROWS, "best")
    assert set(forms) == {"best", "best/written", "best/weighed"}
    assert [one.value() for one in forms["best"]] == [(0.25 + 0.5) / 2, (1 + 0.5) / 2, 0.375]
    assert [one.value() for one in forms["best/weighed"]] == [0.5] * len(FORMS)
    assert len({one.items for one in forms["best"]}) == 1
    assert in_each_form([], "best") == {}
