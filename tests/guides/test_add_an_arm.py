"""docs/guides/add-an-arm.md, followed to the letter in a copy of the project."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from rlp_core.files import sha256

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "guides" / "add-an-arm.md"
STEP = re.compile(
    r"In `(?P<file>[^`]+)`, above the line `(?P<line>[^`]+)`:\n\n   ```yaml\n(?P<text>.*?)\n   ```",
    re.DOTALL,
)
COPIED = ("rlp_core", "flows", "tests", "profiles", "dvc.yaml", "params.yaml", ".dvc/config")

COMPARE = """
import shutil, sys
from pathlib import Path
from tests.evaluation import arms
arms.SKILL["again"] = arms.SKILL["bootstrap"]
from tests.reporting import run
from rlp_core.stages import compare
context = run.make(Path(sys.argv[1]))
compare.run(context)
"""


def digests(root: Path) -> dict[str, str]:
    files = (p for p in root.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    return {path.relative_to(root).as_posix(): sha256(path) for path in files}


def call(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(root), "HOME": str(root.parent)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def touched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The copy after every step, and the files that the steps changed."""
    root = tmp_path_factory.mktemp("guide") / "project"
    for name in COPIED:
        source, target = ROOT / name, root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    before = digests(root)
    steps = list(STEP.finditer(GUIDE.read_text(encoding="utf-8")))
    assert len(steps) == 4
    for step in steps:
        path = root / step["file"]
        text = path.read_text(encoding="utf-8")
        line = f"\n{step['line']}\n"
        assert text.count(line) == 1, line
        added = textwrap.indent(textwrap.dedent(step["text"]), _margin(step["text"]))
        path.write_text(text.replace(line, f"\n{added}{line}"), encoding="utf-8")
    after = digests(root)
    return root, sorted(name for name in after if after[name] != before.get(name))


def _margin(text: str) -> str:
    """The indentation inside the block: what is left of a line without that of the list."""
    first = text.partition("\n")[0].removeprefix("   ")
    return first[: len(first) - len(first.lstrip())]


def test_two_files_are_touched(touched: tuple[Path, list[str]]) -> None:
    assert touched[1] == ["dvc.yaml", "rlp_core/arms.yaml"]


def test_dvc_knows_the_stages(touched: tuple[Path, list[str]]) -> None:
    listed = call(touched[0], "-m", "dvc", "stage", "list", "--name-only").split()
    assert {"again", "evaluate@again"} <= set(listed)
    assert listed.index("again") < listed.index("compare")


def test_parameters_and_stage_names_hold(touched: tuple[Path, list[str]]) -> None:
    call(touched[0], "-c", "from rlp_core.cli import main; main()", "params", "check")
    names = call(touched[0], "-c", "from rlp_core.stage import stage_names; print(stage_names())")
    assert "evaluate@again" in names


def test_the_comparison_and_the_page_show_it(
    touched: tuple[Path, list[str]], tmp_path: Path
) -> None:
    call(touched[0], "-c", COMPARE, str(tmp_path))
    page = (tmp_path / "reports" / "index.html").read_text(encoding="utf-8")
    assert "the bootstrap once more, for what chance alone does" in page
    assert '<div class="tile arm-again">' in page
    assert "again − bootstrap" in page  # noqa: RUF001
    assert "--arm-again: #8a4fa8" in page
    assert "| again |" in (tmp_path / "reports" / "comparison.md").read_text(encoding="utf-8")
    figures = tmp_path / "reports" / "figures"
    assert "#8a4fa8" in (figures / "thinking-and-direct.svg").read_text(encoding="utf-8")
