"""The MLflow run of a command that a person typed and that belongs to no stage."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from rlp_core.tracking import lineage
from rlp_core.tracking.lost import end_lost_runs_in, ownership
from rlp_core.tracking.store import open_store
from rlp_core.tracking.tracker import Tracker
from rlp_core.workspace import Workspace


@contextlib.contextmanager
def open_command_run(
    command: str, name: str, experiment: str, workspace: Workspace, parameters: Mapping[str, str]
) -> Iterator[Tracker]:
    """Open a run, yield its tracker, and end the run with what became of it.

    Runs of this workspace in the same experiment that a killed process left running are ended
    first. A store that is away is said, and the tracker then takes and drops.

    Args:
        command: `prompts rank`; the run's tag `rlp.command`.
        name: of the run, as MLflow lists it.
        experiment: is made where it is not there.
        workspace: where the store of a checkout lies; it need be none.
        parameters: of the run.
    """
    store = open_store(workspace, experiment)
    made = None
    if store.open:
        end_lost_runs_in(store, workspace)
        tags = {"rlp.command": command, **ownership(workspace), **lineage.git_tags(workspace.root)}
        made = store.call(
            f"the run of `rlp {command}`",
            lambda client: client.create_run(store.experiment_id, tags=tags, run_name=name),
        )
    tracker = Tracker(store, made.info.run_id if made else None, workspace, command)
    tracker.parameters(parameters)
    status = "FAILED"
    try:
        yield tracker
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        tracker.close(status)
