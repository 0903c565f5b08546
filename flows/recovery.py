"""Flow runs whose process is gone, and what they left "running": ended at the next start.

A flow holds a lock on a file of its own for as long as it runs. The kernel frees the lock when the
process dies, however it dies, so a file whose lock is free was left by a run that may have reported
nothing. If Prefect does not know its end, it is marked as crashed, which frees its concurrency slot
at once; its runs in MLflow are ended, as the next run of any stage would end them.

`python -m flows.worker` does this before it takes work, and every flow does it when it begins.
"""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from rlp_core.files import replacing_file
from rlp_core.params import Params
from rlp_core.tracking import end_lost_runs
from rlp_core.workspace import Workspace

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

MESSAGE = "its process is gone"


@contextlib.contextmanager
def claimed(workspace: Workspace, flow_run: str) -> Iterator[None]:
    """Hold the lock that says that this flow run is alive; without an id there is nothing to hold.

    The file gets its name after it is locked: no other process ever sees it free. It is removed
    after success alone: whether a failure was reported to Prefect is not known yet.
    """
    if not flow_run:
        yield
        return
    path = _folder(workspace) / f"{flow_run}.lock"
    with contextlib.ExitStack() as stack:
        with replacing_file(path) as temporary:
            handle = stack.enter_context(temporary.open("w"))
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
        path.unlink(missing_ok=True)


def recover(workspace: Workspace, params: Params, say: Callable[[str], None]) -> list[str]:
    """End what flow runs of this workspace left open whose process is gone.

    Args:
        say: is told of each.

    Returns:
        The ids of the flow runs that were marked as crashed.
    """
    from prefect.client.orchestration import get_client

    crashed: list[str] = []
    with contextlib.ExitStack() as stack:
        lost = {
            path.stem: path
            for path in sorted(_folder(workspace).glob("*.lock"))
            if _freed(path, stack) and _is_id(path.stem)
        }
        if not lost:
            return []
        end_lost_runs(workspace, params)
        with get_client(sync_client=True) as client:
            for flow_run, path in lost.items():
                if _crash(client, flow_run):
                    crashed.append(flow_run)
                    say(f"flow run {flow_run} was left running: {MESSAGE}; it is crashed now")
                path.unlink(missing_ok=True)
    return crashed


def _crash(client: SyncPrefectClient, flow_run: str) -> bool:
    """Mark a flow run and its task runs as crashed, unless it has ended or the server has none."""
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
    from prefect.exceptions import ObjectNotFound
    from prefect.states import Crashed

    try:
        found = client.read_flow_run(UUID(flow_run))
    except ObjectNotFound:
        return False
    if found.state is not None and found.state.is_final():
        return False
    client.set_flow_run_state(found.id, Crashed(message=MESSAGE), force=True)
    chosen = FlowRunFilter(id=FlowRunFilterId(any_=[found.id]))
    for task in client.read_task_runs(flow_run_filter=chosen):
        if task.state is not None and not task.state.is_final():
            client.set_task_run_state(task.id, Crashed(message=MESSAGE), force=True)
    return True


def _freed(path: Path, stack: contextlib.ExitStack) -> bool:
    """Whether nobody holds the lock; it is then ours until the stack ends."""
    try:
        handle = stack.enter_context(path.open("r+"))
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (FileNotFoundError, BlockingIOError):  # it ended, or it is alive
        return False
    return True


def _is_id(name: str) -> bool:
    try:
        UUID(name)
    except ValueError:
        return False
    return True


def _folder(workspace: Workspace) -> Path:
    return workspace.private / "flow-runs"
