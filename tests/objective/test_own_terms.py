"""Functions of a user's own as reward terms, by their import path: found, or told what is wrong."""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rlp_core.errors import ConfigError, MissingInputError, PluginError, RewardTermError
from rlp_core.objective import reward_terms
from rlp_core.objective.config import ObjectiveConfig
from rlp_core.objective.reward_terms import get, label, measure
from tests.objective.test_reward_terms import THOUGHT

BREVITY = "def brevity(thought):\n    return -float(len(thought.tokens))\n"
_numbers = itertools.count()

Write = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a module of a name that no other test has; returns the name."""

    def put(text: str) -> str:
        name = f"own_terms_{next(_numbers)}"
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        return name

    return put


def test_a_function_is_found_and_measures(write: Write, tmp_path: Path) -> None:
    name = f"{write(BREVITY)}:brevity"
    assert measure(name, THOUGHT, str(tmp_path)) == -3
    assert label(name) == "brevity"
    assert get(name, str(tmp_path)).unit


def test_a_decorated_function_keeps_its_unit(write: Write, tmp_path: Path) -> None:
    text = "from rlp_core import reward_term\n\n\n@reward_term(unit='steps')\n" + BREVITY
    assert get(f"{write(text)}:brevity", str(tmp_path)).unit == "steps"


def test_a_module_may_lie_in_a_package_and_import_those_beside_it(
    write: Write, tmp_path: Path
) -> None:
    beside = write("WEIGHT = 4.0\n")
    package = tmp_path / f"own_package_{next(_numbers)}"
    package.mkdir()
    (package / "short.py").write_text(f"from {beside} import WEIGHT\ndef four(_): return WEIGHT\n")
    assert measure(f"{package.name}.short:four", THOUGHT, str(tmp_path)) == 4.0


def test_the_import_leaves_no_trace(write: Write, tmp_path: Path) -> None:
    """The folder is what the stage depends on; the path is the process's."""
    before = list(sys.path)
    name = write(BREVITY)
    get(f"{name}:brevity", str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == [f"{name}.py"]
    assert sys.path == before


def test_a_module_that_is_not_there_is_told_with_the_nearest(write: Write, tmp_path: Path) -> None:
    name = write(BREVITY)
    with pytest.raises(MissingInputError, match=f"did you mean `{name}`") as caught:
        get(f"{name}x:brevity", str(tmp_path))
    assert caught.value.where == str(tmp_path / f"{name}x.py")


def test_a_function_that_is_not_there_is_told_with_the_nearest(
    write: Write, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="did you mean `brevity`"):
        get(f"{write(BREVITY)}:brevty", str(tmp_path))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import no_such_module_at_all\n", "ModuleNotFoundError: No module named 'no_such"),
        ("def brevity(thought:\n", "SyntaxError"),
        ("x = 1 / 0\n", "ZeroDivisionError"),
        ("raise SystemExit(3)\n", "SystemExit: 3"),
        ("brevity = 0.5\n", "is no function of one thought"),
        ("def brevity(): return 0.5\n", r"is no function of one thought, but `brevity\(\)`"),
        (
            "def brevity(a, b): return 0.5\n",
            r"one thought, but `brevity\(a, b\)`",
        ),
        ("class brevity:\n    def __init__(self, thought): ...\n", "is no function of one"),
    ],
)
def test_a_file_that_does_not_import_or_fit_is_told_with_its_place(
    write: Write, tmp_path: Path, text: str, words: str
) -> None:
    name = write(text)
    with pytest.raises(PluginError, match=words) as caught:
        get(f"{name}:brevity", str(tmp_path))
    assert f"{name}.py" in caught.value.where
    assert "add-a-reward-term.md" in caught.value.fix


def test_a_module_that_another_one_hides_is_told(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text(BREVITY)
    with pytest.raises(PluginError, match="another module is called `json`") as caught:
        get("json:brevity", str(tmp_path))
    assert "another name" in caught.value.fix


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise KeyError('answer')", "raised KeyError: 'answer'"),
        ("return float('nan')", "gave nan, not a finite number"),
        ("return [0.5]", "gave a list"),
    ],
)
def test_a_function_that_raises_or_gives_no_number_is_told_with_term_and_folder(
    write: Write, tmp_path: Path, body: str, words: str
) -> None:
    name = f"{write(f'def brevity(thought): {body}')}:brevity"
    with pytest.raises(RewardTermError, match=words) as caught:
        measure(name, THOUGHT, str(tmp_path))
    assert name in caught.value.where
    assert str(tmp_path) in caught.value.where


@pytest.mark.parametrize("name", ["a:", ":b", "a b:c", "a:b:c", "../a:b", "a.py:b c", "a-b:c"])
def test_what_is_no_import_path_is_told_before_any_file_is_looked_for(name: str) -> None:
    with pytest.raises(ValueError, match="is no import path"):
        ObjectiveConfig(reward_terms={name: 1.0})


@pytest.mark.parametrize(
    "terms",
    [{"a:brevity": 1.0, "b:brevity": 1.0}, {"a:closed": 1.0}, {"a:std": 1.0}],
)
def test_two_terms_of_one_metric_are_told(terms: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="which is another metric"):
        ObjectiveConfig(reward_terms=terms)


@pytest.mark.parametrize("weight", [0.0, math.nan, math.inf])
def test_its_weight_is_a_number_other_than_0(weight: float) -> None:
    with pytest.raises(ValueError, match="a:brevity"):
        ObjectiveConfig(reward_terms={"a:brevity": weight})


def test_settings_take_it_beside_those_that_are_there() -> None:
    terms = {"a:brevity": -0.5, "closed": 1.0}
    assert ObjectiveConfig(reward_terms=terms).reward_terms == terms
    assert [name for name in terms if reward_terms.is_own(name)] == ["a:brevity"]
