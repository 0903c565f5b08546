"""The parent run of a pipeline, to which the runs of its stages belong.

A stage that DVC restores from its cache has no new run: the parent then names the run that made
the output, found by the run record or by the output's digest.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from rlp_core.tracking import lineage, naming
from rlp_core.tracking.lost import end_lost_runs_in, ownership
from rlp_core.tracking.store import connect
from rlp_core.workspace import Workspace

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from rlp_core.params import Params


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

    Runs of this workspace that a killed process left running are ended first.

    Returns:
        The run id; None with `runtime.tracking` off or when the store is away (a warning says so).
    """
    store = connect(workspace, params)
    if store is None:
        return None
    end_lost_runs_in(store, workspace)
    name = pipeline_name(workspace, params, flow)
    given = {
        naming.acceptable_name(key): naming.acceptable_text(value, naming.TAG_LENGTH)
        for key, value in tags.items()
    }
    all_tags = {
        **given,
        **lineage.git_tags(workspace.root),
        **ownership(workspace),
        "rlp.stage": "pipeline",
    }
    made = store.call(
        "the pipeline's run",
        lambda client: client.create_run(store.experiment_id, tags=all_tags, run_name=name),
    )
    return str(made.info.run_id) if made else None


def close_pipeline_run(
    workspace: Workspace, params: Params, run_id: str | None, succeeded: bool
) -> None:
    """End a parent run as finished or failed; nothing to do for None."""
    store = connect(workspace, params) if run_id else None
    if store is not None and run_id is not None:
        status = "FINISHED" if succeeded else "FAILED"
        end = "the end of the pipeline's run"
        store.call(end, lambda client: client.set_terminated(run_id, status))


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
            what = f"the search for the run of {stage}"
            run_id = store.call(what, partial(_by_output, store.experiment_id, path, digest))
        if run_id:
            found[stage] = run_id
            key = naming.acceptable_name(f"rlp.reuse.{stage.replace('@', '/')}")
            store.call(f"tag {key}", partial(_tag, parent_run_id, key, run_id))
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
    tag = naming.acceptable_name(f"dvc.out.{path}.md5")
    rows = client.search_runs(
        [experiment],
        f"tags.`{tag}` = '{digest}'",
        order_by=["attributes.start_time DESC"],
        max_results=1,
    )
    return str(rows[0].info.run_id) if rows else None
