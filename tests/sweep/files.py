"""A checkout with a sweep in it, and what stands for the stages of its trials."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from rlp_core.files import write_json
from rlp_core.study.planned import StudyRun
from rlp_core.study.runner import RunEnd
from rlp_core.sweep import command, running
from tests.study import files

NAME = "rate"
GRID: dict[str, Any] = {
    "title": "Which rate",
    "profile": "tiny",
    "space": {"rlp.optimizer.lr": [0.001, 0.01], "rlp.estimator": ["rloo", "grpo"]},
    "sampler": {"kind": "grid"},
    "metric": {"stage": "rlp", "name": "final_reward", "direction": "maximize"},
}
RANDOM: dict[str, Any] = GRID | {
    "space": {
        "rlp.optimizer.lr": {"kind": "float", "low": 1e-5, "high": 1e-2, "log": True},
        "rlp.documents": {"kind": "int", "low": 8, "high": 32, "step": 8},
        "rlp.estimator": ["rloo", "grpo"],
    },
    "sampler": {"kind": "random", "seed": 3},
    "trials": 6,
}
TPE: dict[str, Any] = RANDOM | {"sampler": {"kind": "tpe", "seed": 3, "startup_trials": 3}}


def checkout(root: Path, sweep: dict[str, Any] = GRID) -> Path:
    """Write the graph, a profile and the sweep `rate` below `root`."""
    files.checkout(root)
    (root / "sweeps").mkdir()
    write(root, sweep)
    return root


def write(root: Path, sweep: dict[str, Any]) -> None:
    """Write the sweep `rate`, or replace it."""
    text = yaml.safe_dump(sweep, sort_keys=False)
    (root / "sweeps" / f"{NAME}.yaml").write_text(text, encoding="utf-8")


def reward(run: StudyRun) -> float:
    """What a trial measures: a smooth function of its parameters."""
    params = run.params.rlp
    bonus = {"rloo": 0.0, "grpo": 0.5}[params.estimator]
    return bonus - abs(params.optimizer.lr - 0.002) * 100 - params.documents / 100


class Stages:
    """Stands for the runner: measures `reward`, or dies as it is told, and notes what ran."""

    def __init__(
        self,
        dies: Callable[[StudyRun], int] = lambda _: 0,
        measured: Callable[[StudyRun], dict[str, Any]] = lambda run: {"final_reward": reward(run)},
    ) -> None:
        self.dies, self.measured = dies, measured
        self.ran: list[str] = []
        self.lock = threading.Lock()

    def __call__(self, _runner: object, run: StudyRun, _gpu: str | None) -> RunEnd:
        with self.lock:
            self.ran.append(run.variant)
        code = self.dies(run)
        if code == 0:
            write_json(run.folder / "reports" / "rlp" / "metrics.json", self.measured(run))
        return RunEnd(run, code, 1.0, ("some line", "error in stage rlp: collapsed", "  where: x"))

    def stand_in(self, patch: pytest.MonkeyPatch) -> Stages:
        """Take the runner's place, and make no workspace."""
        patch.setattr("rlp_core.study.runner.Runner.__call__", lambda *given: self(*given))
        patch.setattr(running.workspaces, "make", lambda *_: True)
        return self


def run(root: Path, **options: Any) -> tuple[int, str]:
    """Run the sweep; its exit code and what it said."""
    said: list[str] = []
    given = command.SweepOptions(runner="stages", **options)
    code = command.run(root, NAME, given, ["rlp", "sweep", "run", NAME], said.append)
    return code, "\n".join(said)
