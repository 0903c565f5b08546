"""One file to add a part: how it is found, and what one that keeps no protocol is told.

Of estimators and reward terms; tests/environments/test_registry.py asks the same of worlds.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import pytest

from rlp_core import registry
from rlp_core.errors import EXIT_CONFIG, EXIT_SOFTWARE, ConfigError, PluginError
from rlp_core.objective import estimators, reward_terms
from rlp_core.params import Params, load

ROOT = Path(__file__).resolve().parents[1]
Add = Callable[[str, str], Path]


@dataclass(frozen=True)
class Kind:
    """A kind of part, and a good file of it."""

    package: ModuleType
    group: str
    noun: str
    cls: str
    known: str
    written: str
    text: str
    setting: str

    @property
    def guide(self) -> str:
        return f"docs/guides/add-a{'n' if self.noun[0] in 'aeiou' else ''}-" + (
            f"{self.noun.replace(' ', '-')}.md"
        )


KINDS = [
    Kind(
        estimators, "rlp.estimators", "estimator", "Estimator", "rloo", "rlo",
        '"""Twice."""\n'
        "from rlp_core.objective.estimators import Estimator, estimator\n"
        "\n"
        "def _textbook(rewards):\n"
        "    return [[2 * r for r in group] for group in rewards]\n"
        "\n"
        "@estimator(textbook=_textbook, compares_group=False, ema_reaches_gradient=True)\n"
        "def own(rewards):\n"
        '    """2 r_i."""\n'
        "    return 2 * rewards\n",
        "estimator: {name}",
    ),
    Kind(
        reward_terms, "rlp.reward_terms", "reward term", "RewardTerm", "closed", "close",
        '"""Characters."""\n'
        "from rlp_core.objective.reward_terms import RewardTerm, reward_term\n"
        "\n"
        '@reward_term(unit="characters")\n'
        "def own(thought):\n"
        '    """Characters of the thought."""\n'
        "    return len(thought.text)\n",
        "reward_terms: {{{name}: 0.1}}",
    ),
]  # fmt: skip


@pytest.fixture(params=KINDS, ids=lambda kind: kind.noun.replace(" ", "_"))
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param


@pytest.fixture
def add(kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Add]:
    """Add a file to the package for the time of a test."""
    package = kind.package
    folder = tmp_path / "added"
    folder.mkdir()
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
    package.get.cache_clear()

    def put(name: str, text: str) -> Path:
        path = folder / f"{name}.py"
        path.write_text(text, encoding="utf-8")
        importlib.invalidate_caches()
        return path

    yield put
    for path in folder.glob("*.py"):
        sys.modules.pop(f"{package.__name__}.{path.stem}", None)
        vars(package).pop(path.stem, None)
    package.get.cache_clear()


@pytest.fixture
def register(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Register parts as installed packages do."""

    def put(*points: tuple[str, str]) -> None:
        found = [EntryPoint(name, value, kind.group) for name, value in points]
        monkeypatch.setattr(
            registry, "entry_points", lambda group: found if group == kind.group else []
        )
        kind.package.get.cache_clear()

    yield put
    kind.package.get.cache_clear()


def params_with(kind: Kind, name: str, folder: Path) -> Path:
    """The tiny profile with a part of this name in section `rlp`."""
    text = (ROOT / "profiles" / "tiny.yaml").read_text(encoding="utf-8")
    line = kind.setting.format(name=name)
    key = line.partition(":")[0]
    lines = [each for each in text.splitlines() if not each.startswith(f"  {key}:")]
    lines.insert(lines.index("rlp:") + 1, f"  {line}")
    path = folder / "params.yaml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_file_is_all_it_takes(kind: Kind, add: Add, tmp_path: Path) -> None:
    add("own", kind.text)
    add("_helper", "raise ImportError")
    assert kind.package.names() == kind.package.built_in()
    assert "own" in kind.package.names()
    assert "_helper" not in kind.package.names()
    assert kind.package.get("own").summary in kind.text
    settings = load(params_with(kind, "own", tmp_path)).rlp
    assert "own" in (settings.estimator, *settings.reward_terms)


