"""Runs a workspace's stages one after the other, without DVC: `--runner stages`.

For a machine that is only to compute. DVC is the usual way: it shares what is equal between
variants, and restores what was computed once. Here a stage is skipped where its own stamp says that
nothing it depends on has changed, and nothing is shared.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rlp_core.files import write_json
from rlp_core.params import Params
from rlp_core.study.graph import in_order, stage_names
from rlp_core.tracking.lineage import StageSpec, digests, fingerprint, stage_parameters, stage_spec
from rlp_core.workspace import Workspace

Command = Callable[[list[str]], int]


def run_stages(
    root: Path, params: Params, until: Sequence[str], command: Command, say: Callable[[str], None]
) -> int:
    """Bring the stages of a workspace up to date, in an order in which each finds its inputs.

    Args:
        root: the workspace.
        params: its parameters.
        until: stages to run to; none: all.
        command: runs a command in the workspace and returns its exit code.
        say: is told what DVC would tell: which stage runs, which is skipped.

    Returns:
        0, or the exit code of the stage that failed; none after it is run.
    """
    workspace = Workspace(root)
    specs = {
        name: spec
        for name in stage_names(root)
        if (spec := stage_spec(name, params, workspace)) is not None
    }
    for name in in_order(specs, until):
        spec = specs[name]
        key = fingerprint(name, stage_parameters(spec, params), digests(spec.deps, workspace))
        if _is_fresh(name, spec, key, workspace):
            say(f"Stage '{name}' didn't change, skipping")
            continue
        say(f"Running stage '{name}':")
        _stamp(name, workspace).unlink(missing_ok=True)
        code = command([sys.executable, "-m", "rlp_core.stage", name])
        if code != 0:
            return code
        write_json(_stamp(name, workspace), {"key": key, "outs": digests(spec.outs, workspace)})
    return 0


def _is_fresh(name: str, spec: StageSpec, key: str, workspace: Workspace) -> bool:
    """Whether the stage ran with the same parameters and inputs, and its outputs are as it left."""
    try:
        found = json.loads(_stamp(name, workspace).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return False
    outs = digests(spec.outs, workspace)
    return bool(found == {"key": key, "outs": outs} and len(outs) == len(spec.outs))


def _stamp(name: str, workspace: Workspace) -> Path:
    return workspace.private / "stamps" / f"{name}.json"
