"""The wheel: `rlp_core` alone with all that it reads; it trains where nothing else is installed."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterable
from email import message_from_bytes
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from rlp_core.errors import EXIT_UNAVAILABLE
from tests import models

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {"torch", "transformers", "numpy", "pydantic", "yaml"}
PIPELINE = {"prefect", "mlflow", "dvc", "great_expectations", "pandas", "datasets", "matplotlib"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built offline from a copy, so that no file is left in the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    skip = shutil.ignore_patterns("__pycache__")
    for name in ("rlp_core", "flows", "benchmarks", "tests"):
        shutil.copytree(ROOT / name, source / name, ignore=skip)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = ["-m", "build", "--no-isolation", "--wheel", "--outdir", str(folder), str(source)]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpacked, as `pip install --no-deps --target` leaves it."""
    target = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    return target


def loaded_by(installed: Path, statement: str) -> set[str]:
    """Top-level modules that a statement loads, with the installed package first on the path."""
    script = (
        f"import sys\nsys.path.insert(0, {str(installed)!r})\n{statement}\n"
        f"import rlp_core\nassert rlp_core.__file__.startswith({str(installed)!r})\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=installed, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


def test_it_holds_the_package_alone(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.partition("/")[0] for name in archive.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"rlp_core"}


def test_it_holds_every_file_of_the_package(installed: Path) -> None:
    def files(root: Path) -> set[str]:
        found = (path for path in (root / "rlp_core").rglob("*") if path.is_file())
        return {path.relative_to(root).as_posix() for path in found if path.suffix != ".pyc"}

    assert "rlp_core/py.typed" in files(ROOT)
    assert files(installed) == files(ROOT)


def test_importing_it_loads_nothing_heavy(installed: Path) -> None:
    assert loaded_by(installed, "import rlp_core") & (HEAVY | PIPELINE) == set()


def test_the_engine_loads_nothing_of_the_pipeline(installed: Path) -> None:
    engine = ("objective.loss", "objective.advantage", "rollout.engine", "policy.ema")
    statement = "\n".join(f"import rlp_core.{name}" for name in engine)
    loaded = loaded_by(installed, statement)
    assert "torch" in loaded
    assert loaded & PIPELINE == set()


def test_its_data_are_read_from_it(installed: Path) -> None:
    loaded_by(
        installed,
        "from rlp_core import arms, prompts\nassert prompts.names()\n"
        "assert 'rlp' in (__import__('pathlib').Path(arms.__file__).with_name('arms.yaml')"
        ".read_text())",
    )


def own_name(name: str) -> str:
    """A distribution's name as metadata compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def needed(requirements: Iterable[str]) -> dict[str, Distribution]:
    """The distributions of this environment that requirements need, and what those need in turn."""
    found: dict[str, Distribution] = {}
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        requirement = waiting.pop()
        name = own_name(requirement.name)
        extras = ["", *requirement.extras]
        if name in found and not requirement.extras:
            continue
        found[name] = distribution(requirement.name)
        for text in found[name].requires or []:
            further = Requirement(text)
            wanted = (m.evaluate({"extra": e}) for m in [further.marker] if m for e in extras)
            if further.marker is None or any(wanted):
                waiting.append(further)
    return found


def link(package: Distribution, target: Path) -> None:
    """Make a distribution's top-level files and folders importable from another folder."""
    for path in package.files or []:
        top = path.parts[0]
        if top in ("..", "__pycache__") or top.endswith(".pth"):
            continue
        if not (target / top).exists():
            (target / top).symlink_to(Path(str(package.locate_file(top))))


@pytest.fixture(scope="module")
def empty(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has the wheel and what its metadata ask for, no more."""
    folder = tmp_path_factory.mktemp("empty") / "venv"
    venv.EnvBuilder(with_pip=False, symlinks=True).create(folder)
    (site,) = folder.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
        (metadata,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        asked = message_from_bytes(archive.read(metadata)).get_all("Requires-Dist") or []
    base = [text for text in asked if "extra ==" not in text]
    assert len(base) < len(asked)
    for package in needed(base).values():
        link(package, site)
    return folder / "bin" / "python"


def run(python: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run Python where neither the checkout nor the user's own packages can be imported."""
    left_out = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    env = {name: value for name, value in os.environ.items() if name not in left_out}
    return subprocess.run(
        [str(python), "-s", *arguments],
        cwd=cwd, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip


TRAINS = """
import json, sys
import rlp_core
light = sorted({"torch", "pydantic", "numpy", "transformers"} & set(sys.modules))
from transformers import AutoModelForCausalLM, AutoTokenizer
from rlp_core import RLPConfig, RLPTrainer, ThoughtConfig, generate_thoughts, information_gain
model = AutoModelForCausalLM.from_pretrained("start")
tokenizer = AutoTokenizer.from_pretrained("start")
how = ThoughtConfig(max_tokens=6)
config = RLPConfig(steps=2, documents=2, max_tokens=24, positions=1, group_size=3)
texts = [f"Q: {a}+{b}\\nA:{a + b}\\n" for a in range(4) for b in range(5)]
trainer = RLPTrainer(model, tokenizer, texts, config, thought=how, output_dir="out")
metrics = trainer.train()
trainer.save_pretrained("saved")
thought = generate_thoughts(model, tokenizer, texts[:1], thought=how)[0][0]
gain = information_gain(model, tokenizer, texts[0], 9, thought.text)
AutoModelForCausalLM.from_pretrained("saved")
print(json.dumps({"light": light, "steps": metrics["steps"], "gain": gain,
                  "home": rlp_core.__file__}))
"""


def test_it_trains_in_an_environment_that_has_nothing_else(empty: Path, tmp_path: Path) -> None:
    models.model(5).save_pretrained(tmp_path / "start")
    models.tokenizer().save_pretrained(tmp_path / "start")
    done = run(empty, "-c", TRAINS, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["light"] == []
    assert said["steps"] == 2
    assert math.isfinite(said["gain"])
    assert Path(said["home"]).is_relative_to(empty.parents[1])
    assert (tmp_path / "saved" / "model.safetensors").is_file()
    assert (tmp_path / "saved" / "thought.json").is_file()


def test_nothing_of_the_pipeline_is_in_that_environment(empty: Path, tmp_path: Path) -> None:
    modules = sorted(PIPELINE | {"pyarrow", "datasketch", "math_verify", "re2", "ruamel", "pytest"})
    code = (
        "import importlib.util as u, sys\n"
        "print(*[m for m in sys.argv[1:] if u.find_spec(m) is not None])"
    )
    done = run(empty, "-c", code, *modules, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("-m", "rlp_core", "--help"), 0, "Run all of it with `make run`"),
        (("-m", "rlp_core", "params", "check"), EXIT_UNAVAILABLE, "`ruamel` is not installed"),
        (("-m", "rlp_core.stage", "prepare"), EXIT_UNAVAILABLE, "`ruamel` is not installed"),
    ],
    ids=["help", "command", "stage"],
)
def test_what_needs_an_extra_says_so_there(
    empty: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    (tmp_path / "params.yaml").write_text("seed: 1\n", encoding="utf-8")
    done = run(empty, *arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_argument_is_told_there(empty: Path, tmp_path: Path) -> None:
    code = (
        "from rlp_core import RLPConfig, RlpError\n"
        "try:\n    RLPConfig(group_sise=4)\nexcept RlpError as error:\n    print(error)"
    )
    done = run(empty, "-c", code, cwd=tmp_path)
    assert "did you mean `group_size`" in done.stdout, done.stderr
