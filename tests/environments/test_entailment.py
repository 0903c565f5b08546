"""What follows from rules: this world, beside what every world is asked in `test_worlds`."""

import random
from collections import Counter, defaultdict
from itertools import product
from string import ascii_uppercase

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rlp_core.environments.entailment import (
    Entailment,
    EntailmentSettings,
    HornQuestion,
    HornRule,
)

WORLD = Entailment("entailment")
TEXT = "facts AC, rules AC>B CD>E B>F DE>G, reach F?"
EXAMPLE = WORLD.read(TEXT)


def drawn(seed: int, **settings: int) -> HornQuestion:
    return WORLD.sample(random.Random(seed), EntailmentSettings(**settings))


seeds = st.integers(0, 10**6)
questions = st.builds(
    lambda seed, depth, facts, premises, spare: drawn(
        seed, min_depth=1, max_depth=depth, facts=facts, premises=premises, spare=spare
    ),
    seeds,
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(1, 4),
    st.integers(0, 4),
)


@st.composite
def any_questions(draw: st.DrawFn) -> HornQuestion:
    """Facts and rules of any shape over five letters, rings among them."""
    letters = "ABCDE"
    bodies = st.sets(st.sampled_from(letters), min_size=1, max_size=3).map(
        lambda body: "".join(sorted(body))
    )
    rule = st.builds(HornRule, bodies, st.sampled_from(letters)).filter(
        lambda rule: rule.head not in rule.body
    )
    rules = draw(st.lists(rule, min_size=1, max_size=7, unique=True))
    named = sorted({letter for rule in rules for letter in rule.body + rule.head})
    asked = draw(st.sampled_from(named))
    others = [letter for letter in letters if letter != asked]
    facts = draw(st.sets(st.sampled_from(others), min_size=1, max_size=3))
    return HornQuestion("".join(sorted(facts)), tuple(rules), asked)


def consequences(question: HornQuestion) -> set[str]:
    """What is true in every model: all ways to call letters true or false are tried."""
    letters = sorted(
        {letter for rule in question.rules for letter in rule.body + rule.head}
        | set(question.facts)
    )
    common = set(letters)
    for truth in product((False, True), repeat=len(letters)):
        true = {letter for letter, value in zip(letters, truth, strict=True) if value}
        if set(question.facts) <= true and all(
            rule.head in true or not set(rule.body) <= true for rule in question.rules
        ):
            common &= true
    return common


small = st.one_of(
    any_questions(),
    st.builds(lambda seed, facts: drawn(seed, max_depth=2, facts=facts), seeds, st.integers(1, 3)),
)


@given(small)
def test_the_answer_is_what_all_models_say(question: HornQuestion) -> None:
    right = "yes" if question.asked in consequences(question) else "no"
    assert WORLD.expert(question).answer == right
    for answer in ("yes", "no", "Yes", "NO", "y", "yes no", "true", "yes.", question.asked):
        assert WORLD.verify(question, answer) == (answer == right)


@given(small)
def test_what_any_shape_asks_is_read_back(question: HornQuestion) -> None:
    assert WORLD.read(WORLD.question(question)) == question


@given(st.one_of(small, questions))
def test_each_step_gains_a_new_fact_from_those_before(question: HornQuestion) -> None:
    solution = WORLD.expert(question)
    known = set(question.facts)
    for step in solution.steps[:-1]:
        rule, _, gained = step.partition(" so ")
        body, _, head = rule.partition(">")
        assert HornRule(body, head) in question.rules
        assert set(body) <= known
        assert head == gained
        assert gained not in known
        assert question.asked not in known
        known.add(gained)
    found = question.asked in known
    assert solution.steps[-1] == f"{question.asked} {'' if found else 'not '}reached"
    assert solution.answer == ("yes" if found else "no")
    if not found:
        assert all(rule.head in known or not set(rule.body) <= known for rule in question.rules)


@given(small, st.data())
def test_a_step_holds_where_all_models_say_so(question: HornQuestion, data: st.DataObject) -> None:
    true = consequences(question)
    holding = {f"{r} so {r.head}" for r in question.rules if set(r.body) <= true}
    ends = {f"{letter} {no}reached" for letter in ascii_uppercase for no in ("", "not ")}
    holding.add(f"{question.asked} {'' if question.asked in true else 'not '}reached")
    said = [f"{r} so {letter}" for r in question.rules for letter in "ABCDE"]
    for step in {*holding, *ends, *said}:
        assert WORLD.check_step(question, step) is (step in holding)
    step = data.draw(st.sampled_from(sorted(holding)))
    at = data.draw(st.integers(0, len(step) - 1))
    for letter in "ABCDEZ> nso":
        for other in (step[:at] + letter + step[at + 1 :], step[:at] + letter + step[at:]):
            assert (WORLD.check_step(question, other) is True) == (other in holding)


@given(seeds, st.integers(1, 6), st.integers(1, 6), st.integers(1, 4), st.integers(0, 4))
def test_what_is_drawn_is_what_was_asked_for(
    seed: int, depth: int, facts: int, premises: int, spare: int
) -> None:
    question = drawn(
        seed, min_depth=depth, max_depth=depth, facts=facts, premises=premises, spare=spare
    )
    assert len(question.facts) == facts
    assert len(question.rules) == 2 * depth + spare
    assert max(len(rule.body) for rule in question.rules) <= premises
    assert len(WORLD.expert(question).steps) == depth + 1
    assert WORLD.read(WORLD.question(question)) == question


