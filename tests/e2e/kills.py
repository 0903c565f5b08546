"""Run stages in processes that are killed until one of them ends: for `test_resume`.

To import everything takes seconds, so this process imports once and forks for each attempt. What
is killed is a process of its own, by SIGKILL, and runs the real stage from its entry point.

It reads orders from standard input, one JSON object a line, `{"root", "stage", "kills", "seed",
"log"}`, and answers each with the attempts' exit codes. Without kills the stage runs once.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from rlp_core import stage
from rlp_core.workspace import Workspace

POLL_SECONDS = 0.001
STAGES = ("prepare", "base", "bootstrap", "rlp", "cpt")


class Instant:
    """When to kill: some time after something is to be seen on the disk."""

    def __init__(self, delay: float) -> None:
        self.delay = delay

    def reached(self) -> bool:
        return True


class Saves(Instant):
    """After some more saves were begun."""

    def __init__(self, scratch: Path, wanted: int, delay: float) -> None:
        super().__init__(delay)
        self.scratch, self.wanted = scratch, wanted
        self.before: set[str] | None = None
        self.seen: set[str] = set()

    def reached(self) -> bool:
        found = {path.name.lstrip(".")[:17] for path in self.scratch.glob("*/*step-*")}
        if self.before is None:
            self.before = found
        self.seen |= found - self.before
        return len(self.seen) >= self.wanted


class Output(Instant):
    """After the model began to be written."""

    def __init__(self, model: Path, delay: float) -> None:
        super().__init__(delay)
        self.model = model

    def reached(self) -> bool:
        return any(self.model.parent.glob(f".{self.model.name}.*"))


def instants(name: str, workspace: Workspace, choose: random.Random, kills: int) -> list[Instant]:
    """At the start, in training (in a save as well), and where the outputs are written."""
    scratch = workspace.private / "scratch" / name
    starting = [Instant(choose.uniform(0.0, 1.0)) for _ in range(kills // 4)]
    training = [
        Saves(scratch, choose.randint(1, 3), choose.uniform(0.0, 0.03))
        for _ in range(kills - 1 - len(starting))
    ]
    found = [*starting, *training]
    choose.shuffle(found)
    return [*found, Output(workspace.model(name), choose.uniform(0.0, 0.02))]


def attempt(name: str, instant: Instant | None, log: str) -> int:
    """Fork a stage and kill it at an instant, or never; returns its exit code."""
    child = os.fork()
    if child == 0:
        run_and_exit(name, log)
    while instant is not None and not instant.reached():
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(POLL_SECONDS)
    if instant is not None:
        time.sleep(instant.delay)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def run_and_exit(name: str, log: str) -> None:
    """The stage, as `python -m rlp_core.stage NAME` runs it, its lines appended to a file."""
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    code = 1
    try:
        code = stage.main([name])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def obey(order: dict[str, str], kills: int, seed: int) -> list[int]:
    """Attempts until one ends by itself; all planned kills come first."""
    os.chdir(order["root"])
    name = order["stage"]
    codes: list[int] = []
    plan = instants(name, Workspace(Path.cwd()), random.Random(seed), kills) if kills else []
    for instant in plan:
        codes.append(attempt(name, instant, order["log"]))
        if codes[-1] != -signal.SIGKILL:
            return codes
    return [*codes, attempt(name, None, order["log"])]


def main() -> None:
    """Import what the stages will need, then obey."""
    for module in (
        "mlflow.system_metrics.system_metrics_monitor",
        "mlflow.store.tracking.sqlalchemy_store",
        "transformers.models.qwen3.modeling_qwen3",
        *(f"rlp_core.stages.{name}" for name in STAGES),
    ):
        importlib.import_module(module)
    for line in sys.stdin:
        order = json.loads(line)
        codes = obey(order, int(order.pop("kills")), int(order.pop("seed")))
        print(json.dumps(codes), flush=True)


if __name__ == "__main__":
    main()
