"""What decides a stage's result is what `dvc.yaml` says that it depends on.

Two kinds: the files that the last stages open, and the code that declares a stage's settings, for a
default that `params.yaml` does not write out stands there alone.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from rlp_core import environments
from rlp_core.data.benchmark_config import Benchmark
from rlp_core.data.procedural_config import Procedural
from rlp_core.params import Params, load
from rlp_core.section import Section
from rlp_core.stage import stage_names
from rlp_core.tracking.lineage import StageSpec, digests, stage_spec
from rlp_core.workspace import Workspace
from rlp_core.yaml_file import models_in

ROOT = Path(__file__).resolve().parents[2]
PARAMS = load(ROOT / "profiles" / "tiny.yaml")

TRACE = """
import json, os, sys
from pathlib import Path
from tests.reporting import run as made_up
from rlp_core.stage import StageContext
from rlp_core.stages import compare, promote
from rlp_core.tracking.tracker import Tracker
from rlp_core.workspace import Workspace

stage, root, code = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
made = made_up.make(root)
workspace, tracker = Workspace(root), Tracker(None, None, Workspace(root), stage)
context = lambda name: StageContext(name, made.params, workspace, tracker)
if stage == "promote":
    compare.run(context("compare"))
    for arm in made.params.promote.candidates:
        workspace.model(arm).mkdir(parents=True)
        (workspace.model(arm) / "config.json").write_text("{}")
opened = set()
def hook(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        mode, flags = arguments[1], arguments[2]
        if not flags & (os.O_WRONLY | os.O_RDWR):
            opened.add(os.path.abspath(os.fsdecode(arguments[0])))
sys.addaudithook(hook)
{"compare": compare, "promote": promote}[stage].run(context(stage))
read = set(opened)
def below(folder):
    paths = (Path(p) for p in read)
    return sorted(p.relative_to(folder).as_posix() for p in paths if p.is_relative_to(folder))
inside = [p for p in below(code) if p.startswith("rlp_core/") and not p.endswith((".py", ".pyc"))]
print("TRACE" + json.dumps([below(root), inside]))
"""


def spec_of(stage: str) -> StageSpec:
    spec = stage_spec(stage, PARAMS, Workspace(ROOT))
    assert spec is not None
    return spec


@pytest.mark.parametrize("stage", ["compare", "promote"])
def test_whatever_is_read_is_a_dependency(stage: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TRACE, stage, str(tmp_path), str(ROOT)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    data, package = json.loads(done.stdout.rpartition("TRACE")[2])
    spec = spec_of(stage)

    def undeclared(paths: list[str]) -> list[str]:
        declared = [Path(dep) for dep in spec.deps]
        return [p for p in paths if not any(Path(p).is_relative_to(dep) for dep in declared)]

    own = [p for p in data if not any(Path(p).is_relative_to(out) for out in spec.outs)]
    assert own  # the trace sees what is read at all
    assert undeclared([p for p in own if not Path(p).name.startswith(".")]) == []
    assert undeclared(package) == []


def declared_in(model: type[BaseModel], name: str) -> str:
    """The file that states a field, which a base of the model may do, relative to the root."""
    owner = next(one for one in model.__mro__ if name in inspect.get_annotations(one))
    return Path(inspect.getfile(owner)).relative_to(ROOT).as_posix()


def fields_of(model: type[BaseModel], key: str = "") -> Iterator[tuple[str, str]]:
    """Every setting of a section, those within it too: its dotted key, the file that declares it.

    The steps of lists and the kinds of sources are left out of the keys.
    """
    for name, field in model.model_fields.items():
        inner_key = f"{key}.{field.alias or name}".removeprefix(".")
        yield inner_key, declared_in(model, name)
        for inner in models_in(field.annotation):
            yield from fields_of(inner, inner_key)
    if model is Procedural:
        for world in environments.built_in():
            yield from fields_of(environments.class_of(world).settings, key)


EVERY = list(fields_of(Params))
ROOM_OF_NONE = "rlp_core/params/root.py"


def deciding(stage: str) -> set[tuple[str, str]]:
    """The settings that decide a stage's result, by the keys that `dvc.yaml` names for it."""
    keys = spec_of(stage).params
    found = {(key, file) for key, file in EVERY if any(f"{key}.".startswith(f"{k}.") for k in keys)}
    if stage == "prepare":  # it reads benchmarks: settings in files of their own
        found |= set(fields_of(Benchmark, "benchmark"))
    return {(key, file) for key, file in found if file != ROOM_OF_NONE}


def test_each_setting_decides_some_stage_and_those_of_runtime_none() -> None:
    decided = {key for stage in stage_names() for key, _ in deciding(stage)}
    every = {key for key, file in EVERY if file != ROOM_OF_NONE}
    assert len(every) > 150
    assert every - decided == set()
    named = {key.partition(".")[0] for stage in stage_names() for key in spec_of(stage).params}
    assert set(Params.model_fields) - named == {"validate_", "runtime"}


def test_what_no_stage_depends_on_declares_no_default_that_decides() -> None:
    """The seed stands beside the sections, in a file that a default could change unseen."""
    assert {file for key, file in EVERY if "." not in key} == {ROOM_OF_NONE}
    assert [name for name, field in Params.model_fields.items() if not field.is_required()] == []
    beside = {key.partition(".")[0] for key, file in EVERY if "." in key and file == ROOM_OF_NONE}
    assert beside == {"runtime"}


@pytest.mark.parametrize("file", sorted({file for _, file in EVERY}))
def test_a_default_is_written_where_its_setting_is_declared(file: str) -> None:
    """One that is imported would change in a file that no stage depends on.

    A section's own defaults are settings too, and walked as such.
    """
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    defaults = [word.value for call in calls for word in call.keywords if word.arg == "default"]
    used = {node.id for one in defaults for node in ast.walk(one) if isinstance(node, ast.Name)}
    module = importlib.import_module(file.removesuffix(".py").replace("/", "."))
    values = {name: getattr(module, name) for name in used & imported}
    assert [
        n for n, one in values.items() if not (isinstance(one, type) and issubclass(one, Section))
    ] == []


@pytest.mark.parametrize("stage", stage_names())
def test_a_default_changed_in_the_source_changes_the_stage(stage: str, tmp_path: Path) -> None:
    copy = Workspace(tmp_path)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "rlp_core", tmp_path / "rlp_core", ignore=ignored)
    deps = tuple(dep for dep in spec_of(stage).deps if dep.startswith("rlp_core/"))
    before = digests(deps, copy)
    assert set(before) == set(deps)
    files = {file for _, file in deciding(stage)}
    assert files
    for file in sorted(files):
        path = tmp_path / file
        text = path.read_text(encoding="utf-8")
        path.write_text(f"{text}# another default\n", encoding="utf-8")
        keys = sorted(key for key, at in deciding(stage) if at == file)
        assert digests(deps, copy) != before, f"{file} declares {', '.join(keys)}"
        path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("stage", [s for s in stage_names() if "evaluate" not in s])
def test_how_arms_are_compared_decides_nothing_before(stage: str) -> None:
    last = {file for key, file in EVERY if key.startswith(("compare.", "promote."))}
    changed = any(Path(file).is_relative_to(dep) for file in last for dep in spec_of(stage).deps)
    assert changed is (stage in ("compare", "promote"))


@pytest.mark.parametrize("stage", stage_names())
def test_how_a_file_is_read_and_what_runtime_holds_runs_no_stage_again(stage: str) -> None:
    assert "rlp_core/params" not in spec_of(stage).deps
    assert ROOM_OF_NONE not in spec_of(stage).deps
