"""A sweep in MLflow: one parent run, a child for each trial, and below it the runs of its stages.

A sweep that goes on takes its runs up again; a trial that is begun once more has one run still.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Literal

from rlp_core.tracking import lineage, naming
from rlp_core.tracking.lost import PROCESS, end_lost_runs_in, ownership
from rlp_core.tracking.store import connect
from rlp_core.tracking.tracker import Tracker
from rlp_core.workspace import Workspace

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from rlp_core.params import Params

TRIAL = "rlp.trial"
"""Tag of a trial's run: its number in the sweep."""

_SWEEP, _KEY = "rlp.sweep", "rlp.sweep_key"

End = Literal["FINISHED", "FAILED", "KILLED"]


class SweepRuns:
    """The runs of one sweep. Where the store is away, a warning says so once and nothing is logged.

    Attributes:
        parent: id of the sweep's run, or None.
    """

    def __init__(self, workspace: Workspace, params: Params, name: str, key: str) -> None:
        """Open the sweep's run, or go on with it; nothing with `runtime.tracking` off.

        Args:
            workspace: the checkout.
            params: what all trials begin with.
            name: of the sweep, for a list of runs.
            key: of its trials, by which their runs are found again.
        """
        self.workspace = workspace
        self._identity = {_SWEEP: name, _KEY: key}
        self.store = connect(workspace, params)
        self._open: dict[int, Tracker] = {}
        self.parent = None
        if self.store is not None:
            end_lost_runs_in(self.store, workspace)
            self.parent = self._run(f"sweep, {name}", {"rlp.stage": "sweep"}, {})

    def begin(self, number: int, title: str, values: Mapping[str, str]) -> str | None:
        """Open the run of a trial, or go on with it; returns its id, for the stages' own runs.

        Args:
            number: of the trial.
            title: what a list of runs shows.
            values: of the parameters of the space.
        """
        if self.store is None or self.parent is None:
            return None
        below = {"mlflow.parentRunId": self.parent}
        run_id = self._run(title, {"rlp.stage": "trial", TRIAL: str(number)}, below)
        tracker = Tracker(self.store, run_id, self.workspace, "trial")
        tracker.parameters(values)
        self._open[number] = tracker
        return run_id

    def end(self, number: int, status: End, metrics: Mapping[str, float], why: str = "") -> None:
        """End the run of a trial: with the number it is judged by, or why it has none."""
        tracker = self._open.pop(number, None)
        if tracker is None or self.store is None or tracker.run_id is None:
            return
        self._metrics(tracker.run_id, metrics)
        tracker.tags({"rlp.ended": why} if why else {})
        tracker.close(status)

    def close(self, status: End, best: Mapping[str, float]) -> None:
        """End the sweep's run, with the best value; trials under way end as killed, to go on."""
        for number in list(self._open):
            self.end(number, "KILLED", {})
        if self.store is None or self.parent is None:
            return
        self._metrics(self.parent, best)
        parent = self.parent
        self.store.call("the end of the sweep", lambda to: to.set_terminated(parent, status))

    def _metrics(self, run_id: str, values: Mapping[str, float]) -> None:
        """Log what is judged as `sweep/NAME`: of a trial its own, of the sweep the best."""
        for name, value in values.items():
            key = naming.acceptable_name(f"sweep/{name}")
            if self.store is not None:
                self.store.call(f"metric {key}", partial(_metric, run_id, key, value))

    def _run(self, title: str, own: Mapping[str, str], below: Mapping[str, str]) -> str | None:
        """The run of this sweep with these tags, as running again; or a new one."""
        assert self.store is not None
        owner, identity = ownership(self.workspace), {**self._identity, **own}
        wanted = " and ".join(f"tags.`{key}` = '{value}'" for key, value in identity.items())
        experiment = self.store.experiment_id
        found = self.store.call(
            f"the search for the run of {title}",
            lambda to: to.search_runs([experiment], wanted, max_results=1),
        )
        if found:
            run_id = str(found[0].info.run_id)
            tags = {PROCESS: owner[PROCESS], **below}
            self.store.call(f"the run of {title} as running", partial(_reopen, run_id, tags))
            return run_id
        tags = {**lineage.git_tags(self.workspace.root), **owner, **identity, **below}
        made = self.store.call(
            f"the run of {title}",
            lambda to: to.create_run(experiment, tags=tags, run_name=title),
        )
        return str(made.info.run_id) if made else None


def _reopen(run_id: str, tags: Mapping[str, str], client: MlflowClient) -> None:
    for key, value in tags.items():
        client.set_tag(run_id, key, value)
    client.update_run(run_id, status="RUNNING")


def _metric(run_id: str, name: str, value: float, client: MlflowClient) -> None:
    client.log_metric(run_id, name, value)
