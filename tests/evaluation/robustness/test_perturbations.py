"""Whatever a perturbation does, the right answer stays right: properties, by other code."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlp_core.data.files import read_rows
from rlp_core.data.opening import Form
from rlp_core.data.records import Problem
from rlp_core.errors import ConfigError, PluginError
from rlp_core.evaluation import robustness
from rlp_core.evaluation.config import Robustness
from rlp_core.evaluation.perturbed import perturbed
from rlp_core.evaluation.robustness import _lists
from rlp_core.evaluation.robustness._needs import MET
from rlp_core.evaluation.robustness._perturbation import Perturbation
from rlp_core.evaluation.robustness._question import Question
from rlp_core.evaluation.robustness._sentences import Sentences, premises
from tests.evaluation.robustness.questions import (
    ARITHMETIC,
    CITIES,
    SYNONYMS,
    TOM,
    anything,
    problems,
    story,
)

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
NAMES = robustness.built_in()
ANY = problems() | anything()
SEEDS = st.integers(0, 50)
SPOILING = ("typo", "adjacent_swap")  # they draw in what they call
every = pytest.mark.parametrize("name", NAMES)
quick = settings(max_examples=60, deadline=None)


def both(problem: Problem, name: str, seed: int = 1) -> tuple[str, str] | None:
    """The body before and after; None where the perturbation does not apply."""
    made = perturbed(problem, name, seed)
    question = Question.of(problem)
    if made is None:
        return None
    rest = made.prompt[len(question.head) :]
    return question.body, rest[: len(rest) - len(question.tail)]


def test_there_are_those_that_were_asked_for() -> None:
    assert set(NAMES) >= {
        "adjacent_swap",
        "irrelevant_number",
        "irrelevant_sentence",
        "letter_case",
        "renamed_entities",
        "reordered_premises",
        "spacing",
        "synonyms",
        "typo",
    }
    assert all(robustness.get(name).keeps_answer for name in NAMES)


@every
@quick
@given(ANY, SEEDS)
def test_the_form_numbers_and_all_but_the_prompt_stay(
    name: str, problem: Problem, seed: int
) -> None:
    made = perturbed(problem, name, seed)
    if made is None:
        return
    assert made.model_copy(update={"prompt": problem.prompt}) == problem
    head = re.match(r"(Q|Question): ", problem.prompt)
    tail = re.search(r"(\n\([A-C]\) .*)*(\s(A|Answer):\s*)?\Z", problem.prompt)
    if head and Question.of(problem).head:
        assert made.prompt.startswith(head[0])
    if tail and problem.choices:
        assert made.prompt.endswith(tail[0])
    old, new = (re.findall(r"\d+", text) for text in (problem.prompt, made.prompt))
    if name == "irrelevant_number":
        assert sum((Counter(new) - Counter(old)).values()) == 1
        [other] = Counter(new) - Counter(old)
        assert other not in re.findall(r"\d+", problem.answer + " ".join(problem.choices))
        assert [n for n in new if n != other] == old
    elif name == "reordered_premises":
        assert sorted(new) == sorted(old)
    else:
        assert new == old
    before, after = (
        re.findall(r"\b(?:not|four|seven|twice|all)\b", text.casefold())
        for text in (problem.prompt, made.prompt)
    )
    assert sorted(before) == sorted(after)


@every
@quick
@given(ANY, SEEDS)
def test_it_applies_only_where_its_need_is_met_and_then_changes_the_text(
    name: str, problem: Problem, seed: int
) -> None:
    made = perturbed(problem, name, seed)
    met = MET[robustness.get(name).needs](Question.of(problem))
    assert met or made is None
    if made is not None:
        assert made.prompt != problem.prompt
    assert perturbed(problem, name, seed) == made


@every
def test_a_text_depends_on_seed_perturbation_and_problem(name: str) -> None:
    text = "Q: " + "Tom has 3 big yellow boats. Emily has four slow green boats. " * 2
    asked = [
        story(f"{text}Ryan is {i} years old. How many boats are there?\nA:", name=f"p{i}")
        for i in range(12)
    ]
    first = [perturbed(problem, name, 1) for problem in asked]
    again = [perturbed(problem, name, 1) for problem in reversed(asked)]
    assert first == again[::-1]
    if "rng." in inspect.getsource(robustness.get(name).function) or name in SPOILING:
        assert first != [perturbed(problem, name, 2) for problem in asked]
    same = [perturbed(p.model_copy(update={"id": "x"}), name, 1) for p in asked]
    assert None not in first + same


@pytest.mark.parametrize("name", ["typo", "adjacent_swap"])
@quick
@given(problem=ANY, seed=SEEDS)
def test_words_are_spoilt_by_one_letter_or_two(name: str, problem: Problem, seed: int) -> None:
    pair = both(problem, name, seed)
    if pair is None:
        return
    old, new = (re.findall(r"[A-Za-z]+|[^A-Za-z]+", text) for text in pair)
    changed = [(a, b) for a, b in zip(old, new, strict=True) if a != b]
    assert changed
    for before, after in changed:
        assert len(before) == len(after) >= 4
        assert before.islower()
        assert before[0] == after[0]
        wrong = [i for i, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
        if name == "typo":
            assert len(wrong) == 1
        else:
            assert wrong == [wrong[0], wrong[0] + 1]
            assert sorted(before) == sorted(after)
        assert after not in problem.prompt.lower().split()
    assert len(changed) <= max(1, round(0.1 * len(re.findall(r"[A-Za-z]{4,}", pair[0]))))


@quick
@given(ANY, SEEDS)
def test_spacing_case_synonyms_and_names_can_be_taken_back(problem: Problem, seed: int) -> None:
    if pair := both(problem, "spacing", seed):
        assert pair[0].split() == pair[1].split()
        assert len(pair[1]) > len(pair[0])
    if pair := both(problem, "letter_case", seed):
        assert pair[0].casefold() == pair[1].casefold()
    if pair := both(problem, "synonyms", seed):
        words = [re.findall(r"[a-z]+", text) for text in pair]
        changed = {(a, b) for a, b in zip(*words, strict=True) if a != b}
        assert changed <= set(SYNONYMS.items())
        assert not {other for _, other in changed} & set(words[0])
    if pair := both(problem, "renamed_entities", seed):
        words = [re.findall(r"\w+", text) for text in pair]
        renamed = {a: b for a, b in zip(*words, strict=True) if a != b}
        assert [renamed.get(word, word) for word in words[0]] == words[1]
        assert len(set(renamed.values())) == len(renamed)
        assert not set(renamed.values()) & set(words[0])
        for name, other in renamed.items():
            assert [group for group in _lists.names() if name in group and other in group]


@quick
@given(ANY, SEEDS)
def test_what_is_inserted_is_one_sentence_of_the_list(problem: Problem, seed: int) -> None:
    for name, kind in (
        ("irrelevant_sentence", "sentences"),
        ("irrelevant_number", "number_sentences"),
    ):
        if pair := both(problem, name, seed):
            listed = "|".join(
                re.escape(s).replace(r"\{number\}", r"\d+") for s in _lists.sentences(kind)
            )
            assert re.subn(rf"(?:{listed}) ", "", pair[1], count=1) == (pair[0], 1)


@quick
@given(ANY, SEEDS)
def test_premises_change_places_and_the_question_does_not(problem: Problem, seed: int) -> None:
    if pair := both(problem, "reordered_premises", seed):
        old, new = (Sentences.of(text).parts for text in pair)
        count = premises(Question.of(problem))
        assert sorted(old[:count]) == sorted(new[:count])
        assert old[:count] != new[:count]
        assert old[count:] == new[count:]
        assert count < len(old)


@pytest.mark.parametrize(
    "text",
    [
        "Tom has 5 apples. He eats 2 of them. How many are there?",
        "Tom has 5 apples. Emily gives Tom 4 apples. How many are there?",
        "Sean has 55 blocks . 29 are blue . How many blocks are red ?",
        "A car is as fast as a bus. A bus is at half that speed. How fast is the car?",
        "Tom has 5 apples. Emily has 24. How many apples are there?",
        "Tom has 5 apples. Emily has 3 more. How many apples are there?",
        "Take 3 steps. Turn around. Take 3 steps. Is this the starting point?",
        "Alice has a red ball. Bob has a blue ball. Alice and Bob swap balls. Who has red?",
        "Tom has 5 apples. Emily has 2 apples. How many does he have?",
        "A cat is 3 years old. A dog is of the same age. How old is the dog?",
        "Tom had 5 apples. Emily had 4 apples. How many were there?",
        "Tom has 5 apples. How many apples are there?",
    ],
)
def test_premises_that_lean_or_tell_of_events_stay(text: str) -> None:
    assert perturbed(story(f"Q: {text}\nA:"), "reordered_premises", 1) is None


@pytest.mark.parametrize(
    "text",
    [
        "Tom has 5 apples. Emily has 3 more apples than Tom. How many apples are there?",
        "The red book is to the left of the blue book. The blue book is heavy. What is left of it?"
        .replace("What is left of it?", "Which book is heavy?"),
        "All eels are fish. No fish are plants. If people eat eels, then they eat fish.\n"
        "Conclusion: No eels are plants.",
    ],
)  # fmt: skip
def test_premises_that_stand_alone_move(text: str) -> None:
    assert perturbed(story(f"{text}\nA:", "True"), "reordered_premises", 1) is not None


@pytest.mark.parametrize(
    "text",
    [
        "Michael Jackson sang. Was Michael Jackson tall?",
        "It was long ago. Who was the wife of Henry VIII?",
        "Alice in Wonderland is a book. Who wrote Alice in Wonderland? The Alice Springs?",
        "Is Kevin a rare name?",
        "Tim and Timothy play. Is Tim tall?",
        "There was a king. Was King Henry tall?",
        "Ben & Jerry make ice. Is it good?",
        "There was a man. Was John the Baptist tall?",
    ],
)
def test_names_that_may_be_what_is_asked_stay(text: str) -> None:
    assert perturbed(story(f"Q: {text}\nA:"), "renamed_entities", 1) is None


def test_a_name_that_is_a_choice_or_the_answer_stays() -> None:
    text = "Q: Tom met Ryan. Ryan was late. Who was late?\nA:"
    made = perturbed(story(text, "Ryan"), "renamed_entities", 1)
    assert made is not None
    assert "Tom" not in made.prompt
    assert made.prompt.count("Ryan") == 2
    assert perturbed(story(text, "Ryan", ("Tom", "Ryan")), "renamed_entities", 1) is None


def test_examples_of_what_is_left_out() -> None:
    applied = {n for n in NAMES if perturbed(ARITHMETIC, n, 1)}
    assert applied == {"irrelevant_number", "irrelevant_sentence"}
    for name in ("typo", "letter_case", "spacing"):
        made = perturbed(CITIES, name, 1)
        assert made is not None
        assert made.prompt.endswith("?\n(A) New York\n(B) Port Said\nA:")
    assert perturbed(TOM, "reordered_premises", 1) is not None


def _own(function: object, **declared: object) -> Perturbation:
    known = {"needs": "a text", "keeps_answer": True} | declared
    return Perturbation(function, **known)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda question, _: question.body.replace("3", "4"), "rests on"),
        (lambda question, _: question.body.replace("four", "many"), "rests on"),
        (lambda question, _: question.body + " Not.", "rests on"),
        (lambda question, _: question.body + " 8", "rests on"),
        (lambda question, _: " ".join(reversed(question.body.split())), "rests on"),
        (lambda *_: 1 / 0, "raised ZeroDivisionError"),
    ],
)
def test_one_that_touches_what_the_answer_rests_on_is_named(
    function: object, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(robustness, "get", lambda _: _own(function))
    with pytest.raises(PluginError, match=said):
        perturbed(TOM, "typo", 1)


def test_names_are_checked_with_the_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="no perturbation is called 'typos'") as caught:
        robustness.get("typos")
    assert "typo" in caught.value.fix
    with pytest.raises(ValueError, match="no perturbation is called 'typos'"):
        Robustness(perturbations=("typos",))
    with pytest.raises(ValueError, match="named twice: typo"):
        Robustness(perturbations=("typo", "typo"))
    monkeypatch.setattr(robustness, "get", lambda _: _own(len, keeps_answer=False))
    with pytest.raises(ValueError, match="changes the right answer"):
        Robustness(perturbations=("typo",))


def test_lists_hold_together() -> None:
    for word, other in SYNONYMS.items():
        assert word.islower()
        assert other.islower()
        assert (word[0] in "aeiou") == (other[0] in "aeiou")
        fixed = _lists.words("number_words") | _lists.words("logic_words")
        assert not {word, other} & fixed
    men, women = map(set, _lists.names())
    assert not men & women
    assert min(len(men), len(women)) > 20
    assert all(s.count("{number}") == 1 for s in _lists.sentences("number_sentences"))
    assert not any(re.search(r"\d", s) for s in _lists.sentences("sentences"))


@pytest.mark.skipif(not SHARED.is_dir(), reason="no ../shared/data")
def test_real_questions_keep_what_their_answers_rest_on() -> None:
    """None raises, and each applies to what it is for."""
    rows = list(read_rows(SHARED / "gsm8k" / "test.jsonl.gz", Form(10**6)))[:80]
    asked = [
        story(f"Q: {row.fields['question']}\nA:", str(row.fields["answer"]).split("#### ")[1],
              name=str(row.number)) for row in rows
    ]  # fmt: skip
    rows = list(read_rows(SHARED / "folio" / "train.jsonl.gz", Form(10**6)))[:80]
    logic = [
        story(f"{' '.join(row.fields['premises'])}\nConclusion: {row.fields['conclusion']}\nA:",
              str(row.fields["label"]), name=str(row.number)) for row in rows
    ]  # fmt: skip
    for problems_of, least in ((asked, {"renamed_entities": 10, "synonyms": 20}),
                               (logic, {"reordered_premises": 10})):  # fmt: skip
        for name in NAMES:
            made = [perturbed(problem, name, 1) for problem in problems_of]
            assert sum(one is not None for one in made) >= least.get(name, 0), name
    for name in ("typo", "adjacent_swap", "letter_case", "spacing", "irrelevant_sentence"):
        assert all(perturbed(problem, name, 1) for problem in asked)