def test_names_are_listed_without_an_import(kind: Kind, add: Add) -> None:
    add("own", "raise ImportError")
    assert "own" in kind.package.names()


@pytest.mark.parametrize(
    ("before", "after", "words", "line"),
    [
        ('"""\nfrom', '"""\nimport nothing_of_this_name\nfrom', "ModuleNotFoundError: No mod", 2),
        ('"""\nfrom', '"""\nimport (\nfrom', "SyntaxError: ", 2),
        ("\n@", "\ndef half(:\n@", "SyntaxError: ", None),
        ('"""\nfrom', '"""\n1 / 0\nfrom', "ZeroDivisionError: division by zero", 2),
        ("@", "@undecorated\n@", "NameError: name 'undecorated'", None),
    ],
    ids=["import", "syntax", "half a line", "division", "name"],
)
def test_a_file_that_does_not_import_is_told_with_its_line(
    kind: Kind, add: Add, before: str, after: str, words: str, line: int | None
) -> None:
    text = kind.text.replace(before, after, 1)
    path = add("own", text)
    fault = after.strip().splitlines()[0]
    line = line or next(i for i, each in enumerate(text.splitlines(), 1) if each == fault)
    with pytest.raises(
        PluginError, match=f"the {kind.noun} `own` cannot be imported: {words}"
    ) as caught:
        kind.package.get("own")
    assert f"{path}, line {line}" in caught.value.where
    assert kind.guide in caught.value.fix
    assert (ROOT / kind.guide).is_file()
    assert caught.value.exit_code == EXIT_SOFTWARE


def test_a_fault_deeper_down_is_told_where_it_is(kind: Kind, add: Add) -> None:
    add("_helper", "def help():\n    return [][0]\n\nhelp()\n")
    add("own", f"from {kind.package.__name__} import _helper\n{kind.text}")
    with pytest.raises(PluginError, match="IndexError") as caught:
        kind.package.get("own")
    assert "_helper.py, line 2" in caught.value.where
    assert f"{kind.package.__name__}.own" in caught.value.where


def declared_twice(text: str) -> str:
    head, _, body = text.partition("\n@")
    return f"{head}\n@{body}\n@{body.replace('def own', 'def other')}"


def without_docstring(text: str) -> str:
    return re.sub(r'^    """.*"""\n', "", text, flags=re.M)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.partition("\n@")[0] + "\n", "must declare one {cls}; its file has 0"),
        (declared_twice, "must declare one {cls}; its file has 2"),
        (without_docstring, "has no docstring"),
    ],
    ids=["none", "two", "no docstring"],
)
def test_a_file_declares_one_part_and_says_what_it_is(
    kind: Kind, add: Add, change: Callable[[str], str], words: str
) -> None:
    text = change(kind.text)
    assert text != kind.text
    add("own", text)
    with pytest.raises(
        PluginError, match=f"the {kind.noun} `own` {words.format(cls=kind.cls)}"
    ) as caught:
        kind.package.get("own")
    assert caught.value.where == f"{kind.package.__name__}.own"
    assert kind.guide in caught.value.fix


def test_a_part_that_a_file_imports_is_not_its_own(kind: Kind, add: Add) -> None:
    add("own", f"from {kind.package.__name__}.{kind.known} import {kind.known}\n{kind.text}")
    assert kind.package.get("own").function.__name__ == "own"


def test_a_broken_file_is_told_before_any_work_and_only_where_it_is_named(
    kind: Kind, add: Add, tmp_path: Path
) -> None:
    path = add("own", "import nothing_of_this_name\n")
    with pytest.raises(PluginError, match=f"{kind.noun} `own` cannot be imported") as caught:
        load(params_with(kind, "own", tmp_path))
    assert f"{path}, line 1" in caught.value.where
    assert isinstance(load(params_with(kind, kind.known, tmp_path)), Params)


