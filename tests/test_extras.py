"""What an installation without the extras lacks is told, with no traceback; extras are whole."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from rlp_core import profiles, stage
from rlp_core.cli import main
from rlp_core.errors import EXIT_UNAVAILABLE
from rlp_core.extras import missing

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MODULES = {
    "dvc": "dvc", "google-re2": "re2", "great-expectations": "great_expectations",
    "lm-eval": "lm_eval", "math-verify": "math_verify", "nvidia-ml-py": "pynvml", "pyyaml": "yaml",
    "reasoning-gym": "reasoning_gym", "ruamel.yaml": "ruamel",
}  # fmt: skip
"""Packages whose module has another name."""
PARTS = {
    "annotated_types": "pydantic", "pydantic_core": "pydantic", "markupsafe": "jinja2",
    "httpx": "prefect", "huggingface_hub": "transformers",
}  # fmt: skip
"""Modules that a declared package brings as a part of its own interface."""


def named(requirements: list[str]) -> set[str]:
    """Names of the packages that requirements name."""
    return {re.split(r"[\[<>=!~; ]", requirement)[0] for requirement in requirements}


def without(package: str, code: str) -> subprocess.CompletedProcess[str]:
    """Run code where a package is not installed."""
    script = f"import sys; sys.modules[{package!r}] = None\n{code}"
    return subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("arguments", [[], ["--help"], ["doctor"]])
def test_the_command_without_click_says_what_to_install(arguments: list[str]) -> None:
    start = f"sys.argv = ['rlp', *{arguments}]\nfrom rlp_core.__main__ import main; main()"
    done = without("click", start)
    assert done.returncode == EXIT_UNAVAILABLE
    assert "the package `click` is not installed" in done.stderr
    assert "pip install 'rlp[pipeline]'" in done.stderr
    assert "Traceback" not in done.stderr


def absent(*_: object) -> None:
    raise ModuleNotFoundError("No module named 'nowhere_at_all'", name="nowhere_at_all.part")


def test_a_command_without_its_package_says_what_to_install(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(profiles, "names", absent)
    done = CliRunner().invoke(main, ["--root", str(tmp_path), "profile", "list"])
    assert done.exit_code == EXIT_UNAVAILABLE
    assert "`nowhere_at_all` is not installed" in done.stderr
    assert "pip install 'rlp[pipeline]'" in done.stderr


def test_a_stage_without_its_package_says_what_to_install(monkeypatch, tmp_path, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stage, "run_stage", absent)
    assert stage.main(["compare"]) == EXIT_UNAVAILABLE
    assert "error in stage compare: the package `nowhere_at_all` is not" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["rlp_core.nowhere", "torch.nowhere", None])
def test_a_fault_of_the_code_is_no_missing_extra(name: str | None, monkeypatch) -> None:
    error = ModuleNotFoundError("No module named ...", name=name)
    assert missing(error) is None
    monkeypatch.setattr(profiles, "names", lambda *_: (_ for _ in ()).throw(error))
    with pytest.raises(ModuleNotFoundError):
        CliRunner().invoke(main, ["profile", "list"], catch_exceptions=False)


def test_the_script_of_the_package_is_the_one_that_tells() -> None:
    assert PROJECT["scripts"] == {"rlp": "rlp_core.__main__:main"}


def test_the_extra_of_the_pipeline_brings_every_other_that_is_no_tool() -> None:
    extras = PROJECT["optional-dependencies"]
    (whole,) = extras["pipeline"]
    brought = set(whole.removeprefix("rlp[").removesuffix("]").split(","))
    # The harness brings twenty packages, one of them under the LGPL, and the pipeline learns
    # without Gymnasium, the worlds of other packages, or Optuna, which sweeps alone need: who wants
    # one asks for it.
    apart = {"pipeline", "docs", "bench", "dev", "harness", "gym", "reasoning-gym", "sweep"}
    assert brought == set(extras) - apart


def test_worlds_without_gymnasium_say_what_to_install() -> None:
    done = without("gymnasium", "import rlp_core.gym")
    assert done.returncode != 0
    assert "the package `gymnasium`, which is not installed" in done.stderr
    assert "pip install 'rlp[gym]'" in done.stderr


def test_every_package_that_the_code_imports_is_declared() -> None:
    declared = {MODULES.get(name, name) for name in named(PROJECT["dependencies"])}
    for extra in PROJECT["optional-dependencies"].values():
        declared |= {MODULES.get(name, name) for name in named(extra)}
    found = {}
    for path in [*ROOT.glob("rlp_core/**/*.py"), *ROOT.glob("flows/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            found |= {name.partition(".")[0]: path for name in names}
    own = {"rlp_core", "flows", *sys.stdlib_module_names}
    undeclared = {
        name: path for name, path in found.items() if PARTS.get(name, name) not in own | declared
    }
    assert undeclared == {}


def test_the_lock_pins_every_package_that_is_declared() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in text.splitlines()}
    extras = PROJECT["optional-dependencies"]
    wanted = named(PROJECT["dependencies"]).union(
        *(named(extras[name]) for name in extras if name != "bench")
    )
    assert {name.lower() for name in wanted - {"rlp"}} - pinned == set()
