"""Tasks of reasoning-gym: all are walked, and what the package leaves open is settled."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

pytest.importorskip("reasoning_gym", reason="the extra reasoning-gym is not installed")

from reasoning_gym.factory import DATASETS, create_dataset

from rlp_core.data.records import content_key
from rlp_core.environments import _reasoning_gym_process as process
from rlp_core.environments import _reasoning_gym_worker as worker
from rlp_core.environments import reasoning_gym
from rlp_core.environments._reasoning_gym_refused import TASKS_REFUSED
from rlp_core.environments.reasoning_gym import Item, ReasoningGym, ReasoningGymSettings
from rlp_core.errors import PluginError

WORLD = ReasoningGym("reasoning_gym")
TAKEN = sorted(set(DATASETS) - set(TASKS_REFUSED))
SLICES = 8
SLOW = {"codeio", "futoshiki", "knight_swap", "quantum_lock", "sokoban", "zebra_puzzles"}
"""Of these one item is enough."""
JUNK = (
    "-",
    "nan",
    "1e99999999",
    "(",
    "\x00",
    "<think>",
    "\u096f",
    "0x",
    "{}",
    "[[",
    "inf,",
    "9" * 999,
)
OPTIONS: dict[str, Any] = {"max_terms": 3, "min_terms": 3, "allow_negation": True}


def drawn(seed: int, task: str = "chain_sum", **options: Any) -> Item:
    return WORLD.sample(random.Random(seed), ReasoningGymSettings(task=task, options=options))


def faults(item: Item) -> list[str]:
    """What an item does not keep of a world's contract."""
    solution = WORLD.expert(item)
    document = WORLD.document(item, solution, worked=False)
    checks = {
        "its answer is wrong": WORLD.verify(item, solution.answer),
        "its answer is more than a line": len(solution.answer.splitlines()) == 1,
        "its question is not read": WORLD.read(WORLD.question(item)) == item,
        "its prompt is not read": WORLD.parse(WORLD.prompt(item)) == item,
        "its document is not read": WORLD.parse(document.text) == item,
        "nothing is right": not WORLD.verify(item, ""),
        "a megabyte is right": not WORLD.verify(item, "1" * 10**6),
    }
    told = [what for what, holds in checks.items() if not holds]
    return told + [f"{junk!r} is right" for junk in JUNK if WORLD.verify(item, junk)]


@pytest.mark.parametrize("part", range(SLICES))
def test_every_task_keeps_the_contract(part: int) -> None:
    found: dict[str, list[str]] = {}
    for task in TAKEN[part::SLICES]:
        for seed in range(1 if task in SLOW else 2):
            item = drawn(seed, task)
            found[f"{task} {item.number}"] = faults(item)
    assert len(found) > len(TAKEN) // SLICES
    assert {name: told for name, told in found.items() if told} == {}


def test_nearly_all_tasks_are_taken_and_the_rest_has_reasons() -> None:
    assert set(TASKS_REFUSED) < set(DATASETS)
    assert len(TAKEN) == 92
    assert len(DATASETS) == 106


@pytest.mark.parametrize("task", sorted(TASKS_REFUSED))
def test_a_task_that_is_left_out_is_refused_with_the_reason(task: str) -> None:
    with pytest.raises(ValidationError, match="is left out: it") as caught:
        ReasoningGymSettings(task=task)
    assert TASKS_REFUSED[task] in str(caught.value)
    assert WORLD.read(f"{task} 3: Do it.") is None


@pytest.mark.parametrize(
    ("task", "answer"), [("complex_arithmetic", "nan"), ("game_of_life_halting", "no word")]
)
def test_scorers_that_are_left_out_for_what_they_pay_do_pay_it(task: str, answer: str) -> None:
    dataset = create_dataset(task, seed=0, size=40)
    scores = [dataset.score_answer(answer, dataset[place]) for place in range(10)]
    assert 1.0 in scores


@pytest.mark.parametrize(
    "task", [task for task, why in TASKS_REFUSED.items() if "no answer of its own" in why]
)
def test_tasks_without_an_answer_have_none(task: str) -> None:
    assert create_dataset(task, seed=0, size=1)[0]["answer"] is None


@pytest.mark.parametrize("task", worker.SLOW_TO_MAKE)
def test_one_data_set_for_all_items_draws_what_one_for_each_does(task: str) -> None:
    for number in (7, 123_456, 7):
        _, entry = worker._item.__wrapped__(task, "{}", number)
        random.seed(number)
        own = create_dataset(task, seed=number, size=1)[0]
        assert (entry["question"], entry["answer"]) == (own["question"], own["answer"])


