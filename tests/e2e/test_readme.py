"""The README's own commands: they exist, and those on DVC do what it says."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from rlp_core.cli import main
from tests.e2e import checkout

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

README = (checkout.REPOSITORY / "README.md").read_text(encoding="utf-8")
# inline code and the lines of shell blocks, without their comments
SPANS = re.findall(r"`([^`\n]+)`", README) + [
    line.split("  #")[0].strip()
    for block in re.findall(r"```bash\n(.*?)```", README, re.S)
    for line in block.splitlines()
]


def named(program: str) -> set[str]:
    """The words that follow a program's name in the README."""
    found = (re.match(rf"(?:{program}) ([\w-]+)", span) for span in SPANS)
    return {match.group(1) for match in found if match}


def test_every_make_target_and_rlp_command_of_the_readme_exists() -> None:
    makefile = (checkout.REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.M))
    assert {"run", "ui", "test"} <= named("make") <= targets
    assert {"think", "doctor", "profile"} <= named("rlp") <= set(main.commands)


def test_every_path_of_the_readme_exists_or_is_made_by_a_stage() -> None:
    made = ("data/", "models/", "reports/", ".rlp/")
    links = re.findall(r"\]\(([\w./-]+)\)", README)
    assert links
    for link in links:
        assert (checkout.REPOSITORY / link).exists(), link
    stages = (checkout.REPOSITORY / "dvc.yaml").read_text(encoding="utf-8")
    for path in re.findall(r"`((?:data|models|reports)/[\w./-]+)`", README):
        assert path.startswith(made)
        assert path in stages or path.startswith(("models/ARM", "reports/evaluate/ARM")), path


def test_an_experiment_runs_beside_the_workspace_and_is_shown(by_dvc: Path) -> None:
    before = (by_dvc / "dvc.lock").read_bytes()
    # a cheap one; the README's own changes rlp.group_size and re-runs twelve stages
    command = ["exp", "run", "--temp", "-n", "narrow", "-S", "compare.confidence=0.9"]
    checkout.run(by_dvc, "dvc", *command)
    assert (by_dvc / "dvc.lock").read_bytes() == before
    shown = checkout.run(by_dvc, "dvc", "exp", "show", "--only-changed", "--md")
    assert "narrow" in shown
    assert "0.9" in shown


def test_metrics_and_plots_are_compared_with_the_last_commit(by_dvc: Path, tmp_path: Path) -> None:
    root = tmp_path / "changed"
    shutil.copytree(by_dvc, root, symlinks=True)
    params = checkout.micro_params()
    params["compare"]["resamples"] = 300
    checkout.write_params(root, params)
    checkout.run(root, "dvc", "repro", "compare")
    changed = json.loads(checkout.run(root, "dvc", "metrics", "diff", "--json"))
    assert "reports/comparison.json" in changed
    plots = checkout.run(root, "dvc", "plots", "diff", "--targets", "reports/rlp/steps.csv")
    assert "index.html" in plots


def test_a_pushed_run_is_pulled_in_a_fresh_clone(by_dvc: Path, tmp_path: Path) -> None:
    store, clone = tmp_path / "store", tmp_path / "clone"
    checkout.run(by_dvc, "dvc", "remote", "add", "-f", "-d", "--local", "store", str(store))
    checkout.run(by_dvc, "dvc", "push")
    checkout.git(tmp_path, "clone", "-q", str(by_dvc), str(clone))
    missing = checkout.run(clone, "dvc", "data", "status", "--unchanged")
    assert "not in cache" in missing.lower()
    checkout.run(clone, "dvc", "remote", "add", "-d", "--local", "store", str(store))
    checkout.run(clone, "dvc", "pull")
    assert "Running stage" not in checkout.run(clone, "dvc", "repro")
    index = Path("reports/index.html")
    assert (clone / index).read_bytes() == (by_dvc / index).read_bytes()


def test_a_model_is_watched_while_it_thinks(by_dvc: Path) -> None:
    said = checkout.run(by_dvc, "rlp_core.cli", "think", "models/rlp", "Q: 3+4-5\nA:")
    assert "<think>" in said
