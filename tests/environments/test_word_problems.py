"""Word problems: the rules of this world, beside what every world is asked in `test_worlds`."""

import random
import re
from collections import Counter, defaultdict
from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rlp_core.environments.word_problems import (
    EVENTS,
    NAMES,
    OPENINGS,
    THINGS,
    Story,
    WordProblems,
    WordProblemsSettings,
)

WORLD = WordProblems("word_problems")
EXAMPLE = "Ann has 12 plums. Tom gives Ann 5. Eva has 3 more than Ann. How many plums has Eva now?"


def drawn(seed: int, **settings: int) -> Story:
    return WORLD.sample(random.Random(seed), WordProblemsSettings(**settings))


seeds = st.integers(0, 10**6)
stories = st.builds(
    lambda seed, low, more, largest: drawn(
        seed, min_steps=low, max_steps=min(low + more, 3), largest=largest
    ),
    seeds,
    st.integers(1, 3),
    st.integers(0, 2),
    st.sampled_from([10, 20, 100, 999]),
)


def played(question: str) -> tuple[list[Fraction], Fraction]:
    """Read by keywords and hands that hold things: all amounts on the way, and what is asked.

    Written apart from the templates: it knows verbs, who stands before and after them, and the last
    question, and holds what each person has.
    """
    *told, asked = re.split(r"(?<=[.?]) ", question)
    held: dict[str, Fraction] = {}
    known = ""
    amounts: list[Fraction] = []
    price = share = together = Fraction(0)
    for place, sentence in enumerate(told):
        words = sentence.rstrip(".").split()
        numbers = [Fraction(word) for word in words if word.isdigit()]
        people = [word for word in words if word in NAMES]
        first, last = people[0], people[-1]
        if place == 0:
            held[first], known = numbers[0] * (numbers[1] if len(numbers) > 1 else 1), first
        elif words[1] in ("gives", "sells", "sends") and first != last:
            held[first], held[last] = (
                held.get(first, 0) - numbers[0],
                held.get(last, 0) + numbers[0],
            )
        elif words[1] in ("gets", "takes", "buys"):
            held[first], held[last] = (
                held.get(first, 0) + numbers[0],
                held.get(last, 0) - numbers[0],
            )
        elif "than" in words or "match" in words:
            more, less = (first, last) if "than" in words else (last, first)
            if less == known:
                held[more], known = held[less] + numbers[0], more
            else:
                held[less], known = held[more] - numbers[0], less
        elif "times" in words:
            if last == known:
                held[first], known = held[last] * numbers[0], first
            else:
                held[last], known = held[first] / numbers[0], last
        elif "coins" in words:
            price = numbers[0] * held[known] if "each" in words else numbers[0] / held[known]
        elif "friends" in words:
            share = held[known] / numbers[0] if "share" in words else held[known] * numbers[0]
        elif "bags" in words:
            share = held[known] / numbers[0]
        elif "and" in words:
            together = numbers[0]
        elif first != known:
            held[first] = numbers[0]
        else:
            together = numbers[0]
        amounts.append(held[known])
    people = [word for word in re.findall("[A-Z][a-z]+", asked) if word in NAMES]
    if "coins" in asked:
        return amounts, price
    if "each" in asked or "bags" in asked or "all " in asked:
        return amounts, share
    if "more has" in asked:
        return amounts, held[people[0]] - held[people[1]]
    if "and" in asked:
        return amounts, held[people[0]] + held[people[1]]
    if together:
        return amounts, together - held[known]
    return amounts, held[people[0]]


@given(stories)
def test_the_answer_is_what_the_people_of_the_story_hold(story: Story) -> None:
    amounts, answer = played(WORLD.question(story))
    assert WORLD.expert(story).answer == str(answer)
    assert all(amount.denominator == 1 and amount >= 1 for amount in amounts)


@given(stories)
def test_steps_follow_from_numbers_of_the_story_and_values_before(story: Story) -> None:
    solution = WORLD.expert(story)
    numbers = Counter(re.findall("[0-9]+", WORLD.question(story)))
    for number, step in enumerate(solution.steps):
        left, right = re.split("[-+*/]", step.partition("=")[0])
        before = solution.steps[number - 1].partition("=")[2] if number else left
        assert before in (left, right)
        assert left == before or left in numbers
        assert right == before or right in numbers
    assert solution.steps[-1].endswith(f"={solution.answer}")


