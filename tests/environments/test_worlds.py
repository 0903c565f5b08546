"""What every world must keep, whichever there are: each is found by the registry and asked."""

from __future__ import annotations

import os
import random
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core import environments
from rlp_core.environments import Environment, TextWorld

WORLDS = environments.available()
SOLVED = environments.with_experts()
TEXTS = [name for name in WORLDS if name not in SOLVED]
JUNK = ("", " ", "\n", "-", "nan", "1e99999999", "(", "\x00", "<think>", "\u096f", "9" * 100_000)


def environment(name: str) -> Environment:
    world = environments.get(name)
    assert isinstance(world, Environment)
    return world


def task_of(name: str, seed: int) -> object:
    world = environments.get(name)
    return world.sample(random.Random(seed), world.settings())


@given(st.sampled_from(WORLDS), st.integers(0, 10**9))
def test_equal_seeds_draw_equal_tasks(name: str, seed: int) -> None:
    world = environments.get(name)
    assert task_of(name, seed) == task_of(name, seed)
    assert world.key(task_of(name, seed)) == world.key(task_of(name, seed))


@given(st.sampled_from(SOLVED), st.integers(0, 10**9))
def test_the_expert_is_right_and_its_steps_hold(name: str, seed: int) -> None:
    world, task = environment(name), task_of(name, seed)
    solution = world.expert(task)
    assert world.verify(task, solution.answer)
    assert all(world.check_step(task, step) is True for step in solution.steps)
    assert [s for s in world.steps(world.thought(solution)) if world.check_step(task, s)] == list(
        solution.steps
    )


@given(st.sampled_from(SOLVED), st.integers(0, 10**9), st.sampled_from(JUNK))
def test_junk_is_wrong_and_no_error(name: str, seed: int, junk: str) -> None:
    world, task = environment(name), task_of(name, seed)
    assert not world.verify(task, junk)
    assert world.check_step(task, junk) is not True


@given(st.sampled_from(SOLVED), st.integers(0, 10**9), st.booleans())
def test_what_is_written_is_read_back(name: str, seed: int, worked: bool) -> None:
    world, task = environment(name), task_of(name, seed)
    solution = world.expert(task)
    made = world.document(task, solution, worked=worked)
    assert world.parse(made.text) == world.parse(world.prompt(task)) == task
    assert world.read(world.question(task)) == task
    assert made.text.endswith(world.continuation(solution))
    assert made.text.startswith(world.prompt(task)) is not worked
    assert (world.thought(solution) in made.text) is worked
    assert [world.verify(task, made.text[start:end]) for start, end in made.spans] == [True]


@given(st.sampled_from(TEXTS), st.integers(0, 10**9))
def test_a_text_world_writes_texts_that_differ(name: str, seed: int) -> None:
    world, task = environments.get(name), task_of(name, seed)
    assert isinstance(world, TextWorld)
    ways = [way.text for way in world.texts(task)]
    assert len(set(ways)) == len(ways) >= 1
    assert all(world.key(task) in way for way in ways)


def digests_of_tasks(hash_seed: str) -> str:
    script = (
        "import hashlib, random\nfrom rlp_core import environments as e\n"
        "for name in e.available():\n"
        "    tasks = [e.shown(name, seed) for seed in range(20)]\n"
        "    told = [(t.texts, t.prompt, t.solution) for t in tasks]\n"
        "    print(name, hashlib.sha256(repr(told).encode()).hexdigest())"
    )
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, env=environment
    )
    return done.stdout


def test_every_process_draws_the_same_tasks_whatever_it_hashes_with() -> None:
    found = digests_of_tasks("1")
    assert found == digests_of_tasks("2")
    assert [line.split()[0] for line in found.splitlines()] == WORLDS


def test_a_world_is_imported_when_it_is_asked_for_and_not_before() -> None:
    script = (
        "import sys, rlp_core.params\nfrom rlp_core import environments as e\n"
        "def loaded(): return {n for n in e.built_in() if f'{e.__name__}.{n}' in sys.modules}\n"
        "assert len(e.names()) >= 2 and loaded() == set(), loaded()\n"
        "e.get('arithmetic'); assert loaded() == {'arithmetic'}, loaded()"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("name", environments.built_in())
def test_every_class_says_what_it_is(name: str) -> None:
    assert environments.class_of(name).__doc__
