"""The flows: one for each phase, and `rlp-pipeline`, which chains them all.

With a Prefect server and a worker they are deployed by `prefect.yaml`. Without either,
`python -m flows.pipeline` runs them on a private server that lives as long as the command.

The whole pipeline is one walk of the graph with the phases as tags, not six flows in a row: a
stage starts as soon as what it needs is there, so `evaluate@base` runs beside `rlp`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from prefect import flow, get_run_logger, runtime
from prefect.artifacts import create_markdown_artifact
from prefect.futures import PrefectFuture

from flows import gpus, recovery
from flows.graph import PHASES, Stage, in_phases, load_graph
from flows.lock import sort_lock
from flows.plan import PlannedStage, as_markdown, make_plan, summary
from flows.schedule import Limits, alone, walk
from flows.stage_task import Run, StageFailedError, stage_task
from rlp_core import process, quiet
from rlp_core.checks import check
from rlp_core.errors import UsageError
from rlp_core.params import Params, load
from rlp_core.threads import cores
from rlp_core.tracking import close_pipeline_run, note_reused, open_pipeline_run
from rlp_core.workspace import Workspace


@flow(name="rlp-pipeline", persist_result=False)
def rlp_pipeline(max_parallel: int = 2, gpu_slots: int = 1) -> None:
    """From raw data to a compared, registered model.

    Args:
        max_parallel: stages at once, at most.
        gpu_slots: GPUs to share out among the stages that use some; ignored where there is none.
    """
    run_phases(PHASES, max_parallel, gpu_slots)


@flow(name="validate-data", persist_result=False)
def validate_data(max_parallel: int = 2, gpu_slots: int = 1) -> None:
    """Make or read the records, and let only sound ones in."""
    run_phases(("validate-data",), max_parallel, gpu_slots)


@flow(name="il-bootstrap", persist_result=False)
def il_bootstrap(max_parallel: int = 2, gpu_slots: int = 1) -> None:
    """The base model, and imitation of experts who think."""
    run_phases(("il-bootstrap",), max_parallel, gpu_slots)


@flow(name="rlp-pretrain", persist_result=False)
def rlp_pretrain(max_parallel: int = 2, gpu_slots: int = 1) -> None:
    """Reinforcement as a pretraining objective, and its compute-matched control."""
    run_phases(("rlp-pretrain",), max_parallel, gpu_slots)


@flow(name="fine-tune", persist_result=False)
def fine_tune(max_parallel: int = 2, gpu_slots: int = 1) -> None:
    """The same fine-tuning for every arm."""
    run_phases(("fine-tune",), max_parallel, gpu_slots)


@flow(name="evaluate", persist_result=False)
def evaluate(max_parallel: int = 2, gpu_slots: int = 1) -> None:
    """Measure every arm, and compare them."""
    run_phases(("evaluate",), max_parallel, gpu_slots)


@flow(name="promote", persist_result=False)
def promote(max_parallel: int = 2, gpu_slots: int = 1) -> None:
    """Register the winner, and make it champion if the gate holds."""
    run_phases(("promote",), max_parallel, gpu_slots)


FLOWS = {
    item.name: item
    for item in (
        rlp_pipeline,
        validate_data,
        il_bootstrap,
        rlp_pretrain,
        fine_tune,
        evaluate,
        promote,
    )
}


def run_phases(phases: tuple[str, ...], max_parallel: int, gpu_slots: int) -> None:
    """Bring the stages of some phases up to date in the checkout of the current folder.

    Raises:
        RlpError: a parameter, the graph or the workspace is at fault, or a stage failed.
    """
    quiet.apply()
    process.allow_start()
    workspace = Workspace(Path.cwd())
    with recovery.claimed(workspace, str(runtime.flow_run.id or "")):
        params = load(workspace.params)
        check(params, workspace.root, data="validate-data" in phases)
        stages = load_graph(workspace.root)
        recovery.recover(workspace, params, get_run_logger().warning)
        _bring_up_to_date(workspace, params, stages, phases, max_parallel, gpu_slots)


def _bring_up_to_date(
    workspace: Workspace,
    params: Params,
    stages: tuple[Stage, ...],
    phases: tuple[str, ...],
    max_parallel: int,
    gpu_slots: int,
) -> None:
    logger = get_run_logger()
    chosen = in_phases(stages, phases)
    whole = make_plan(workspace.root, stages, logger.warning)
    plan = tuple(line for line in whole if line.stage in chosen)
    create_markdown_artifact(
        as_markdown(plan), key="rlp-plan", description="What this run will do, and why"
    )
    logger.info("plan: %s", summary(plan))
    _refuse_stale_input(whole, chosen)
    with _pipeline_run(workspace, params, plan) as run:
        devices = (params.runtime.device, params.runtime.ema_device)
        limits = Limits(max_parallel, gpus.slots(gpu_slots, devices, logger.warning))
        threads = min(params.runtime.threads * max_parallel, max(cores(), params.runtime.threads))
        reused = _run_stages(plan, limits, run, threads)
        sort_lock(workspace.root, [stage.name for stage in stages])
        # Stages that did not run have no run of their own: name the ones that made their outputs.
        note_reused(workspace, params, run.parent_run or None, reused)
    _publish_comparison(workspace)


def _run_stages(
    plan: tuple[PlannedStage, ...], limits: Limits, run: Run, threads: int
) -> list[str]:
    """Run the plan; return the names of the stages whose command did not have to run.

    Args:
        threads: CPU threads for a stage that runs alone.
    """
    by_themselves = alone(tuple(line.stage for line in plan if not line.fresh))
    fresh = {line.stage.name: line.fresh for line in plan}
    futures: dict[str, PrefectFuture[bool]] = {}

    def start(stage: Stage, given: tuple[str, ...], finished: Callable[[bool], None]) -> None:
        options = stage_task.with_options(retries=stage.meta.retries, tags=[stage.meta.phase])
        above = [futures[name] for name in stage.upstream if name in futures]
        place = replace(run, gpus=given, threads=threads if stage.name in by_themselves else 0)
        future = options.submit(stage, place, fresh[stage.name], wait_for=above, return_state=False)
        futures[stage.name] = future
        future.add_done_callback(lambda done: _tell(done, finished))

    try:
        unfinished = walk(tuple(line.stage for line in plan), limits, start)
    except BaseException:  # cancelled, or Ctrl-C: no process may outlive the flow
        process.end_all()
        raise
    if unfinished:
        _raise_failure(unfinished, futures)
    return [name for name, future in futures.items() if not future.result()]


def _tell(future: PrefectFuture[bool], finished: Callable[[bool], None]) -> None:
    good = False
    try:
        future.wait()
        good = future.state.is_completed()
    finally:
        finished(good)


def _raise_failure(unfinished: list[str], futures: dict[str, PrefectFuture[bool]]) -> None:
    """Raise the first stage's error, with what did not run because of it."""
    failure = futures[unfinished[0]].result(raise_on_failure=False)
    if not isinstance(failure, StageFailedError):
        raise RuntimeError(f"stage {unfinished[0]} failed: {failure}")
    if left := [name for name in unfinished if name not in futures]:
        get_run_logger().error("not started: %s", ", ".join(left))
    raise failure


