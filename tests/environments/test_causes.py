"""Causes of a machine's light: this world, beside what every world is asked in `test_worlds`."""

import random
from collections import Counter, defaultdict
from dataclasses import replace
from functools import cache
from itertools import chain, combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rlp_core.environments.causes import (
    ANSWERS,
    Causes,
    CausesSettings,
    MachineQuestion,
    MachineTrial,
)

WORLD = Causes("causes")
EXAMPLE = WORLD.read("AB lit, B dark, CD lit; AC?")


def drawn(seed: int, **settings: int) -> MachineQuestion:
    return WORLD.sample(random.Random(seed), CausesSettings(**settings))


def subsets(objects: str) -> list[str]:
    """All, the empty one too, in order."""
    sizes = range(len(objects) + 1)
    return ["".join(s) for s in chain.from_iterable(combinations(objects, n) for n in sizes)]


@st.composite
def any_questions(draw: st.DrawFn) -> MachineQuestion:
    """Trials of any shape over five objects, lit by causes that are drawn too."""
    causes = draw(st.sampled_from(subsets("ABCDE")))
    some = st.sampled_from(subsets("ABCDE")[1:])
    tried = draw(st.lists(some, min_size=1, max_size=6, unique=True))
    trials = tuple(MachineTrial(objects, bool(set(objects) & set(causes))) for objects in tried)
    named = "".join(sorted(set("".join(tried))))
    return MachineQuestion(trials, draw(st.sampled_from(subsets(named)[1:])))


seeds = st.integers(0, 10**6)
questions = st.one_of(
    any_questions(),
    st.builds(
        lambda seed, more, together, asked: drawn(
            seed, objects=asked + 2 + more, together=together, asked=asked
        ),
        seeds,
        st.integers(0, 3),
        st.integers(2, 4),
        st.integers(1, 4),
    ),
)


def hypotheses(question: MachineQuestion) -> list[set[str]]:
    """All sets of causes that fit every trial."""
    return fitting(question.trials)


@cache
def fitting(trials: tuple[MachineTrial, ...]) -> list[set[str]]:
    tried = "".join(sorted(set("".join(trial.objects for trial in trials))))
    return [
        set(causes)
        for causes in subsets(tried)
        if all(bool(set(t.objects) & set(causes)) is t.lit for t in trials)
    ]


def judged(question: MachineQuestion) -> str:
    """What all causes that fit say of what is asked."""
    said = {bool(causes & set(question.asked)) for causes in hypotheses(question)}
    return "unknown" if len(said) > 1 else "yes" if True in said else "no"


@given(questions)
def test_the_answer_is_what_all_hypotheses_say(question: MachineQuestion) -> None:
    right = judged(question)
    assert WORLD.expert(question).answer == right
    for answer in (*ANSWERS, "Yes", "NO", "maybe", "yes no", "unknown.", question.asked):
        assert WORLD.verify(question, answer) == (answer == right)


@given(questions)
def test_what_any_shape_asks_is_read_back(question: MachineQuestion) -> None:
    assert WORLD.read(WORLD.question(question)) == question


@given(questions)
def test_the_steps_alone_lead_to_the_answer(question: MachineQuestion) -> None:
    *steps, end = WORLD.expert(question).steps
    out, left = set[str](), []
    for step in steps:
        if step.startswith("not "):
            out |= set(step.removeprefix("not "))
        else:
            objects, _, causes = step.partition(" leaves ")
            assert set(causes) == set(objects) - out
            left.append(set(causes))
    asked = set(question.asked)
    answer = "unknown" if asked - out else "no"
    if any(causes <= asked for causes in left):
        answer = "yes"
    assert end.endswith(f" so {answer}")
    assert WORLD.expert(question).answer == answer


