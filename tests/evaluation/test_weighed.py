"""Choices that are weighed, against slow scores of single texts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.evaluation.choosing import likeliest
from rlp_core.evaluation.evaluator import THOUGHTS
from rlp_core.evaluation.problem_rows import problem_rows
from rlp_core.evaluation.weighed import weighed_rows
from rlp_core.objective.reference import logprob
from rlp_core.rollout.rng import number_of
from tests import models
from tests.evaluation.samples import PROBLEMS, choice_problem, evaluator

PLAIN = choice_problem("p", "Q: 3+4\nA:", ["7", "12", "no idea"], "12")
OWN = choice_problem(
    "w",
    "So _ slept.",
    ["Ann", "Bob"],
    "Bob",
    contexts=["So Ann", "So Bob"],
    continuations=[" slept."] * 2,
)


def slow(tokens: list[int], start: int) -> float:
    model = models.model(6)
    places = range(start, len(tokens))
    return sum(logprob(model, tokens[:p], tokens[p], 1.0).item() for p in places)


def by_hand(problem, thoughts) -> list[float]:
    """log of the mean over thoughts of the probability of each choice."""
    codec, found = models.codec(), []
    for place, (context, text) in enumerate(problem.weighed()):
        head = codec.context(context)
        values = []
        for thought in thoughts(place):
            before = [*head, *thought]
            values.append(slow([*before, *codec.encode(text)], len(before)))
        found.append(float(np.logaddexp.reduce(values) - np.log(len(values))))
    return found


@pytest.mark.parametrize("problem", [PLAIN, OWN], ids=["one-context", "a-context-each"])
def test_choices_are_weighed_as_by_hand(problem):
    made = evaluator()
    row = weighed_rows(made, [problem])[0]
    codec, many = models.codec(), made.settings.samples
    texts = list(dict.fromkeys(context for context, _ in problem.weighed()))
    contexts = [codec.context(text) for text in texts]
    names = ["p"] if problem is PLAIN else ["w/0", "w/1"]
    drawn = made.think(contexts, [number_of(n) for n in names], many, 0.7, THOUGHTS)

    def thoughts(place):
        at = 0 if problem is PLAIN else place
        for k in range(at * many, (at + 1) * many):
            close = [] if drawn.stopped[k] else [codec.close_id]
            yield [*codec.opening, *drawn.tokens[k], *close]

    assert row["logprob_direct"] == pytest.approx(by_hand(problem, lambda _: [[]]), abs=1e-3)
    assert row["logprob_thinking"] == pytest.approx(by_hand(problem, thoughts), abs=1e-3)
    assert row["direct"] == [int(np.argmax(row["logprob_direct"]) == 1)]
    assert row["thinking"] == [int(np.argmax(row["logprob_thinking"]) == 1)]
    assert row["characters"] == [len(choice) for choice in problem.choices]
    assert row["direct_text"] == problem.choices[int(np.argmax(row["logprob_direct"]))]


def test_micro_batch_and_company_change_no_choice():
    alone = [weighed_rows(evaluator(), [one])[0] for one in (PLAIN, OWN)]
    for size in (1, 64):
        for row, other in zip(weighed_rows(evaluator(size), [PLAIN, OWN]), alone, strict=True):
            assert row["logprob_thinking"] == pytest.approx(other["logprob_thinking"], abs=1e-4)
            assert row["thought"] == other["thought"]


def test_written_and_weighed_problems_keep_their_order_and_say_what_they_are():
    asked = [PROBLEMS[0], PLAIN, PROBLEMS[1], OWN]
    rows = problem_rows(evaluator(), asked)
    assert [row["id"] for row in rows] == [one.id for one in asked]
    assert [row["options"] for row in rows] == [0, 3, 0, 2]
    assert [("logprob_direct" in row) for row in rows] == [False, True, False, True]
    assert rows[0]["group"] == "other"
    assert rows[0]["cluster"] == PROBLEMS[0].key
    assert (
        problem_rows(evaluator(), [choice_problem("x", "a", ["b", "c"], "b", cluster="k")])[0][
            "cluster"
        ]
        == "k"
    )


@given(
    st.lists(st.floats(-50, -0.1), min_size=2, max_size=5),
    st.data(),
)
def test_per_character_or_whole(logprobs, data):
    many = len(logprobs)
    lengths = data.draw(st.lists(st.integers(1, 30), min_size=many, max_size=many))
    assert logprobs[likeliest(logprobs, lengths, "acc")] == max(logprobs)
    taken = likeliest(logprobs, lengths, "acc_norm")
    each = [value / n for value, n in zip(logprobs, lengths, strict=True)]
    assert each[taken] == max(each)
    same = [lengths[0]] * len(logprobs)
    assert likeliest(logprobs, same, "acc_norm") == likeliest(logprobs, same, "acc")
