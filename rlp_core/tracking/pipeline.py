"""The parent run of a pipeline, to which the runs of its stages belong.

A stage that DVC restores from its cache has no new run: the parent then names the run that made
the output, found by the run record or by the output's digest.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rlp_core.params import Params
from rlp_core.tracking import lineage
from rlp_core.tracking.store import Store, connect
from rlp_core.workspace import Workspace

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


def pipeline_name(workspace: Workspace, params: Params, flow: str) -> str:
    """What tells one pipeline run from another in a list: `rlp-pipeline, tiny, seed 1`.

    The second part is the profile that `params.yaml` equals, or `own parameters`.
    """
    return f"{flow}, {_profile(workspace) or 'own parameters'}, seed {params.seed}"


def _profile(workspace: Workspace) -> str | None:
    written = workspace.params.read_bytes() if workspace.params.is_file() else b""
    found = sorted((workspace.root / "profiles").glob("*.yaml"))
    return next((path.stem for path in found if path.read_bytes() == written), None)


def open_pipeline_run(
    workspace: Workspace, params: Params, flow: str, tags: Mapping[str, str]
) -> str | None:
    """Open a parent run; its id goes to the stages as `RLP_PARENT_RUN_ID`.

    Runs of stages that a kill left "running" are ended first.

    Returns:
        The run id; None with `runtime.tracking` off or when the store is away (a warning says so).
    """
    store = connect(workspace, params)
    if store is None:
        return None
    _end_killed_stages(store, workspace)
    name = pipeline_name(workspace, params, flow)
    all_tags = {**tags, **lineage.git_tags(workspace.root), "rlp.stage": "pipeline"}
    made = store.call(
        lambda client: client.create_run(store.experiment_id, tags=all_tags, run_name=name)
    )
    return str(made.info.run_id) if made else None


def close_pipeline_run(
    workspace: Workspace, params: Params, run_id: str | None, succeeded: bool
) -> None:
    """End a parent run as finished or failed; nothing to do for None."""
    store = connect(workspace, params) if run_id else None
    if store is not None and run_id is not None:
        status = "FINISHED" if succeeded else "FAILED"
        store.call(lambda client: client.set_terminated(run_id, status))


def end_lost_runs(workspace: Workspace, params: Params, flow_runs: Sequence[str]) -> bool:
    """End what flow runs whose process is gone left "running": the parent, and its stages.

    Args:
        flow_runs: Prefect's ids.

    Returns:
        Whether it is done; False when the store is away.
    """
    store = connect(workspace, params)
    if store is None:
        return True
    for flow_run in flow_runs:
        store.call(partial(_end_running, store.experiment_id, flow_run))
    return store.open


def _end_running(experiment: str, flow_run: str, client: MlflowClient) -> None:
    chosen = f"tags.`prefect.flow_run_id` = '{flow_run}' and attributes.status = 'RUNNING'"
    while rows := client.search_runs([experiment], chosen):
        for row in rows:
            client.set_terminated(row.info.run_id, "KILLED")


def _end_killed_stages(store: Store, workspace: Workspace) -> None:
    """End the runs of stages that were killed, whatever started them, and go on no more.

    Such a stage left a run record without an exit code, and its lock is free. If it is run again
    with the same inputs it goes on in the same run, which is then "running" once more.
    """
    for path in (workspace.private / "runs").glob("*.json"):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            continue  # it is being written, or was torn: the stage's next attempt writes it anew
        run_id = record.get("mlflow_run_id")
        lock = workspace.private / "locks" / f"{path.stem}.lock"
        if run_id and "exit_code" not in record and _is_free(lock):
            store.call(partial(_end_one, run_id))


def _end_one(run_id: str, client: MlflowClient) -> None:
    if client.get_run(run_id).info.status == "RUNNING":
        client.set_terminated(run_id, "KILLED")


def _is_free(lock: Path) -> bool:
    try:
        with lock.open("r+") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return True
    except BlockingIOError:
        return False
    return True


def note_reused(
    workspace: Workspace, params: Params, parent_run_id: str | None, stages: Iterable[str]
) -> dict[str, str]:
    """Tag the parent with the run that made each reused output: `rlp.reuse.STAGE` = run id.

    MLflow allows no `@` in a tag: `evaluate@rlp` becomes `rlp.reuse.evaluate/rlp`.

    Returns:
        The runs found, by stage. A stage whose run is not in this store is left out.
    """
    store = connect(workspace, params) if parent_run_id else None
    if store is None or parent_run_id is None:
        return {}
    found: dict[str, str] = {}
    for stage in stages:
        outputs = _current_outputs(stage, params, workspace)
        run_id = _from_record(stage, workspace, outputs)
        if run_id is None and outputs:
            path, digest = next(iter(outputs.items()))
            run_id = store.call(partial(_by_output, store.experiment_id, path, digest))
        if run_id:
            found[stage] = run_id
            key = f"rlp.reuse.{stage.replace('@', '/')}"
            store.call(partial(_tag, parent_run_id, key, run_id))
    return found


def _current_outputs(stage: str, params: Params, workspace: Workspace) -> dict[str, str]:
    spec = lineage.stage_spec(stage, params, workspace)
    return lineage.digests(spec.outs, workspace) if spec else {}


def _from_record(stage: str, workspace: Workspace, outputs: Mapping[str, str]) -> str | None:
    """The run in the stage's record, if it made the outputs that lie here now."""
    try:
        record = json.loads(workspace.run_record(stage).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    same = outputs and record.get("outputs") == dict(outputs)
    return record.get("mlflow_run_id") if same else None


def _tag(run_id: str, key: str, value: str, client: MlflowClient) -> None:
    client.set_tag(run_id, key, value)


def _by_output(experiment: str, path: str, digest: str, client: MlflowClient) -> str | None:
    rows = client.search_runs(
        [experiment],
        f"tags.`dvc.out.{path}.md5` = '{digest}'",
        order_by=["attributes.start_time DESC"],
        max_results=1,
    )
    return str(rows[0].info.run_id) if rows else None