@pytest.mark.parametrize("task", worker.PYTHON_ANSWERS)
def test_no_answer_is_run_as_python(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RLP_WAS_RUN", raising=False)
    probe = "__import__('os').environ.__setitem__('RLP_WAS_RUN', '1')"
    dataset = create_dataset(task, seed=5, size=1)
    names = vars(sys.modules[type(dataset).__module__])
    monkeypatch.delitem(names, "eval", raising=False)
    dataset.score_answer(probe, dataset[0])
    assert os.environ.pop("RLP_WAS_RUN", None) == "1"  # the package by itself does run it
    worker._item.cache_clear()
    assert worker.score(task, {}, 5, probe) is False
    assert "RLP_WAS_RUN" not in os.environ


def test_the_same_items_whatever_python_hashes_with() -> None:
    script = (
        "from rlp_core import environments as e\n"
        "for task in ('isomorphic_strings', 'list_functions', 'ransom_note', 'word_ladder'):\n"
        "    print([e.shown('reasoning_gym', seed, {'task': task}).texts for seed in range(3)])"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", script],
            check=True,
            capture_output=True,
            text=True,
            env=os.environ | {"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    ]
    assert told[0] == told[1]
    assert told[0].count("\n") == 4


def test_items_of_other_seeds_are_others_and_equal_words_have_one_key() -> None:
    items = [drawn(seed) for seed in range(200)]
    assert len({item.number for item in items}) >= 198
    assert len({item.text for item in items}) >= 198
    one = drawn(1)
    other = Item(one.task, one.options, one.number + 1, one.text, one.answer)
    assert WORLD.question(one) != WORLD.question(other)
    assert content_key(WORLD.key(one)) == content_key(WORLD.key(other))


def test_part_of_the_credit_is_none() -> None:
    item = drawn(3, "leg_counting")
    dataset = create_dataset("leg_counting", seed=item.number, size=1)
    near = f"{item.answer} legs"
    assert 0 < dataset.score_answer(near, dataset[0]) < 1
    assert not WORLD.verify(item, near)
    assert WORLD.verify(item, f" {item.answer} ")


@given(st.text(alphabet="ab\n\\ n"))
def test_lines_are_written_on_one_and_read_back(text: str) -> None:
    line = reasoning_gym._line(text)
    assert "\n" not in line
    assert reasoning_gym._lines(line) == text


def test_an_answer_of_lines_is_verified_as_one_line() -> None:
    item = drawn(1, "binary_matrix")
    assert "\\n" in item.answer
    assert WORLD.verify(item, item.answer)
    assert not WORLD.verify(item, item.answer.replace("\\n", " "))


@given(st.integers(0, 10**6))
@settings(max_examples=10)
def test_options_stand_in_the_address(seed: int) -> None:
    item = drawn(seed, **OPTIONS)
    assert item.text.count("+") + item.text.count(" - ") == 2
    question = WORLD.question(item)
    assert question.startswith(
        f"chain_sum allow_negation=true max_terms=3 min_terms=3 {item.number}: "
    )
    assert WORLD.read(question) == item


@pytest.mark.parametrize(
    "change",
    [
        ("chain_sum", "chain_sun"),
        ("chain_sum", "countdown"),
        ("max_terms=3", "max_terms=0"),
        ("max_terms=3", "max_terms=x"),
        ("max_terms=3", "max_term=3"),
        ("max_terms=3", "max_terms=3.0"),
        (": ", ":"),
        (": ", "1: "),
        ("=", "= "),
        (" =", ""),
    ],
)
def test_what_no_item_asks_is_not_read(change: tuple[str, str]) -> None:
    question = WORLD.question(drawn(1, **OPTIONS))
    assert WORLD.read(question) is not None
    altered = question.replace(*change)
    assert altered != question
    assert WORLD.read(altered) is None
    assert WORLD.parse(f"Q: {altered}\nA:") is None


@pytest.mark.parametrize("text", ["", "a", "gcd 1", "gcd 1: ", "Q: gcd", "gcd a=b " * 10**5])
def test_other_texts_are_no_questions(text: str) -> None:
    assert WORLD.read(text) is None
    assert WORLD.parse(text) is None


def test_words_that_look_like_an_answer_do_not_end_the_question(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    item = Item("gcd", (), 5, "first\nA: one\nW: two", "7")
    monkeypatch.setattr(reasoning_gym, "_item", lambda *_: item)
    assert WORLD.parse(WORLD.prompt(item)) == item
    assert WORLD.parse("Q: gcd 5: first\nA:7\n") is None


@pytest.mark.parametrize(
    ("given_settings", "told"),
    [
        ({"task": "knight_knaves"}, "did you mean `knights_knaves`"),
        ({"worked": 0.5}, "reasoning-gym shows no steps"),
        ({"options": {"max_term": 3}}, "no option `max_term`; chain_sum has allow_negation"),
        ({"options": {"seed": 3}}, "no option `seed`"),
        ({"options": {"max_terms": "three"}}, "is like 6, not 'three'"),
        ({"options": {"max_terms": True}}, "is like 6, not True"),
        ({"options": {"max_terms": 0}}, "max_terms must be >= min_terms"),
        ({"options": {"max_terms": "a b"}}, "must be one word"),
        ({"options": {"max_terms": "3"}}, "must be one word"),
        ({"task": "basic_arithmetic", "options": {"operators": "x"}}, "is no number, word or"),
    ],
)
def test_impossible_settings_say_why(given_settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ReasoningGymSettings(**given_settings)
    assert told in str(caught.value)


def test_items_without_full_credit_are_not_drawn_and_do_not_draw_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # An empty answer is no answer: of short strings many have none.
    for seed in range(5):
        assert drawn(seed, "polynomial_equations", max_degree=2).answer
    monkeypatch.setattr(reasoning_gym, "_item", lambda *_: None)
    with pytest.raises(PluginError, match="100 items in a row have answers without full credit"):
        drawn(1)


def test_a_process_that_dies_is_told_and_started_again() -> None:
    process.ask("tasks")
    (running,) = process._started.values()
    running.kill()
    with pytest.raises(PluginError, match=r"its process ended with exit code -9") as caught:
        process.ask("draw", task="gcd", options={}, number=10**6)
    assert "task='gcd'" in caught.value.where
    assert len(process.ask("tasks")) == len(DATASETS)


def test_a_fault_of_the_package_is_told() -> None:
    with pytest.raises(PluginError, match="reasoning-gym failed: ValueError") as caught:
        process.ask("draw", task="no_task", options={}, number=1)
    assert "no_task" in caught.value.where


def test_steps_cannot_be_checked() -> None:
    item = drawn(1)
    assert WORLD.expert(item).steps == ()
    assert WORLD.check_step(item, "1+1=2") is None
