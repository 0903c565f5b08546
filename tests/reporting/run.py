"""A made-up workspace, complete up to stage `compare`."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rlp_core.arms import POST_TRAINING, declared
from rlp_core.files import write_json, write_text
from rlp_core.params import Params, load
from rlp_core.workspace import PARTS, Workspace
from tests.evaluation import arms

PROFILE = Path(__file__).resolve().parents[2] / "profiles" / "tiny.yaml"


@dataclass
class RecordingTracker:
    """Remembers what a stage logs."""

    logged: dict[str, float] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        assert step is None
        self.logged |= values

    def tags(self, values: Mapping[str, str]) -> None:
        assert all(isinstance(value, str) for value in values.values())

    def artifact(self, path: Path) -> None:
        assert path.is_file()
        self.files.append(path)


@dataclass
class Context:
    """What `rlp_core.stage.StageContext` gives a stage."""

    params: Params
    workspace: Workspace
    tracker: RecordingTracker = field(default_factory=RecordingTracker)
    name: str = "compare"


def make(root: Path, resamples: int = 600) -> Context:
    """Write every input of the stage below `root`."""
    workspace = Workspace(root)
    for arm in arms.SKILL:
        arms.write_arm(workspace.report(f"evaluate@{arm}") / "items", arm)
    write_reports(workspace)
    params = load(PROFILE)
    compare = params.compare.model_copy(update={"resamples": resamples})
    return Context(params.model_copy(update={"compare": compare}), workspace)


def write_reports(workspace: Workspace) -> None:
    """Write what the stages before `evaluate` leave."""
    counts = {f"{part}_{what}": 1000 for part in PARTS for what in ("records", "characters")}
    write_json(workspace.report("prepare") / "metrics.json", counts)
    passed: dict[str, Any] = {f"{part}_passed": 990 for part in PARTS}
    passed |= {f"{part}_quarantined": 10 for part in PARTS}
    write_json(workspace.report("validate") / "metrics.json", passed)
    for stage in ("base", "bootstrap", "cpt"):
        write_text(workspace.report(stage) / "steps.csv", _losses(100, stage))
    write_text(workspace.report("rlp") / "steps.csv", _rewards(40))
    flops = {"prefill": 3e9, "decode": 2e10, "ema": 2e9, "update": 6e10, "total": 8.5e10}
    tokens = {"prefill": 30000, "decode": 200000, "ema": 20000, "update": 250000, "total": 500000}
    write_json(workspace.report("rlp") / "ledger.json", {"flops": flops, "tokens": tokens})
    spent = {"flops": 8.49e10, "steps": 70, "tokens": 500000}
    after = [f"{kind}@{arm}" for kind in POST_TRAINING for arm in declared().starts]
    for stage in ("base", "bootstrap", "rlp", "cpt", *after):
        write_json(workspace.report(stage) / "metrics.json", spent)
    source = {"kind": "procedural", "name": "arithmetic", "licence": "CC0-1.0", "records": 1000}
    parts = {part: {"records": 1000, "sources": [source]} for part in PARTS}
    write_json(workspace.prepared / "manifest.json", {"format": 1, "parts": parts})


def _losses(steps: int, stage: str) -> str:
    rng = random.Random(stage)
    lines = [f"{i},{3 * math.exp(-i / 20) + 1 + 0.05 * rng.random():.5f}" for i in range(steps)]
    return "\n".join(["step,loss", *lines]) + "\n"


def _rewards(steps: int) -> str:
    rng = random.Random(7)
    lines = ["step,information_gain,reward_std,thought_tokens,forced,entropy,loss,grad_norm"]
    for i in range(steps):
        gain = 2.3 - 1.5 * math.exp(-i / 10) + 0.1 * rng.random()
        lines.append(f"{i},{gain:.4f},{1.5 - gain / 3:.4f},9.5,0.01,{1 / (i + 2):.4f},0.1,0.8")
    return "\n".join(lines) + "\n"
