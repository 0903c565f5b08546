"""Who imports whom (design, section 3), and that `rlp --help` waits for no slow library."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SLOW = (
    "prefect",
    "mlflow",
    "great_expectations",
    "dvc",
    "datasets",
    "lm_eval",
    "matplotlib",
    "torch",
)
PLACES = {  # the only files that may import a library
    "prefect": ("flows/",),
    "dvc": ("flows/",),
    "mlflow": ("rlp_core/tracking/",),
    "great_expectations": ("rlp_core/contracts/",),
    "matplotlib": ("rlp_core/reporting/",),
    "datasets": ("rlp_core/data/hub.py", "rlp_core/data/harness.py"),
    "lm_eval": ("rlp_core/data/harness.py", "rlp_core/evaluation/harness_marks.py"),
    "gguf": ("rlp_core/policy/gguf_file.py",),
    "peft": ("rlp_core/policy/",),
    "reasoning_gym": ("rlp_core/environments/_reasoning_gym_worker.py",),
}
ENGINE = ("rollout", "objective", "policy")
ENGINE_MAY = {"torch", "transformers", "numpy", "safetensors"}
ENGINE_MAY |= {"pydantic", "gguf", "peft"}  # for settings, a kind of file, adapters


def sources() -> list[Path]:
    return [path for name in ("rlp_core", "flows") for path in sorted((ROOT / name).rglob("*.py"))]


def imports(path: Path) -> Iterator[str]:
    """Full names of what a file imports anywhere, type checking included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("library", PLACES)
def test_each_slow_library_has_one_place(library: str) -> None:
    users = [
        path.relative_to(ROOT).as_posix()
        for path in sources()
        if any(name.partition(".")[0] == library for name in imports(path))
    ]
    assert [user for user in users if not user.startswith(PLACES[library])] == []


@pytest.mark.parametrize("room", ENGINE)
def test_the_engine_imports_torch_transformers_numpy_and_itself(room: str) -> None:
    allowed = tuple(f"rlp_core.{name}" for name in (*ENGINE, "errors", "registry", "section"))
    for path in sorted((ROOT / "rlp_core" / room).rglob("*.py")):
        others = [
            name
            for name in imports(path)
            if name.partition(".")[0] not in ENGINE_MAY | sys.stdlib_module_names
            and not name.startswith(allowed)
        ]
        assert others == [], path


def test_import_contracts_hold() -> None:
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command as main; main()",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def loaded_by(statement: str) -> set[str]:
    script = f"import sys\n{statement}\nprint(*{{n.partition('.')[0] for n in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


def test_help_loads_nothing_slow() -> None:
    statement = (
        "from click.testing import CliRunner\nfrom rlp_core.cli import main\n"
        "result = CliRunner().invoke(main, ['--help'])\nassert result.exit_code == 0, result.output"
    )
    assert loaded_by(statement) & {*SLOW, "transformers", "numpy", "pydantic", "yaml"} == set()


@pytest.mark.parametrize(
    "module", ["rlp_core.stage", "rlp_core.params", "rlp_core.tracking", "flows.graph"]
)
def test_what_every_process_imports_loads_nothing_slow(module: str) -> None:
    assert loaded_by(f"import {module}") & set(SLOW) == set()


CONFIGS = sorted(
    path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
    for path in (ROOT / "rlp_core").rglob("*config.py")
)


def test_settings_stand_beside_their_code_and_load_nothing_slow() -> None:
    assert {name.split(".")[1] for name in CONFIGS} >= {"contracts", "data", "evaluation"}
    loaded = loaded_by("\n".join(f"import {name}" for name in CONFIGS))
    assert "pydantic" in loaded
    assert loaded & {*SLOW, "transformers", "pandas", "numpy"} == set()


def test_checking_the_parameters_loads_nothing_slow() -> None:
    statement = (
        "from click.testing import CliRunner\nfrom rlp_core.cli import main\n"
        "result = CliRunner().invoke(main, ['params', 'check', 'profiles/tiny.yaml'])\n"
        "assert result.exit_code == 0, result.output"
    )
    assert loaded_by(statement) & {*SLOW, "transformers", "pandas"} == set()


def modules() -> dict[str, Path]:
    """Every module of the project by its full name."""
    found = {}
    for top in ("rlp_core", "flows", "benchmarks"):
        for path in sorted((ROOT / top).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported_modules(name: str, path: Path, known: dict[str, Path]) -> set[str]:
    """The modules of the project that a module imports anywhere: in functions, for types too.

    `from package import name` counts for the module `name` where there is one, else for the
    package.
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: imports are absolute"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in known else str(node.module))
    return found & set(known) - {name}


def circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """The sets of modules that import each other, directly or through others."""
    left = dict(graph)
    while free := [name for name in left if not left[name] & left.keys()]:  # import nothing left
        for name in free:
            del left[name]
    above: dict[str, set[str]] = {name: reached(name, left) for name in left}
    groups = {
        frozenset(other for other in above[name] if name in above[other])
        for name in left
        if name in above[name]
    }
    return sorted((set(group) for group in groups), key=sorted)


def reached(start: str, graph: dict[str, set[str]]) -> set[str]:
    """Every module that is imported from `start` on, itself only if a way leads back."""
    seen: set[str] = set()
    todo = [start]
    while todo:
        for name in graph[todo.pop()] & graph.keys() - seen:
            seen.add(name)
            todo.append(name)
    return seen


@pytest.mark.parametrize(
    ("graph", "found"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}, [{"b", "c"}]),
        ({"a": {"b"}, "b": {"a", "c"}, "c": {"d"}, "d": {"c"}}, [{"a", "b"}, {"c", "d"}]),
    ],
)
def test_circles_are_found(graph: dict[str, set[str]], found: list[set[str]]) -> None:
    assert circles(graph) == found


def test_no_module_imports_itself_by_way_of_others() -> None:
    """In functions neither: a late import hides a circle and does not end it."""
    known = modules()
    graph = {name: imported_modules(name, path, known) for name, path in known.items()}
    assert "flows.phases" in graph["flows.pipeline"]  # in a function
    assert circles(graph) == []
