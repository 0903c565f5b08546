"""How worlds are found, and what a file that keeps no protocol is told."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from click.testing import CliRunner

from rlp_core import environments, registry
from rlp_core.cli import main
from rlp_core.data import procedural
from rlp_core.data.procedural_config import Procedural
from rlp_core.environments import Environment, Solution, _registry
from rlp_core.errors import (
    EXIT_CONFIG,
    EXIT_SOFTWARE,
    EXIT_UNAVAILABLE,
    ConfigError,
    PluginError,
    UnavailableError,
)
from rlp_core.params import Params, load

ROOT = Path(__file__).resolve().parents[2]
Add = Callable[[str, str], Path]

COIN = '''
import random
from rlp_core.environments import Environment, ExpertSettings, Solution

class Coin(Environment[int, ExpertSettings]):
    """Which side is up?"""

    settings = ExpertSettings

    def sample(self, rng, settings):
        return rng.randrange(1000)

    def question(self, task):
        return f"coin {task}"

    def read(self, question):
        return int(question.removeprefix("coin "))

    def expert(self, task):
        return Solution(("look",), "heads" if task % 2 else "tails")

    def verify(self, task, answer):
        return answer == self.expert(task).answer

    def check_step(self, task, step):
        return step == "look"
'''


def forget() -> None:
    """Have worlds looked for anew."""
    _registry.get.cache_clear()
    _registry.class_of.cache_clear()


@pytest.fixture
def add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Add]:
    """Add a file to the package for the time of a test."""
    monkeypatch.setattr(environments, "__path__", [*environments.__path__, str(tmp_path)])

    def put(name: str, text: str) -> Path:
        path = tmp_path / f"{name}.py"
        path.write_text(text, encoding="utf-8")
        importlib.invalidate_caches()
        monkeypatch.delitem(sys.modules, f"{environments.__name__}.{name}", False)
        forget()
        return path

    yield put
    for path in tmp_path.glob("*.py"):
        sys.modules.pop(f"{environments.__name__}.{path.stem}", None)
        vars(environments).pop(path.stem, None)
    forget()


def registered(monkeypatch: pytest.MonkeyPatch, *points: tuple[str, str]) -> None:
    found = [EntryPoint(name, value, "rlp.environments") for name, value in points]
    monkeypatch.setattr(registry, "entry_points", lambda group: found if group else [])
    forget()


def made(world: str, part: str = "bootstrap") -> list[object]:
    source = Procedural.model_validate({"kind": "procedural", "world": world, "count": 3})
    return list(procedural.records(source, part=part, index=0, seed=1, share=0.2))


def test_a_file_is_all_it_takes(add: Add) -> None:
    add("coin", COIN)
    add("_helper", "raise ImportError")
    assert "coin" in environments.names()
    assert "_helper" not in environments.names()
    assert environments.get("coin").name == "coin"
    assert [str(record).count("coin") > 1 for record in made("coin")] == [True] * 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("import random", "import nothing_of_this_name"),
            "No module named",
        ),
        (("import random", "import ("), "SyntaxError"),
        (("import random", "1 / 0"), "ZeroDivisionError"),
        (("class Coin(", "class Coin(Environment[int, ExpertSettings]): ...\nclass Two("), "has 2"),
        (("class Coin(Environment[int, ExpertSettings]", "class Coin(object"), "has 0: none"),
        (("def verify", "def verfy"), "lacks `verify`"),
        (("    settings = ExpertSettings", "    pass"), "lacks `settings`"),
        (("    settings = ExpertSettings", "    settings = dict"), "derives from ExpertSettings"),
        (
            (
                "class Coin",
                "class Own(ExpertSettings):\n    count: int = 1\n\nclass Coin",
            ),
            "a setting `count`, a name that every source has already",
        ),
        (
            ("class Coin", "class Own(ExpertSettings):\n    size: int = 1\n\nclass Coin"),
            "a setting `size` without a description",
        ),
    ],
)
def test_a_file_that_keeps_no_protocol(add: Add, change: tuple[str, str], message: str) -> None:
    text = COIN.replace(*change)
    assert text != COIN
    if "Own" in change[1]:
        text = text.replace("settings = ExpertSettings", "settings = Own")
    path = add("coin", text)
    with pytest.raises(PluginError, match=message) as caught:
        environments.get("coin")
    assert "coin" in str(caught.value)
    assert caught.value.exit_code == EXIT_SOFTWARE
    assert path.stem in caught.value.where


def test_a_broken_file_is_told_before_any_work(add: Add, tmp_path: Path) -> None:
    path = add("coin", "import nothing_of_this_name\n")
    params = tmp_path / "params.yaml"
    tiny = (ROOT / "profiles" / "tiny.yaml").read_text(encoding="utf-8")
    params.write_text(tiny.replace("world: occupations", "world: coin"), encoding="utf-8")
    with pytest.raises(PluginError, match="`coin` cannot be imported: ModuleNotFound") as caught:
        load(params)
    assert str(path) in caught.value.where
    assert "line 1" in caught.value.where
    params.write_text(tiny, encoding="utf-8")
    assert isinstance(load(params), Params)


@pytest.mark.parametrize(
    ("member", "value", "words"),
    [
        ("sample", "None", "a task, not None"),
        ("question", "7", "a text"),
        ("key", "b'x'", "a text"),
        ("expert", "('look', 'heads')", "a Solution of texts"),
        ("expert", "Solution(('look',), 7)", "a Solution of texts"),
        ("thought", "None", "a text"),
        ("continuation", "1.5", "a text"),
        ("prompt", "['Q']", "a text"),
        ("verify", "'yes'", "True or False"),
        ("check_step", "'sound'", "True, False or None"),
        ("steps", "'look'", "a tuple of texts"),
        ("document", "('text', [])", "a Text"),
        ("sample", "1 / 0", "failed in `sample`: ZeroDivisionError"),
    ],
)
def test_a_world_that_returns_something_else(add: Add, member: str, value: str, words: str) -> None:
    path = add(
        "coin", f"{COIN}\n    def {member}(self, *args, **kwargs):\n        return {value}\n"
    )
    with pytest.raises(PluginError, match=f"the world `coin`.*{words}") as caught:
        for part in ("base", "bootstrap"):
            made("coin", part)
        world = environments.get("coin")
        assert isinstance(world, Environment)
        world.thought(Solution((), "heads"))
        world.verify(1, "heads")
        world.check_step(1, "look")
        world.steps("look")
    assert f"`{member}`" in caught.value.what
    assert str(path) in caught.value.where


def test_a_text_world_that_writes_nothing(add: Add) -> None:
    add(
        "mute",
        "from rlp_core.environments import *\nclass Mute(TextWorld):\n    settings = Section\n"
        "    def sample(self, rng, settings): return rng.random()\n"
        "    def key(self, task): return str(task)\n    def texts(self, task): return ()\n",
    )
    with pytest.raises(PluginError, match="from `texts`, not a tuple of at least one Text"):
        made("mute", "base")


ABSENT = COIN.replace(
    "    settings =",
    "    needs = environments.Extra('coins', 'no_package_is_called_so')\n    settings =",
).replace("import random", "import random\nfrom rlp_core import environments")
FIX = "pip install 'rlp[coins]'"


def test_a_world_whose_package_is_absent_is_listed_with_what_to_install(add: Add) -> None:
    add("coin", ABSENT)
    assert "coin" in environments.built_in()
    assert {"coin"} == set(environments.built_in()) - set(environments.available())
    assert "coin" not in environments.with_experts()
    assert environments.class_of("coin").settings is environments.ExpertSettings
    listed = CliRunner().invoke(main, ["worlds", "list"])
    (line,) = (line for line in listed.output.splitlines() if line.startswith("coin "))
    assert "Which side is up?" in line
    assert FIX in line
    assert environments.get("arithmetic").name == "arithmetic"


def test_a_world_whose_package_is_absent_cannot_be_had(add: Add, tmp_path: Path) -> None:
    add("coin", ABSENT)
    with pytest.raises(UnavailableError, match="`coin` needs the package") as caught:
        environments.get("coin")
    assert FIX in caught.value.fix
    shown = CliRunner().invoke(main, ["worlds", "show", "coin"])
    assert shown.exit_code == EXIT_UNAVAILABLE
    assert FIX in shown.output
    params = tmp_path / "params.yaml"
    tiny = (ROOT / "profiles" / "tiny.yaml").read_text(encoding="utf-8")
    params.write_text(tiny.replace("world: occupations", "world: coin"), encoding="utf-8")
    with pytest.raises(UnavailableError, match="`coin` needs the package"):
        load(params)


def test_what_is_needed_is_an_extra(add: Add) -> None:
    add("coin", COIN.replace("    settings =", "    needs = 'coins'\n    settings ="))
    with pytest.raises(PluginError, match="`needs` that is no Extra"):
        environments.get("coin")


def test_an_unknown_world_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean `occupations`") as caught:
        environments.get("ocupation")
    assert caught.value.exit_code == EXIT_CONFIG
    with pytest.raises(ConfigError, match="called `occupations` now"):
        environments.get("people")


def test_an_installed_package_may_register_a_world(monkeypatch: pytest.MonkeyPatch) -> None:
    registered(monkeypatch, ("chains", "rlp_core.environments.arithmetic:Arithmetic"))
    assert environments.names() == sorted([*environments.built_in(), "chains"])
    assert "chains" not in environments.built_in()
    assert environments.get("chains").name == "chains"
    assert len(made("chains")) == 3
    forget()


@pytest.mark.parametrize(
    "points",
    [
        [("arithmetic", "mine:World")],
        [("mine", "one:World"), ("mine", "two:World")],
        [("mine", "one:World"), ("mine", "one:World")],
    ],
)
def test_a_name_that_is_registered_twice(
    monkeypatch: pytest.MonkeyPatch, points: list[tuple[str, str]]
) -> None:
    registered(monkeypatch, *points)
    with pytest.raises(PluginError, match=f"two worlds are called `{points[0][0]}`"):
        environments.names()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("nothing_of_this_name:World", "cannot be imported"),
        ("rlp_core.errors:NoSuchName", "cannot be imported"),
        ("rlp_core.errors:RlpError", "no class that derives from Environment or TextWorld"),
        ("rlp_core.environments:World", "no class that derives from Environment or TextWorld"),
    ],
)
def test_an_installed_package_that_keeps_no_protocol(
    monkeypatch: pytest.MonkeyPatch, value: str, message: str
) -> None:
    registered(monkeypatch, ("mine", value))
    with pytest.raises(PluginError, match=message) as caught:
        environments.get("mine")
    assert value.partition(":")[0] in caught.value.where