@given(stories, st.text("0123456789+-=; \n.a\u0663²", max_size=6))
def test_only_the_one_number_is_right(story: Story, answer: str) -> None:
    right = WORLD.expert(story).answer
    assert WORLD.verify(story, answer) == (answer.strip() == right)
    for near in range(max(0, int(right) - 10), int(right) + 11):
        assert WORLD.verify(story, str(near)) == (str(near) == right)
    assert not any(
        WORLD.verify(story, text) for text in (f"0{right}", f"{right}.0", f"-{right}", f"{right} x")
    )


@given(stories, st.data())
def test_a_corrupted_step_does_not_hold(story: Story, data: st.DataObject) -> None:
    steps = WORLD.expert(story).steps
    turned = {re.sub(r"(\d+)([+*])(\d+)=", r"\3\2\1=", step) for step in steps}
    step = data.draw(st.sampled_from(steps))
    at = data.draw(st.integers(0, len(step) - 1))
    for letter in "0123456789+-*/= x":
        for other in (step[:at] + letter + step[at + 1 :], step[:at] + letter + step[at:]):
            assert (WORLD.check_step(story, other) is True) == (other in turned | set(steps))


@given(seeds, st.integers(1, 3), st.integers(0, 2), st.integers(10, 999))
def test_what_is_drawn_is_what_was_asked_for(seed: int, low: int, more: int, largest: int) -> None:
    high = min(low + more, 3)
    story = drawn(seed, min_steps=low, max_steps=high, largest=largest)
    steps = WORLD.expert(story).steps
    assert low <= len(steps) <= high
    numbers = [int(n) for n in re.findall("[0-9]+", " ".join([WORLD.question(story), *steps]))]
    assert max(numbers) <= largest
    assert WORLD.read(WORLD.question(story)) == story


def test_the_settings_move_the_difficulty() -> None:
    def mean(what: str, **settings: int) -> float:
        solved = [WORLD.expert(drawn(seed, **settings)) for seed in range(100)]
        return sum(len(one.steps) if what == "steps" else int(one.answer) for one in solved) / 100

    assert mean("steps", max_steps=1) < mean("steps") < mean("steps", max_steps=3)
    assert mean("size", largest=10) < mean("size") < mean("size", largest=200)


def test_questions_are_short_at_the_defaults() -> None:
    assert max(len(WORLD.question(drawn(seed))) for seed in range(300)) <= 120


def test_each_operation_is_drawn_about_as_often() -> None:
    signs = Counter(
        re.sub("[0-9=]", "", WORLD.expert(drawn(s, max_steps=1)).steps[0]) for s in range(600)
    )
    assert set(signs) == set("+-*/")
    assert min(signs.values()) > 600 / 4 / 2


def texts() -> list[tuple[str, str]]:
    """Each sentence after the first, and each opening that counts, with its sign."""
    counted = [(opening, "*") for opening in OPENINGS if "{m}" in opening]
    return counted + [(text, doing[-2]) for text, doing in EVENTS.items()]


def test_no_word_tells_the_operation() -> None:
    signs = defaultdict(set)
    for text, sign in texts():
        for word in re.findall("[A-Za-z]+", re.sub("{.}", "", text)):
            signs[word].add(sign)
    assert len(signs) > 30
    assert [word for word, found in signs.items() if len(found) < 2] == []


def edits(one: list[str], other: list[str]) -> int:
    """Words to put in, take out or change, to make one text of another (Levenshtein)."""
    row = list(range(len(other) + 1))
    for i, word in enumerate(one, start=1):
        last, row[0] = row[0], i
        for j, against in enumerate(other, start=1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (word != against))
    return row[-1]


def test_sentences_of_different_operations_differ_in_two_words_at_least() -> None:
    pairs = [(a, b) for (a, s), (b, t) in combinations(texts(), 2) if s != t]
    assert [pair for pair in pairs if edits(pair[0].split(), pair[1].split()) < 2] == []


def test_who_and_what_are_no_matter_to_the_split() -> None:
    changed = EXAMPLE.replace("Ann", "Zoe").replace("Eva", "Ben").replace("plums", "cups")
    story, other = WORLD.read(EXAMPLE), WORLD.read(changed)
    assert story is not None
    assert other is not None
    assert story != other
    assert WORLD.key(story) == WORLD.key(other)
    less = WORLD.read(EXAMPLE.replace("5", "4"))
    assert less is not None
    assert WORLD.key(story) != WORLD.key(less)


