"""The `Tracker`: how a stage says what it measured, read and made."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rlp_core.tracking import lineage, naming
from rlp_core.tracking.faults import RefusedError, artifact_faults
from rlp_core.tracking.steps_file import StepsFile
from rlp_core.tracking.store import Store
from rlp_core.tracking.whole_run import TABLE, WholeRun
from rlp_core.workspace import Workspace

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel, Metric, Param, RunTag
    from mlflow.tracking import MlflowClient

_BUFFER = 200  # metrics held back at most
_BUFFER_SECONDS = 5.0
_BATCH = 100  # entities in one request: MLflow's limit for parameters and tags
_SMALL_FILE = 16 * 2**20  # bytes

Entity = TypeVar("Entity", "Metric", "Param", "RunTag")


class Tracker:
    """Takes what a stage measures. Without a store, or once it is away, it takes and drops.

    What MLflow would refuse is logged as `naming` writes it; what the store refuses all the same is
    told, counted, and named by the tag `rlp.refused`.

    Attributes:
        run_id: the MLflow run, or None.
        store: the open store, or None with `runtime.tracking` off.
        fingerprint: of the stage's parameters, data and code; None where no graph names them.
    """

    def __init__(
        self, store: Store | None, run_id: str | None, workspace: Workspace, stage: str
    ) -> None:
        self.store, self.run_id = store, run_id
        self.fingerprint: str | None = None
        self._workspace = workspace
        self._pending: list[Metric] = []
        self._flushed = time.monotonic()
        self._last_step: dict[str, int] = {}
        self._continued = False
        self._whole = WholeRun(stage)
        self._steps = StepsFile(workspace.steps(stage))
        self._infinite, self._told = set[str](), set[str]()

    @property
    def active(self) -> bool:
        """Whether anything is still sent."""
        return self.store is not None and self.store.open and self.run_id is not None

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Log numbers of a step, under their own names; without a step, of the whole run.

        The latter are named and chosen as `metric_names` says, and all in the file `metrics.csv`.
        Numbers are sent in batches, every few seconds. NaN is kept. MLflow would store an infinity
        as 1.8e308; it is logged as NaN, and the tag `rlp.infinite` names the metric. Those of a
        step are in `.rlp/steps` too, with a store or without.
        """
        if step is not None:
            self._steps.add(values, step)
        if not self.active:
            return
        self._log(self._whole.add(values) if step is None else values, step)

    def _log(self, values: Mapping[str, float], step: int | None) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        for given, value in values.items():
            name = self._name("metric", given)
            if step is not None and step <= self._last_step.get(name, -1):
                continue  # a continued run logged it before it was killed
            number = float(value)
            if math.isinf(number):
                self._infinite.add(name)
                number = math.nan
            self._pending.append(Metric(name, number, now, step or 0))
        if len(self._pending) >= _BUFFER or time.monotonic() - self._flushed > _BUFFER_SECONDS:
            self.flush()

    def dataset(self, name: str, path: Path, digest: str, context: str) -> None:
        """Log a data set by reference: its name, relative path and digest, never its rows.

        Args:
            name: the part, `rlp`.
            path: the file or folder.
            digest: hex digest of its content; MLflow shows the first 36 characters.
            context: what it was used for, `training` or `evaluation`.
        """
        if self.store is None or not self.active:
            return
        from mlflow.entities import Dataset, DatasetInput, InputTag

        text = naming.acceptable_text
        entry = DatasetInput(
            Dataset(
                name=text(name, naming.DATASET_NAME_LENGTH),
                digest=digest[: naming.DIGEST_LENGTH],
                source_type="local",
                source=json.dumps({"uri": self._relative(path)}),
                profile=json.dumps({"digest": digest}),
            ),
            tags=[
                InputTag("mlflow.data.context", text(context, naming.INPUT_TAG_LENGTH)),
                InputTag("rlp.digest", digest),
            ],
        )
        self.store.call(f"data set {name}", lambda client: client.log_inputs(self.run, [entry]))

    def artifact(self, path: Path) -> None:
        """Copy one small file to the run. Larger files stay where DVC has them."""
        if self.store is None or not self.active:
            return
        size = path.stat().st_size
        if size > _SMALL_FILE:
            print(
                f"not copied to MLflow: {self._relative(path)} has {size / 2**20:.0f} MiB; "
                "it stays in the workspace",
                file=sys.stderr,
            )
            return
        self._keep(self._relative(path), lambda to: to.log_artifact(self.run, str(path)))

    def _keep(self, name: str, log: Callable[[MlflowClient], object]) -> bool:
        """Have the store keep a file; whether it does."""

        def keep(client: MlflowClient) -> bool:
            with artifact_faults():
                log(client)
            return True

        return self.store is not None and bool(self.store.call(f"file {name}", keep))

    def model(self, path: Path, arm: str) -> None:
        """Note a model as MLflow's logged model, by reference: DVC alone holds its weights.

        Args:
            path: the model's Hugging Face folder, complete.
            arm: its arm, `rlp-ft`.
        """
        store = self.store
        if store is None or not self.active:
            return
        from mlflow.entities import LoggedModelOutput

        digest = lineage.dvc_digest(path)
        tags = {
            "mlflow.model.isExternal": "true",
            "rlp.arm": arm,
            "rlp.path": self._relative(path),
            "rlp.digest": digest,
        }
        tags = {
            key: naming.acceptable_text(value, naming.TAG_LENGTH) for key, value in tags.items()
        }
        name = naming.acceptable_model_name(arm)

        def note(client: MlflowClient) -> None:
            noted = self._noted(client, store.experiment_id, digest) if self._continued else None
            model = noted or client.create_logged_model(
                store.experiment_id, name=name, source_run_id=self.run, tags=tags
            )
            if str(model.status) != "READY":
                client.finalize_logged_model(model.model_id, "READY")
            outputs = client.get_run(self.run).outputs
            linked = [out.model_id for out in outputs.model_outputs] if outputs else []
            if model.model_id not in linked:
                client.log_outputs(self.run, [LoggedModelOutput(model.model_id, step=0)])

        store.call(f"model {arm}", note)

    def _noted(self, client: MlflowClient, experiment: str, digest: str) -> LoggedModel | None:
        """The model with these bytes that this run noted before it was killed."""
        mine = client.search_logged_models([experiment], f"source_run_id = '{self.run}'")
        return next((model for model in mine if model.tags.get("rlp.digest") == digest), None)

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags of the run."""
        if not self.active:
            return
        from mlflow.entities import RunTag

        rows = self._entries("tag", values, naming.TAG_LENGTH)
        tags = [RunTag(key, value) for key, value in rows.items()]
        self._send("tag", tags, lambda to, some: to.log_batch(self.run, tags=some))

    def parameters(self, values: Mapping[str, str]) -> None:
        """Log parameters that the run does not hold yet: MLflow never changes one afterwards."""
        if self.store is None or not self.active:
            return
        from mlflow.entities import Param

        what = "the run's earlier parameters"
        known = self.store.call(what, lambda client: client.get_run(self.run).data.params) or {}
        rows = self._entries("parameter", values, naming.PARAMETER_LENGTH)
        new = [Param(key, value) for key, value in rows.items() if key not in known]
        self._send("parameter", new, lambda to, some: to.log_batch(self.run, params=some))

    def flush(self) -> None:
        """Send what is held back."""
        pending, self._pending = self._pending, []
        self._flushed = time.monotonic()
        self._send("metric", pending, lambda to, rows: to.log_batch(self.run, metrics=rows))

    def _send(
        self, kind: str, rows: list[Entity], log: Callable[[MlflowClient, list[Entity]], object]
    ) -> None:
        """Log entities in batches. MLflow refuses a whole batch for one: then name by name."""
        for start in range(0, len(rows), _BATCH):
            part = rows[start : start + _BATCH]
            refusal = self._refusal(part, log)
            if refusal is None:
                continue
            by_name: dict[str, list[Entity]] = {}
            for row in part:
                by_name.setdefault(row.key, []).append(row)
            apart = refusal.of_content and len(by_name) > 1
            for name, same in by_name.items():
                of_name = self._refusal(same, log) if apart else refusal
                if of_name is not None and self.store is not None:
                    self.store.refuse(f"{kind} {name}", str(of_name), count=len(same))

    def _refusal(
        self, rows: list[Entity], log: Callable[[MlflowClient, list[Entity]], object]
    ) -> RefusedError | None:
        """Log entities in one request; why they were refused, or None."""
        try:
            if self.store is not None and self.active:
                self.store.attempt(lambda client: log(client, rows))
        except RefusedError as error:
            return error
        return None

    def _entries(self, kind: str, values: Mapping[str, str], limit: int) -> dict[str, str]:
        """Values by name, both as MLflow takes them; a value that is cut is told."""
        rows: dict[str, str] = {}
        for name, value in values.items():
            key = self._name(kind, name)
            rows[key] = naming.acceptable_text(value, limit)
            if len(value) > limit:
                self._tell(f"{kind} {key} is cut to {limit} of its {len(value)} characters")
        return rows

    def _name(self, kind: str, name: str) -> str:
        """The name that it is logged under; another than its own is told once."""
        accepted = naming.acceptable_name(name)
        if accepted != name:
            self._tell(f"{kind} {naming.storable(name)} is logged as {accepted}")
        return accepted

    def _tell(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            print(f"MLflow: {' '.join(text.split())}", file=sys.stderr, flush=True)

    def close(self, status: str) -> None:
        """Send what is left and end the run as `FINISHED`, `FAILED` or `KILLED`."""
        self._steps.close()
        if self.store is None or not self.active:
            return
        self.flush()
        self._keep_table()
        if self._infinite:
            self.tags({"rlp.infinite": ", ".join(sorted(self._infinite))})
        if refused := self.store.refused:
            self.tags({"rlp.refused": ", ".join(sorted(refused))})
            self.store.tell_refused()
        end = "the end of the run"
        self.store.call(end, lambda client: client.set_terminated(self.run, status))

    def _keep_table(self) -> None:
        """Keep the table of the whole run, and say how many of its numbers have no name here."""
        named, count = self._whole.counted
        if not count:
            return
        text = naming.storable(self._whole.table())
        kept = self._keep(TABLE, lambda to: to.log_text(self.run, text, TABLE))
        if named < count:
            self.tags({"rlp.metrics_left_out": str(count - named)})
            where = f"the run's {TABLE}" if kept else "the files of the stage"
            self._tell(f"{named} of {count} metrics are logged by name, all of them are in {where}")

    def continue_from(self, metrics: list[Metric]) -> None:
        """Skip what a continued run holds already: `metrics` are its last values by name."""
        self._continued = True
        for metric in metrics:
            self._last_step[metric.key] = metric.step

    @property
    def run(self) -> str:
        """The run id, where `active` was checked."""
        assert self.run_id is not None
        return self.run_id

    def _relative(self, path: Path) -> str:
        root = self._workspace.root.resolve()
        place = path.resolve()
        inside = place.is_relative_to(root)
        return naming.storable(place.relative_to(root).as_posix() if inside else path.name)
