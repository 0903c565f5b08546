"""Runs a workspace's stages one after the other, without DVC: `--runner stages`.

For a machine that is only to compute. DVC is the usual way: it restores what was computed once.
Here a stage is skipped where its stamp says that nothing it depends on has changed. Where a stamp
in another workspace of the study fits what is to be computed, the outputs are copied from there.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rlp_core.files import replacing_file, replacing_folder, write_json
from rlp_core.params import Params
from rlp_core.stage import stage_names
from rlp_core.study.graph import in_order
from rlp_core.tracking.lineage import StageSpec, digests, fingerprint, stage_parameters, stage_spec
from rlp_core.workspace import Workspace

Command = Callable[[list[str]], int]


def run_stages(
    root: Path,
    params: Params,
    until: Sequence[str],
    command: Command,
    say: Callable[[str], None],
    others: Sequence[Path] = (),
) -> int:
    """Bring the stages of a workspace up to date, in an order in which each finds its inputs.

    Args:
        root: the workspace.
        params: its parameters.
        until: stages to run to; none: all.
        command: runs a command in the workspace and returns its exit code.
        say: is told what DVC would tell: which stage runs, which is skipped.
        others: workspaces that may have computed the same.

    Returns:
        0, or the exit code of the stage that failed; none after it is run.
    """
    workspace = Workspace(root)
    specs = {
        name: spec
        for name in stage_names()
        if (spec := stage_spec(name, params, workspace)) is not None
    }
    for name in in_order(specs, until):
        spec = specs[name]
        key = fingerprint(name, stage_parameters(spec, params), digests(spec.deps, workspace))
        if _is_fresh(name, spec, key, workspace):
            say(f"Stage '{name}' didn't change, skipping")
            continue
        donors = (Workspace(other) for other in others if other != root)
        donor = next((d for d in donors if _is_fresh(name, spec, key, d)), None)
        if donor is not None:
            say(f"Stage '{name}' is cached - skipping run, its outputs are in {donor.root}")
            _take(spec, donor, workspace)
            _write_stamp(name, spec, key, workspace)
            continue
        say(f"Running stage '{name}':")
        _stamp(name, workspace).unlink(missing_ok=True)
        code = command([sys.executable, "-m", "rlp_core.stage", name])
        if code != 0:
            return code
        _write_stamp(name, spec, key, workspace)
    return 0


def _take(spec: StageSpec, donor: Workspace, workspace: Workspace) -> None:
    """Copy the outputs of a stage from another workspace, each whole or not at all."""
    for out in spec.outs:
        source, target = donor.root / out, workspace.root / out
        if source.is_dir():
            with replacing_folder(target) as temporary:
                shutil.copytree(source, temporary, dirs_exist_ok=True)
        else:
            with replacing_file(target) as temporary:
                shutil.copy2(source, temporary)


def _write_stamp(name: str, spec: StageSpec, key: str, workspace: Workspace) -> None:
    write_json(_stamp(name, workspace), {"key": key, "outs": digests(spec.outs, workspace)})


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