def _refuse_stale_input(whole: tuple[PlannedStage, ...], chosen: tuple[Stage, ...]) -> None:
    """A phase run by itself needs the phases above it up to date."""
    names = {stage.name for stage in chosen}
    needed = {name for stage in chosen for name in stage.upstream} - names
    for line in whole:
        if line.stage.name in needed and not line.fresh:
            raise UsageError(
                f"stage {line.stage.name}, which this phase reads, is not up to date: {line.why}",
                where=f"phase {line.stage.meta.phase}",
                fix=f"run that phase first (`--phase {line.stage.meta.phase}`), or rlp-pipeline",
            )


@contextmanager
def _pipeline_run(
    workspace: Workspace, params: Params, plan: tuple[PlannedStage, ...]
) -> Iterator[Run]:
    """The MLflow run that the stages' runs become children of; none if there is nothing to do."""
    flow_run = str(runtime.flow_run.id or "")
    if all(line.fresh for line in plan):
        yield Run(str(workspace.root), flow_run=flow_run)
        return
    flow = runtime.flow_run.flow_name or "pipeline"
    tags = {
        "prefect.flow_run_id": flow_run,
        "prefect.flow_run_name": runtime.flow_run.name or "",
        "prefect.flow": flow,
    }
    parent = open_pipeline_run(workspace, params, flow, tags)
    succeeded = False
    try:
        yield Run(str(workspace.root), parent_run=parent or "", flow_run=flow_run)
        succeeded = True
    finally:
        close_pipeline_run(workspace, params, parent, succeeded)


def _publish_comparison(workspace: Workspace) -> None:
    """Show the comparison on the flow run's page, where there is one."""
    path = workspace.reports / "comparison.md"
    if path.is_file():
        create_markdown_artifact(
            path.read_text(encoding="utf-8"),
            key="rlp-comparison",
            description="The arms, compared",
        )
