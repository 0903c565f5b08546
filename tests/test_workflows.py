"""The scheduled jobs: each step is a target of the Makefile, and one of them runs what is slow."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))


def steps() -> dict[str, list[str]]:
    """What each workflow runs, by its file."""
    found = {}
    for path in sorted((ROOT / ".github" / "workflows").glob("*.yaml")):
        tree: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        asked = [step for job in tree["jobs"].values() for step in job["steps"]]
        found[path.name] = [step["run"] for step in asked if "run" in step]
    return found


def test_every_step_is_a_target_of_the_makefile() -> None:
    for name, lines in steps().items():
        assert lines, name
        for line in lines:
            command, *targets = line.split()
            assert command == "make", f"{name}: {line}"
            assert set(targets) <= TARGETS, f"{name}: {line}"


def test_what_is_slow_runs_at_night() -> None:
    assert "make test-all" in steps()["test-all.yaml"]
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").split("\ntest-all:")[1]
    assert recipe.splitlines()[1].strip() == "@$(TESTS) $(PYTEST)"  # nothing is left out
