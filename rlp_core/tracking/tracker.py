"""The `Tracker`: how a stage says what it measured, read and made."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rlp_core.tracking import lineage
from rlp_core.tracking.store import Store
from rlp_core.workspace import Workspace

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel, Metric, Param, RunTag
    from mlflow.tracking import MlflowClient

_BUFFER = 200  # metrics held back at most
_BUFFER_SECONDS = 5.0
_BATCH = 100  # parameters or tags in one request: MLflow's limit
_DIGEST_LENGTH = 36  # MLflow's limit
_SMALL_FILE = 16 * 2**20  # bytes


class Tracker:
    """Takes what a stage measures. Without a store, or once it is away, it takes and drops.

    Attributes:
        run_id: the MLflow run, or None.
        store: the open store, or None with `runtime.tracking` off.
        fingerprint: of the stage's parameters, data and code; None where no graph names them.
    """

    def __init__(self, store: Store | None, run_id: str | None, workspace: Workspace) -> None:
        self.store, self.run_id = store, run_id
        self.fingerprint: str | None = None
        self._workspace = workspace
        self._pending: list[Metric] = []
        self._flushed = time.monotonic()
        self._last_step: dict[str, int] = {}
        self._continued = False
        self._infinite: set[str] = set()

    @property
    def active(self) -> bool:
        """Whether anything is still sent."""
        return self.store is not None and self.store.open and self.run_id is not None

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Log numbers by name, at a step or, without one, at step 0.

        They are sent in batches, every few seconds. NaN is kept. MLflow would store an infinity
        as 1.8e308; it is logged as NaN, and the tag `rlp.infinite` names the metric.
        """
        if not self.active:
            return
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        for name, value in values.items():
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

        place = self._relative(path)
        entry = DatasetInput(
            Dataset(
                name=name,
                digest=digest[:_DIGEST_LENGTH],
                source_type="local",
                source=json.dumps({"uri": place}),
                profile=json.dumps({"digest": digest}),
            ),
            tags=[InputTag("mlflow.data.context", context), InputTag("rlp.digest", digest)],
        )
        self.store.call(lambda client: client.log_inputs(self.run, [entry]))

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
        self.store.call(lambda client: client.log_artifact(self.run, str(path)))

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

        def note(client: MlflowClient) -> None:
            noted = self._noted(client, store.experiment_id, digest) if self._continued else None
            model = noted or client.create_logged_model(
                store.experiment_id, name=arm, source_run_id=self.run, tags=tags
            )
            if str(model.status) != "READY":
                client.finalize_logged_model(model.model_id, "READY")
            outputs = client.get_run(self.run).outputs
            linked = [out.model_id for out in outputs.model_outputs] if outputs else []
            if model.model_id not in linked:
                client.log_outputs(self.run, [LoggedModelOutput(model.model_id, step=0)])

        store.call(note)

    def _noted(self, client: MlflowClient, experiment: str, digest: str) -> LoggedModel | None:
        """The model with these bytes that this run noted before it was killed."""
        mine = client.search_logged_models([experiment], f"source_run_id = '{self.run}'")
        return next((model for model in mine if model.tags.get("rlp.digest") == digest), None)

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags of the run."""
        if not self.active:
            return
        from mlflow.entities import RunTag

        self._send(tags=[RunTag(key, value) for key, value in values.items()])

    def parameters(self, values: Mapping[str, str]) -> None:
        """Log parameters, which MLflow never changes afterwards."""
        if not self.active:
            return
        from mlflow.entities import Param

        self._send(params=[Param(key, value) for key, value in values.items()])

    def flush(self) -> None:
        """Send what is held back."""
        pending, self._pending = self._pending, []
        self._flushed = time.monotonic()
        if self.store is not None and pending and self.active:
            self.store.call(lambda client: client.log_batch(self.run, metrics=pending))

    def _send(self, *, params: Sequence[Param] = (), tags: Sequence[RunTag] = ()) -> None:
        for start in range(0, max(len(params), len(tags)), _BATCH):
            window = slice(start, start + _BATCH)

            def send(client: MlflowClient, window: slice = window) -> None:
                client.log_batch(self.run, params=params[window], tags=tags[window])

            if self.store is not None:
                self.store.call(send)

    def close(self, status: str) -> None:
        """Send what is left and end the run as `FINISHED`, `FAILED` or `KILLED`."""
        if self.store is None or not self.active:
            return
        self.flush()
        if self._infinite:
            self.tags({"rlp.infinite": ", ".join(sorted(self._infinite))})
        self.store.call(lambda client: client.set_terminated(self.run, status))

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
        return place.relative_to(root).as_posix() if place.is_relative_to(root) else path.name