def features(question: HornQuestion) -> dict[str, int]:
    """What can be counted without following a rule."""
    heads = [rule for rule in question.rules if rule.head == question.asked]
    return {
        "rules": len(question.rules),
        "facts": len(question.facts),
        "characters": len(WORLD.question(question)) // 4,
        "premises": sum(len(rule.body) for rule in question.rules),
        "letters": len({letter for rule in question.rules for letter in str(rule)}),
        "rules for what is asked": len(heads),
        "their premises": sum(len(rule.body) for rule in heads),
        "rules from what is asked": sum(question.asked in rule.body for rule in question.rules),
        "place of the first": min(map(question.rules.index, heads)),
        "steps": len(WORLD.expert(question).steps),
    }


@pytest.mark.parametrize(
    "settings", [{}, {"facts": 1, "premises": 3, "spare": 2}, {"max_depth": 1}]
)
def test_half_of_the_answers_are_yes_whatever_can_be_counted(settings: dict[str, int]) -> None:
    seen: defaultdict[tuple[str, int], Counter[str]] = defaultdict(Counter)
    for seed in range(1500):
        question = drawn(seed, **settings)
        answer = WORLD.expert(question).answer
        for feature in features(question).items():
            seen[feature][answer] += 1
    frequent = {feature: c for feature, c in seen.items() if c.total() >= 150}
    assert len(frequent) >= len(features(drawn(0)))
    for feature, answers in frequent.items():  # more than four standard errors
        assert abs(answers["yes"] / answers.total() - 0.5) < 2.2 / answers.total() ** 0.5, feature


def test_the_answer_is_a_coin_over_the_same_rules() -> None:
    asked = defaultdict(set)
    for seed in range(3000):
        question = drawn(seed, max_depth=1, facts=1, premises=1, spare=0)
        names = dict(zip(dict.fromkeys(WORLD.question(question)[6:]), range(99), strict=False))
        shape = tuple((names[r.body], names[r.head]) for r in question.rules)
        asked[shape].add(WORLD.expert(question).answer)
    assert all(answers == {"yes", "no"} for answers in asked.values())


def test_the_settings_move_the_difficulty() -> None:
    def steps(**settings: int) -> float:
        return sum(len(WORLD.expert(drawn(seed, **settings)).steps) for seed in range(100)) / 100

    def length(**settings: int) -> float:
        return sum(len(WORLD.question(drawn(seed, **settings))) for seed in range(100)) / 100

    assert steps(max_depth=1) < steps() < steps(max_depth=6) < steps(min_depth=6, max_depth=6)
    assert length(premises=1) < length() < length(premises=4)
    assert length(facts=1) < length() < length(facts=6)
    assert length(spare=0) < length() < length(spare=4)


def test_questions_are_short_at_the_defaults() -> None:
    assert max(len(WORLD.question(drawn(seed))) for seed in range(300)) <= 62


def test_limits_of_settings_are_refused() -> None:
    with pytest.raises(ValidationError, match="`min_depth` must not exceed `max_depth`: lower it"):
        EntailmentSettings(min_depth=4)
    for wrong in ({"max_depth": 7}, {"facts": 0}, {"premises": 5}, {"spare": -1}, {"facts": 7}):
        with pytest.raises(ValidationError):
            EntailmentSettings(**wrong)


def test_the_order_of_rules_is_no_matter_to_the_split() -> None:
    one = WORLD.read(TEXT)
    other = WORLD.read("facts AC, rules B>F AC>B DE>G CD>E, reach F?")
    assert one is not None
    assert other is not None
    assert one != other
    assert WORLD.key(one) == WORLD.key(other)


def test_the_example_of_the_docstring() -> None:
    assert EXAMPLE is not None
    solution = WORLD.expert(EXAMPLE)
    assert solution.steps == ("AC>B so B", "B>F so F", "F reached")
    assert solution.answer == "yes"
    assert WORLD.check_step(EXAMPLE, "CD>E so E") is False
    assert WORLD.check_step(EXAMPLE, "F not reached") is False


@pytest.mark.parametrize(
    "question",
    [
        "",
        "facts AC, rules , reach F?",
        "facts , rules A>F, reach F?",
        "facts CA, rules A>F, reach F?",
        "facts AA, rules A>F, reach F?",
        "facts A, rules BA>F, reach F?",
        "facts A, rules BB>F, reach F?",
        "facts A, rules AF>F, reach F?",
        "facts A, rules A>F A>F, reach F?",
        "facts A, rules A>B, reach A?",
        "facts A, rules A>B, reach C?",
        "facts A, rules A>B, reach B",
        "facts A, rules A>B, reach B?\n",
        "facts A, rules A>B,  reach B?",
        "facts a, rules a>b, reach b?",
        "facts A, rules ABCDE>F, reach F?",
        "facts A, rules A>BC, reach B?",
        "facts A, rules A>B A>C, reach BC?",
        "path S.#/..G",
    ],
)
def test_what_is_no_question_is_not_read(question: str) -> None:
    assert WORLD.read(question) is None


@pytest.mark.parametrize(
    "text", ["facts A, rules " + "A>B " * 10**5, "A" * 10**6, "yes" * 10**6, "facts " * 10**5]
)
def test_a_megabyte_is_no_question_answer_or_step(text: str) -> None:
    assert EXAMPLE is not None
    assert WORLD.read(text) is None
    assert not WORLD.verify(EXAMPLE, text)
    assert WORLD.check_step(EXAMPLE, text) is None


@pytest.mark.parametrize("step", ["", "AC>B", "AC>B so", "AC>B so B ", "ac>b so b", "F reach", "F"])
def test_what_is_no_step_is_not_judged(step: str) -> None:
    assert EXAMPLE is not None
    assert WORLD.check_step(EXAMPLE, step) is None
