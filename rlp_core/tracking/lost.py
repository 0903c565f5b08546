"""Runs whose process was killed: MLflow would show them as running for ever.

Every run carries the process that opened it and the workspace it belongs to. Whoever opens the
next run of the same workspace ends those whose process is gone.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from rlp_core.errors import EXIT_INTERRUPTED, EXIT_TRY_AGAIN
from rlp_core.tracking.process import Process, workspace_id
from rlp_core.tracking.store import Store, connect
from rlp_core.workspace import Workspace

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

    from rlp_core.params import Params

PROCESS = "rlp.process"
WORKSPACE = "rlp.workspace"


def ownership(workspace: Workspace) -> dict[str, str]:
    """The tags by which `end_lost_runs` knows a run's process and workspace."""
    return {PROCESS: str(Process.this()), WORKSPACE: workspace_id(workspace)}


def end_lost_runs(workspace: Workspace, params: Params) -> list[str]:
    """End what killed processes left running in this workspace; a line on standard error says so.

    A run ends as `KILLED`, at the time of its last metric; one whose stage came to its end but
    could not tell the store, as the stage did. Runs of another machine are left alone: whether
    their process lives cannot be known here.

    Returns:
        The ids of the runs that were ended; none with `runtime.tracking` off or the store away.
    """
    store = connect(workspace, params)
    return end_lost_runs_in(store, workspace) if store is not None else []


def end_lost_runs_in(store: Store, workspace: Workspace) -> list[str]:
    """As `end_lost_runs`, in a store that is open already."""
    if not store.open:
        return []
    mine = f"tags.`{WORKSPACE}` = '{workspace_id(workspace)}'"
    running = store.call("the search for lost runs", partial(_running, store.experiment_id, mine))
    ended: dict[str, str] = {}
    for run in running or []:
        process = Process.read(run.data.tags.get(PROCESS, ""))
        if process is None or not process.is_gone():
            continue
        name = run.info.run_name or run.info.run_id
        if store.call(f"the end of run {name}", partial(_end, run, _status(run, workspace))):
            ended[run.info.run_id] = name
    if ended:
        names = ", ".join(sorted(ended.values()))
        print(f"MLflow: ended runs whose process is gone: {names}", file=sys.stderr, flush=True)
    return list(ended)


def _running(experiment: str, mine: str, client: MlflowClient) -> list[Run]:
    found: list[Run] = []
    token: str | None = None
    while True:
        page = client.search_runs(
            [experiment], f"attributes.status = 'RUNNING' and {mine}", page_token=token
        )
        found += page
        token = page.token
        if not token:
            return found


def _status(run: Run, workspace: Workspace) -> str:
    """How the run's stage ended, by its record; killed where the record does not say."""
    stage = run.data.tags.get("rlp.stage", "")
    try:
        record: dict[str, Any] = json.loads(workspace.run_record(stage).read_text("utf-8"))
    except (OSError, ValueError):
        return "KILLED"
    if record.get("mlflow_run_id") != run.info.run_id or "exit_code" not in record:
        return "KILLED"
    code = record["exit_code"]
    if code in (EXIT_TRY_AGAIN, EXIT_INTERRUPTED):
        return "KILLED"
    return "FINISHED" if code == 0 else "FAILED"


def _end(run: Run, status: str, client: MlflowClient) -> bool:
    last = [metric.timestamp for metric in run.data._metric_objs]
    client.set_terminated(run.info.run_id, status, max([run.info.start_time, *last]))
    return True
