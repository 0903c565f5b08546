"""A world as a person meets it."""

from __future__ import annotations

import random

import pytest
from click.testing import CliRunner

from rlp_core import environments
from rlp_core.cli import main
from rlp_core.environments import Environment

SOLVED = environments.with_experts()


def said(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(main, ["worlds", *words])
    assert done.exit_code == code, done.output
    return done.output


def test_every_world_is_listed_with_what_it_is() -> None:
    lines = dict(line.split(maxsplit=1) for line in said("list").splitlines())
    assert set(environments.built_in()) <= set(lines)
    assert all(lines[name] == environments.summary(name) for name in environments.available())


@pytest.mark.parametrize("name", SOLVED)
def test_a_task_is_shown_with_its_expert(name: str) -> None:
    world = environments.get(name)
    assert isinstance(world, Environment)
    task = environments.shown(name, 3)
    drawn = world.sample(random.Random(3), task.settings)
    assert task.prompt == world.prompt(drawn)
    assert task.solution == world.expert(drawn)
    text = said("show", name, "--seed", "3")
    assert task.prompt in text
    assert all(f"  {step}\n" in text for step in task.solution.steps)
    assert f"  answer: {task.solution.answer}\n" in text
    assert all(one in text for one in task.texts)


def test_settings_are_those_that_are_given() -> None:
    told = said("show", "arithmetic", "--set", "min_terms=6", "--set", "max_terms=6")
    assert "min_terms=6, max_terms=6" in told
    assert told.count("=") >= 5
    assert "settings: none" in said("show", "occupations")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("arithmetc",), "did you mean `arithmetic`?"),
        (("arithmetic", "--set", "max_trems=3"), "did you mean `max_terms`?"),
        (("arithmetic", "--set", "max_terms=1"), "greater than or equal to 2"),
        (("arithmetic", "--set", "min_terms=5"), "`min_terms` must not exceed `max_terms`"),
        (("arithmetic", "--set", "max_terms"), "'max_terms' sets nothing"),
        (("arithmetic", "--set", "max_terms=[1"), "not a YAML value"),
    ],
)
def test_what_cannot_be_is_told(words: tuple[str, ...], told: str) -> None:
    done = CliRunner().invoke(main, ["worlds", "show", *words])
    assert done.exit_code != 0
    assert told in done.output
    assert "Traceback" not in done.output