def holds(question: MachineQuestion, step: str) -> bool:
    """Whether all hypotheses say so, of a step that is of the grammar."""
    tried = set("".join(trial.objects for trial in question.trials))
    maybe = set[str]().union(*hypotheses(question))
    words = step.split()
    if words[0] == "not":
        return list(words[1]) == sorted(set(words[1])) and set(words[1]) <= tried - maybe
    if words[1] == "leaves":
        lit = words[0] in {trial.objects for trial in question.trials if trial.lit}
        return lit and words[2] == "".join(sorted(set(words[0]) & maybe))
    if words[0] != question.asked or words[-1] != judged(question):
        return False
    left = {"".join(sorted(set(t.objects) & maybe)) for t in question.trials if t.lit}
    rest = "".join(sorted(set(question.asked) & maybe))
    return {
        "no": words[2] == "none",
        "yes": words[2] in left and set(words[2]) <= set(question.asked),
        "unknown": words[-3] == rest,
    }[words[-1]]


@given(questions)
def test_a_step_holds_where_all_hypotheses_say_so(question: MachineQuestion) -> None:
    some = subsets("".join(sorted(set(question.asked)))) + [t.objects for t in question.trials]
    said = [f"not {objects}" for objects in some[1:]]
    said += [f"{t.objects} leaves {objects}" for t in question.trials for objects in some[1:]]
    for asked in {question.asked, *some[1:4]} - {""}:
        said += [f"{asked} has {objects} so yes" for objects in some[1:]]
        said += [f"{asked} may have {objects} so unknown" for objects in some[1:]]
        said.append(f"{asked} has none so no")
    for step in said:
        assert WORLD.check_step(question, step) is holds(question, step), step


@given(questions, st.data())
def test_a_corrupted_step_does_not_hold(question: MachineQuestion, data: st.DataObject) -> None:
    step = data.draw(st.sampled_from(WORLD.expert(question).steps))
    at = data.draw(st.integers(0, len(step) - 1))
    for letter in "ABCDEZ no":
        for other in (step[:at] + letter + step[at + 1 :], step[:at] + letter + step[at:]):
            verdict = WORLD.check_step(question, other)
            assert verdict is None or verdict is holds(question, other)
    swapped = {"yes": "no", "no": "unknown", "unknown": "yes", "has": "may have", "may": "can"}
    for word, wrong in swapped.items():
        other = " ".join(wrong if piece == word else piece for piece in step.split())
        assert other == step or not WORLD.check_step(question, other)


@given(seeds, st.integers(0, 4), st.integers(2, 4), st.integers(1, 4))
def test_what_is_drawn_is_what_was_asked_for(
    seed: int, more: int, together: int, asked: int
) -> None:
    question = drawn(seed, objects=asked + 2 + more, together=together, asked=asked)
    assert len(set("".join(trial.objects for trial in question.trials))) == asked + 2 + more
    assert max(len(trial.objects) for trial in question.trials) <= together
    assert 1 <= len(question.asked) <= asked
    assert WORLD.read(WORLD.question(question)) == question


@pytest.mark.parametrize(
    "settings", [{}, {"objects": 3, "asked": 1}, {"objects": 8, "together": 4}]
)
def test_a_third_of_the_answers_is_each_whatever_can_be_counted(settings: dict[str, int]) -> None:
    seen: defaultdict[tuple[str, int], Counter[str]] = defaultdict(Counter)
    for seed in range(1200):
        question = drawn(seed, **settings)
        counted = {
            "asked": len(question.asked),
            "trials": len(question.trials),
            "dark": sum(not trial.lit for trial in question.trials),
            "characters": len(WORLD.question(question)) // 4,
            "first lit": int(question.trials[0].lit),
            "largest": max(len(trial.objects) for trial in question.trials),
        }
        for feature in counted.items():
            seen[feature][WORLD.expert(question).answer] += 1
    frequent = {feature: c for feature, c in seen.items() if c.total() >= 150}
    assert len(frequent) >= 6
    for feature, answers in frequent.items():  # more than four standard errors
        for answer in ANSWERS:
            share = answers[answer] / answers.total()
            assert abs(share - 1 / 3) < 2 / answers.total() ** 0.5, (feature, answer)


