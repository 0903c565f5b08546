"""What a run would do, and why, before it does it: `python -m flows.plan`.

DVC says which stages differ from `dvc.lock`; the graph says what follows from that; `meta:` says
what each will ask of the machine. Nothing here decides what runs: DVC does, when its turn comes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from flows.graph import Stage, load_graph
from rlp_core import quiet
from rlp_core.errors import ConfigError, RlpError, TryAgainError

LOCKED = ("Unable to acquire lock", "is busy, it is being blocked by")
SHOWN = 4  # differences named of one stage


@dataclass(frozen=True)
class PlannedStage:
    """A stage and what will become of it.

    Attributes:
        stage: from the graph.
        fresh: neither it nor anything above it differs from `dvc.lock`.
        why: the differences, or the stage above that runs. Where only a stage above runs, DVC
            may still find its outputs unchanged and skip this one.
    """

    stage: Stage
    fresh: bool
    why: str

    @property
    def state(self) -> str:
        return "fresh" if self.fresh else "will run"


def make_plan(
    root: Path,
    stages: tuple[Stage, ...],
    on_wait: Callable[[str], None] | None = None,
) -> tuple[PlannedStage, ...]:
    """Ask DVC for the state of every stage.

    Args:
        on_wait: is told when another DVC command holds the workspace for a moment.

    Raises:
        TryAgainError: another DVC command is running in this workspace.
        ConfigError: `dvc status` failed.
    """
    status = dvc_status(root, on_wait or (lambda _message: None))
    return derive(stages, status, _ran_before(root))


def derive(
    stages: tuple[Stage, ...], status: dict[str, Any], ran_before: frozenset[str]
) -> tuple[PlannedStage, ...]:
    """Combine the graph, in order of running, with what `dvc status --json` said.

    Args:
        ran_before: the stages that `dvc.lock` knows.
    """
    planned: dict[str, PlannedStage] = {}
    for stage in stages:
        differences = [text for entry in status.get(stage.name, []) for text in _words(entry)]
        if stage.name not in ran_before:
            differences = ["has not run here"]
        reasons = differences[:SHOWN]
        if len(differences) > SHOWN:
            reasons.append(f"and {len(differences) - SHOWN} more")
        above = [name for name in stage.upstream if name in planned and not planned[name].fresh]
        if not reasons and above:
            reasons = [f"after {', '.join(above)}"]
        planned[stage.name] = PlannedStage(stage, not reasons, ", ".join(reasons))
    return tuple(planned.values())


def dvc_status(root: Path, on_wait: Callable[[str], None]) -> dict[str, Any]:
    """`dvc status --json`: a list of differences for every stage that has any."""
    finished = _dvc(root, "status", "--json")
    if finished.returncode != 0 and LOCKED[0] in finished.stderr:
        on_wait("another DVC command holds this workspace; waiting for it")
        finished = _dvc(root, "--wait-for-lock", "status", "--json")
    if finished.returncode != 0:
        said = finished.stderr.strip() or finished.stdout.strip()
        if any(text in said for text in LOCKED):
            raise workspace_locked(said)
        raise ConfigError(f"`dvc status` failed: {said}", where=str(root), fix="mend what it names")
    status: dict[str, Any] = json.loads(finished.stdout or "{}")
    return status


def workspace_locked(said: str) -> TryAgainError:
    """The error for a workspace in which another DVC command runs; `said` names its process."""
    return TryAgainError(
        "another DVC command is running in this workspace",
        where=said.removeprefix("ERROR: ").replace("\n", "\n         "),
        fix="wait for it to end, or end it; then run again",
    )


def as_text(plan: tuple[PlannedStage, ...]) -> str:
    """The plan as aligned columns."""
    width = max((len(line.stage.name) for line in plan), default=0)
    rows = [f"{line.stage.name:<{width}}  {line.state:<8}  {line.why}".rstrip() for line in plan]
    return "\n".join([summary(plan), *rows])


def as_markdown(plan: tuple[PlannedStage, ...]) -> str:
    """The plan as a Markdown table, for a Prefect artifact."""
    head = [
        f"**{summary(plan)}**",
        "",
        "| stage | state | why | phase | GPUs | retries | limit, min |",
        "|---|---|---|---|---|---|---|",
    ]
    rows = [
        f"| `{line.stage.name}` | {line.state} | {line.why} | {line.stage.meta.phase} "
        f"| {line.stage.meta.gpus} | {line.stage.meta.retries} "
        f"| {line.stage.meta.timeout_minutes} |"
        for line in plan
    ]
    return "\n".join(head + rows) + "\n"


def summary(plan: tuple[PlannedStage, ...]) -> str:
    """One line: how many stages, how many to run."""
    due = sum(not line.fresh for line in plan)
    return f"{len(plan)} stages: {due} to run, {len(plan) - due} fresh"


def _words(entry: Any) -> list[str]:
    """The differences of one kind: `data/prepared modified`, `changed command`."""
    if not isinstance(entry, dict):
        return [str(entry)]
    found: list[str] = []
    for changes in entry.values():
        for path, change in changes.items():
            if isinstance(change, dict):  # params.yaml: {key: modified}
                found.extend(f"{key} {how}" for key, how in change.items())
            else:
                found.append(f"{path} {change}")
    return found


def _ran_before(root: Path) -> frozenset[str]:
    path = root / "dvc.lock"
    if not path.is_file():
        return frozenset()
    content = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader) or {}
    return frozenset(content.get("stages", {}))


def _dvc(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )


def main() -> int:
    """Print the plan of the checkout in the current folder."""
    quiet.apply()
    try:
        plan = make_plan(
            Path.cwd(), load_graph(Path.cwd()), lambda text: print(text, file=sys.stderr)
        )
    except RlpError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(as_text(plan))
    return 0


if __name__ == "__main__":
    sys.exit(main())