def test_the_example_of_the_docstring() -> None:
    story = WORLD.read(EXAMPLE)
    assert story is not None
    assert WORLD.expert(story).steps == ("12+5=17", "17+3=20")
    assert WORLD.check_step(story, "5+12=17") is True
    assert WORLD.check_step(story, "12+3=15") is False


def test_limits_of_settings_are_refused() -> None:
    with pytest.raises(ValidationError, match="`min_steps` must not exceed `max_steps`: lower it"):
        WordProblemsSettings(min_steps=3, max_steps=2)
    for wrong in ({"max_steps": 4}, {"min_steps": 0}, {"largest": 9}, {"largest": 1000}):
        with pytest.raises(ValidationError):
            WordProblemsSettings(**wrong)


@pytest.mark.parametrize(
    "question",
    [
        "",
        "Ann has 12 plums.",
        "Ann has 12 plums. How many plums has Ann now?",
        "Ann has 1 plums. Tom gives Ann 5. How many plums has Ann now?",
        "Ann has 12 plums. Ann gives Tom 12. How many plums has Ann now?",
        "Ann has 12 plums. Ann gives Tom 11. Tom gives Ann 5. How many plums has Ann now?",
        "Ann has 12 plums. Ann gives Tom 13. How many plums has Ann now?",
        "Ann has 12 plums. Ann gives Ann 3. How many plums has Ann now?",
        "Ann has 12 plums. Tom gives Ann 3. Tom gives Ann 3. How many plums has Ann now?",
        "Ann has 12 plums. Tom gives Ann 5. How many pears has Ann now?",
        "Ann has 12 plums. Tom gives Ann 5. How many plums has Tom now?",
        "Ann has 12 plums. Tom gives Ann 05. How many plums has Ann now?",
        "Ann has 12 plums. Tom gives Eva 5. How many plums has Ann now?",
        "Ann has 12 plums. Tom gives Ann 5. How many plums has Ann now? ",
        "Ann has 12 plums. Tom gives Ann 5. How many plums has Ann now?\n",
        "Ann has 12 plums.  Tom gives Ann 5. How many plums has Ann now?",
        "Ann has 12 plums. Tom gives Ann 5.",
        "Ann has 12 plums. 5 friends share what Ann has. How many has each?",
        "Ann has 12 plums. 6 friends share what Tom has. How many has each?",
        "Ann has 12 plums. 6 friends each have what Ann has. How many have all 5?",
        "Ann has 12 plums. Ann needs 20. How many more is that? How many plums has Ann now?",
        "Ann has 12 plums. Ann needs 12. How many more is that?",
        "Ann has 12 plums. Ann needs 20. How many more is that? Tom gives Ann 5.",
        "Ann has 999 plums. Tom gives Ann 5. How many plums has Ann now?",
        "Ann has 50 plums in each of 20 bags. How many plums has Ann now?",
        "Bob has 12 plums. Tom gives Bob 5. How many plums has Bob now?",
        "Ann has 9 plums. Tom gives Ann 5. Eva gives Ann 5. Max gives Ann 5. Zoe gives Ann 5. "
        "How many plums has Ann now?",
        "path S.#/..G",
    ],
)
def test_what_is_no_story_is_not_read(question: str) -> None:
    assert WORLD.read(question) is None


@pytest.mark.parametrize("text", [EXAMPLE * 10**4, "Ann has " * 10**5, "9" * 10**6, " " * 10**6])
def test_a_megabyte_is_no_question_answer_or_step(text: str) -> None:
    story = drawn(1)
    assert WORLD.read(text) is None
    assert not WORLD.verify(story, text)
    assert WORLD.check_step(story, text) is None


@pytest.mark.parametrize(
    "step", ["", "3+4", "3^4=7", "03+4=7", "3+4=7 ", "1000+1=1001", "3+4=\u0667"]
)
def test_what_is_no_step_is_not_judged(step: str) -> None:
    assert WORLD.check_step(drawn(1), step) is None


def test_all_names_and_things_are_told_of() -> None:
    told = " ".join(WORLD.question(drawn(seed)) for seed in range(200))
    assert [word for word in (*NAMES, *THINGS) if word not in told] == []