@given(seeds, st.integers(3, 7), st.integers(1, 4))
def test_every_set_of_trials_can_be_asked_for_each_answer(
    seed: int, objects: int, asked: int
) -> None:
    question = drawn(seed, objects=objects, asked=min(asked, objects - 2))
    tried = "".join(sorted(set("".join(trial.objects for trial in question.trials))))
    others = [some for some in subsets(tried) if len(some) == len(question.asked)]
    assert {judged(replace(question, asked=some)) for some in others} == set(ANSWERS)


def test_a_cause_may_be_known_without_being_named() -> None:
    question = WORLD.read("ABC lit, A dark; BC?")
    assert question is not None
    assert WORLD.expert(question).steps == ("not A", "ABC leaves BC", "BC has BC so yes")


def test_the_settings_move_the_difficulty() -> None:
    def steps(**settings: int) -> float:
        return sum(len(WORLD.expert(drawn(seed, **settings)).steps) for seed in range(150)) / 150

    assert steps(objects=4) < steps() < steps(objects=10)
    assert steps(objects=8, together=4) < steps(objects=8)

    def asked(count: int) -> float:
        return sum(len(drawn(seed, asked=count).asked) for seed in range(150)) / 150

    assert asked(1) < asked(2) < asked(4)


def test_questions_are_short_at_the_defaults() -> None:
    assert max(len(WORLD.question(drawn(seed))) for seed in range(300)) <= 60


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"objects": 3}, "3 objects are too few to ask about 2, which needs 4: raise `objects`"),
        ({"objects": 5, "asked": 4}, "5 objects are too few to ask about 4, which needs 6"),
        ({"objects": 2, "asked": 1}, "greater than or equal to 3"),
        ({"objects": 11}, "less than or equal to 10"),
        ({"together": 1}, "greater than or equal to 2"),
        ({"asked": 0}, "greater than or equal to 1"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        CausesSettings(**settings)


def test_the_order_of_trials_is_no_matter_to_the_split() -> None:
    one, other = EXAMPLE, WORLD.read("CD lit, AB lit, B dark; AC?")
    assert one is not None
    assert other is not None
    assert one != other
    assert WORLD.key(one) == WORLD.key(other)


def test_the_example_of_the_docstring() -> None:
    assert EXAMPLE is not None
    solution = WORLD.expert(EXAMPLE)
    assert solution.steps == ("not B", "AB leaves A", "AC has A so yes")
    assert solution.answer == "yes"
    assert WORLD.check_step(EXAMPLE, "CD leaves C") is False


@pytest.mark.parametrize(
    "question",
    [
        "",
        "; A?",
        "A lit; B?",
        "A lit; AA?",
        "A lit; a?",
        "A lit, A dark; A?",
        "AB lit, A dark, B dark; A?",
        "A lit, A lit; A?",
        "BA lit; A?",
        "AB lit; BA?",
        "AA lit; A?",
        "A lit; ?",
        "A lit; A",
        "A lit; A?\n",
        "A lit,B dark; A?",
        "A Lit; A?",
        "A on; A?",
        "path S.#/..G",
    ],
)
def test_what_is_no_question_is_not_read(question: str) -> None:
    assert WORLD.read(question) is None


@pytest.mark.parametrize(
    "text", ["A lit, " * 10**5 + "A lit; A?", "A" * 10**6, "yes" * 10**6, "not A" * 10**5]
)
def test_a_megabyte_is_no_question_answer_or_step(text: str) -> None:
    assert EXAMPLE is not None
    assert WORLD.read(text) is None
    assert not WORLD.verify(EXAMPLE, text)
    assert WORLD.check_step(EXAMPLE, text) is None


@pytest.mark.parametrize(
    "step", ["", "not", "not a", "AB leaves", "AB leaves none", "AC has A", "AC has A so no", "AC"]
)
def test_what_is_no_step_is_not_judged(step: str) -> None:
    assert EXAMPLE is not None
    assert WORLD.check_step(EXAMPLE, step) is None
