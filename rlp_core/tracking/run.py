"""The MLflow run around a stage.

A stage that was killed and started again, with the same parameters, data and code, continues its
run: what is there already is not logged twice. The run record names the piece of work before the
run is made, and the run carries that name from its first moment: a kill between the two, or before
the record holds the run's id, still finds the run.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rlp_core.arms import declared
from rlp_core.errors import OutputError, TryAgainError
from rlp_core.files import write_json
from rlp_core.tracking import lineage
from rlp_core.tracking.address import shown, tracking_uri
from rlp_core.tracking.lost import PROCESS, end_lost_runs_in, ownership
from rlp_core.tracking.store import Store, connect
from rlp_core.tracking.tracker import Tracker
from rlp_core.workspace import Workspace

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from rlp_core.params import Params

_SAMPLE_SECONDS = 5.0  # between samples of the system's metrics
_WORK = "rlp.work"


@contextlib.contextmanager
def open_run(stage: str, params: Params, workspace: Workspace) -> Iterator[Tracker]:
    """Open the run of a stage, yield its tracker, and end the run with what became of it.

    Runs of this workspace that a killed process left running are ended first. Writes the run
    record (`.rlp/runs/STAGE.json`): process id, run id, fingerprint, the
    work that several attempts may share, and digests.
    """
    started = time.time()
    spec = lineage.stage_spec(stage, params, workspace)
    parameters = lineage.stage_parameters(spec, params)
    inputs = lineage.digests(spec.deps if spec else (), workspace)
    record: dict[str, Any] = {
        "pid": os.getpid(),
        "fingerprint": lineage.fingerprint(stage, parameters, inputs),
        "tracking_uri": None,
    }
    if params.runtime.tracking:
        record["tracking_uri"] = shown(tracking_uri(workspace), workspace)
    earlier = _unfinished(stage, workspace, record)
    record["work"] = earlier or uuid.uuid4().hex
    write_json(workspace.run_record(stage), record)
    store = connect(workspace, params)
    tracker = _begin(store, stage, workspace, record["work"], again=earlier is not None)
    if store is not None:
        end_lost_runs_in(store, workspace)
    tracker.fingerprint = record["fingerprint"] if spec else None
    record["mlflow_run_id"] = tracker.run_id
    write_json(workspace.run_record(stage), record)
    _describe(tracker, stage, workspace, parameters, inputs, record["fingerprint"])
    status = "FAILED"
    try:
        with _system_metrics(tracker):
            yield tracker
        status = "FINISHED"
    except (KeyboardInterrupt, TryAgainError):
        status = "KILLED"
        raise
    finally:
        outputs = lineage.digests(spec.outs, workspace) if spec and status == "FINISHED" else {}
        _note_outputs(stage, workspace, record, outputs)
        within = lineage.read_within(spec, workspace) if spec and outputs else ()
        made = outputs | lineage.digests(within, workspace)
        tracker.tags({f"dvc.out.{path}.md5": digest for path, digest in made.items()})
        tracker.metrics({"wall_seconds": time.time() - started} | _process_metrics())
        tracker.close(status)


def _note_outputs(
    stage: str, workspace: Workspace, record: Mapping[str, Any], outputs: Mapping[str, str]
) -> None:
    """Add the outputs to the run record. A disk that is full now must not hide what went before."""
    try:
        write_json(workspace.run_record(stage), {**record, "outputs": dict(outputs)})
    except OutputError as error:
        print(f"warning: no outputs in the run record: {error}", file=sys.stderr)


def _begin(
    store: Store | None, stage: str, workspace: Workspace, work: str, *, again: bool
) -> Tracker:
    """Continue the run of an attempt that did not end well, or create one."""
    if store is None or not store.open:
        return Tracker(store, None, workspace, stage)
    owner = ownership(workspace)
    if again:
        mine = f"tags.`{_WORK}` = '{work}'"
        found = store.call(
            "the search for the run to continue",
            lambda client: client.search_runs([store.experiment_id], mine, max_results=1),
        )
        if found:
            run_id = found[0].info.run_id

            def reopen(client: MlflowClient) -> None:
                client.set_tag(run_id, PROCESS, owner[PROCESS])  # first: it is not lost any more
                client.update_run(run_id, status="RUNNING")

            store.call(f"the run of stage {stage} as running", reopen)
            tracker = Tracker(store, run_id, workspace, stage)
            tracker.continue_from(found[0].data._metric_objs)
            return tracker
    tags = {_WORK: work, "rlp.stage": stage, **owner}
    made = store.call(
        f"the run of stage {stage}",
        lambda client: client.create_run(store.experiment_id, tags=tags, run_name=stage),
    )
    return Tracker(store, made.info.run_id if made else None, workspace, stage)


def _unfinished(stage: str, workspace: Workspace, record: Mapping[str, Any]) -> str | None:
    """The work of an earlier attempt with the same inputs that was killed or failed."""
    try:
        earlier = json.loads(workspace.run_record(stage).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    same = all(earlier.get(key) == record[key] for key in ("fingerprint", "tracking_uri"))
    work: str | None = earlier.get("work")
    return work if same and earlier.get("exit_code") != 0 else None


def _describe(
    tracker: Tracker,
    stage: str,
    workspace: Workspace,
    parameters: Mapping[str, str],
    inputs: Mapping[str, str],
    fingerprint: str,
) -> None:
    if not tracker.active:
        return
    tracker.parameters(parameters)
    tags = {
        "rlp.stage": stage,
        "rlp.fingerprint": fingerprint,
        "mlflow.source.name": f"rlp_core.stage {stage}",
        "mlflow.source.type": "LOCAL",
    }
    _, _, arm = stage.partition("@")
    tags |= {"rlp.arm": arm} if arm else {}
    shown_as = declared().of_stage(stage)
    tags |= {"mlflow.runColor": shown_as.colour.light} if shown_as else {}
    tags |= lineage.git_tags(workspace.root)
    tags |= {f"dvc.dep.{path}.md5": digest for path, digest in inputs.items()}
    for variable, tag in (
        ("RLP_PARENT_RUN_ID", "mlflow.parentRunId"),
        ("RLP_PREFECT_FLOW_RUN_ID", "prefect.flow_run_id"),
    ):
        if os.environ.get(variable):
            tags[tag] = os.environ[variable]
    tracker.tags(tags)


@contextlib.contextmanager
def _system_metrics(tracker: Tracker) -> Iterator[None]:
    """Sample processor, memory, disk and GPU while the stage runs."""
    if tracker.store is None or not tracker.active:
        yield
        return
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    monitor: Any = SystemMetricsMonitor(  # type: ignore[no-untyped-call]
        tracker.run_id,
        sampling_interval=_SAMPLE_SECONDS,
        resume_logging=True,
        tracking_uri=tracker.store.uri,
    )
    monitor.start()
    try:
        yield
    finally:
        monitor.finish()


def _process_metrics() -> dict[str, float]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return {
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "peak_memory_mib": used.ru_maxrss / unit,
    }
