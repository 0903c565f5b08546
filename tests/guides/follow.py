"""Follows a guide to the letter, in a copy of the checkout."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests import warm
from tests.e2e import checkout

GUIDES = checkout.REPOSITORY / "docs" / "guides"
PROGRAMS = {"rlp": ["-m", "rlp_core.cli"], "python": [], "dvc": ["-m", "dvc"]}


class Follower:
    """A copy of the checkout in which the steps of a guide are taken.

    Attributes:
        root: the copy.
        said: output of every command of the guide, by command.
    """

    def __init__(self, guide: str, root: Path, bring: Callable[[Path], None] | None = None) -> None:
        self.root = checkout.copy_to(root)
        if bring is not None:
            bring(self.root)  # what the guide takes for granted
        self._add_parameters({"runtime": {"tracking": False}})
        checkout.git(self.root, "commit", "-q", "-a", "-m", "Without tracking")
        self.said: dict[str, str] = {}
        text = (GUIDES / guide).read_text(encoding="utf-8")
        for before, language, block in re.findall(r"(.*?)^```(\w+)\n(.*?)^```$", text, re.S | re.M):
            named = re.search(r"Save this as\s+`([\w./-]+)`", before)
            if named:
                path = self.root / named.group(1)
                assert not path.exists()
                path.write_text(block, encoding="utf-8")
            elif language == "python":
                raise AssertionError(f"{guide} does not say where this is saved:\n{block}")
            elif language == "yaml":
                self._add_parameters(yaml.safe_load(block))
            elif language == "bash":
                for command in block.splitlines():
                    self.said[command] = "".join(map(self._run, self._commands(command)))

    def changed(self) -> dict[str, str]:
        """Paths that git sees as new or changed, with its letters for how."""
        listed = self._git("status", "--porcelain", "--untracked-files=all").splitlines()
        return {line[3:]: line[:2].strip() for line in listed}

    def _add_parameters(self, given: Any) -> None:
        path = self.root / "params.yaml"
        params = yaml.safe_load(path.read_text(encoding="utf-8"))
        _add(params, given)
        path.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")

    def _commands(self, line: str) -> list[str]:
        """What a line runs: itself, or the recipe of its target without the installation."""
        if not line.startswith("make "):
            return [line]
        target = line.removeprefix("make ")
        text = (self.root / "Makefile").read_text(encoding="utf-8")
        recipe = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", text, re.M)
        assert recipe is not None, line
        return [step.strip().lstrip("@") for step in recipe[1].splitlines()]

    def _run(self, command: str) -> str:
        program = next(name for name in PROGRAMS if command.startswith(name))
        arguments = [*PROGRAMS[program], *command.removeprefix(program).split()]
        return self.python(*arguments)

    def _git(self, *arguments: str) -> str:
        return self.process("git", *arguments)

    def python(self, *arguments: str) -> str:
        """What a Python program that succeeds prints in the copy."""
        program = sys.executable if arguments[:2] == ("-m", "dvc") else warm.python()
        return self.process(str(program), *arguments)

    def process(self, *command: str) -> str:
        """What a command that succeeds prints in the copy."""
        done = subprocess.run(
            command,
            cwd=self.root,
            env=checkout.with_warm_stages(self.root),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout


def _add(params: dict[str, Any], given: dict[str, Any]) -> None:
    """Put the keys of a guide into parameters; lists grow at their end."""
    for key, value in given.items():
        if isinstance(value, dict):
            _add(params.setdefault(key, {}), value)
        elif isinstance(value, list):
            params[key] += value
        else:
            params[key] = value
