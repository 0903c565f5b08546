"""The wheel: `rlp_core` alone with all that it reads, and light where it is imported."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

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