def test_an_unknown_name_is_told_with_the_nearest(kind: Kind, tmp_path: Path) -> None:
    words = f"no {kind.noun} is called {kind.written!r}"
    with pytest.raises(ConfigError, match=words) as caught:
        kind.package.get(kind.written)
    assert f"did you mean `{kind.known}`?" in caught.value.fix
    assert all(name in caught.value.fix for name in kind.package.names())
    assert caught.value.exit_code == EXIT_CONFIG
    with pytest.raises(ConfigError, match=words) as caught:
        load(params_with(kind, kind.written, tmp_path))
    assert f"did you mean `{kind.known}`?" in str(caught.value)


def test_a_name_with_nothing_near_it_is_told_with_all_there_are(kind: Kind) -> None:
    with pytest.raises(ConfigError) as caught:
        kind.package.get("zzzzzzzz")
    assert "did you mean" not in caught.value.fix
    assert all(name in caught.value.fix for name in kind.package.names())


@pytest.mark.parametrize("whole", [False, True], ids=["object", "module"])
def test_an_installed_package_may_register_one(
    kind: Kind, register: Callable[..., None], tmp_path: Path, whole: bool
) -> None:
    value = f"{kind.package.__name__}.{kind.known}"
    register(("installed", value if whole else f"{value}:{kind.known}"))
    assert kind.package.names() == sorted([*kind.package.built_in(), "installed"])
    assert "installed" not in kind.package.built_in()
    assert kind.package.get("installed") is kind.package.get(kind.known)
    settings = load(params_with(kind, "installed", tmp_path)).rlp
    assert "installed" in (settings.estimator, *settings.reward_terms)


@pytest.mark.parametrize(
    "points",
    [
        [("KNOWN", "mine:part")],
        [("mine", "one:part"), ("mine", "two:part")],
        [("mine", "one:part"), ("mine", "one:part")],
    ],
    ids=["ours", "two packages", "one package twice"],
)
def test_a_name_that_is_registered_twice(
    kind: Kind, register: Callable[..., None], points: list[tuple[str, str]]
) -> None:
    points = [(name.replace("KNOWN", kind.known), value) for name, value in points]
    register(*points)
    for call in (kind.package.names, lambda: kind.package.get("mine")):
        with pytest.raises(
            PluginError, match=f"two {kind.noun}s are called `{points[0][0]}`"
        ) as caught:
            call()
        assert kind.group in caught.value.where
        for value in (points[-1][1], "rlp_core" if len(points) == 1 else points[0][1]):
            assert value in caught.value.what


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("nothing_of_this_name:part", "cannot be imported: ModuleNotFoundError"),
        ("rlp_core.errors:NoSuchName", "cannot be imported: AttributeError"),
        ("rlp_core.errors:RlpError", "is <class .*RlpError.*>, no {cls}"),
        ("rlp_core.errors:EXIT_DATA", r"is \d+, no {cls}"),
        ("rlp_core.errors", "must declare one {cls}; its file has 0"),
    ],
)
def test_an_entry_point_that_is_no_part(
    kind: Kind, register: Callable[..., None], value: str, words: str
) -> None:
    register(("mine", value))
    assert "mine" in kind.package.names()
    with pytest.raises(
        PluginError, match=f"the {kind.noun} `mine` {words.format(cls=kind.cls)}"
    ) as caught:
        kind.package.get("mine")
    assert value.partition(":")[0] in caught.value.where
    assert kind.guide in caught.value.fix


@pytest.mark.parametrize("kind", [KINDS[1]], indirect=True, ids=["reward_term"])
def test_a_term_whose_metric_has_a_name_already(
    kind: Kind, register: Callable[..., None], tmp_path: Path
) -> None:
    register(("std", f"{kind.package.__name__}.{kind.known}"))
    with pytest.raises(PluginError, match="`std` must be called otherwise: `reward_std`"):
        load(params_with(kind, "std", tmp_path))
