"""From a registered model back to all that it was made from, run by run.

Every run carries the digests of what it read and made. A digest that one run read leads to the run
that made it: also where DVC took an output from its cache, and no stage ran.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlp_core.errors import MissingInputError
from rlp_core.tracking import naming
from rlp_core.tracking.asked import AskedRegistry, AskedVersion
from rlp_core.tracking.registry import JUDGED_BY
from rlp_core.workspace import output_at

if TYPE_CHECKING:
    from mlflow.entities import Run

_PREFIX, _SUFFIX = {"in": "dvc.dep.", "out": "dvc.out."}, ".md5"


@dataclass(frozen=True)
class AncestorRun:
    """What the store holds of a stage's run.

    Attributes:
        stage: `evaluate@rlp`.
        run_id: of MLflow.
        started: milliseconds since 1970.
        commit: of the code; empty where there was none.
        dirty: whether tracked files differed from the commit.
        parameters: that the stage depends on.
        inputs, outputs: digest by path.
        flow_run: Prefect's id of the flow run; empty where the stage was started without.
        pipeline: MLflow's id of the pipeline's run; empty as above.
    """

    stage: str
    run_id: str
    started: int
    commit: str
    dirty: bool
    parameters: Mapping[str, str]
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    flow_run: str
    pipeline: str

    @property
    def code(self) -> dict[str, str]:
        """Digests of the code that it ran."""
        return {p: d for p, d in self.inputs.items() if p.split("/")[0] == "rlp_core"}

    @property
    def data(self) -> dict[str, str]:
        """Digests of what no stage makes and is no code: a user's files."""
        others = self.inputs.keys() - self.code.keys()
        return {path: self.inputs[path] for path in sorted(others) if output_at(path) is None}


@dataclass(frozen=True)
class Ancestry:
    """A model and all that it came from.

    Attributes:
        version: of the registered model.
        arm: which arm it was, `rlp`.
        promoted: the run of stage `promote` that judged it last.
        made: the runs that led to the model, each behind those that it read from.
        judged: the runs that measured what the gate saw, of the model and of the base.
        lost: digest by path of what a stage made whose run is not in this store.
    """

    version: AskedVersion
    arm: str
    promoted: AncestorRun
    made: tuple[AncestorRun, ...]
    judged: tuple[AncestorRun, ...]
    lost: Mapping[str, str]

    @property
    def runs(self) -> tuple[AncestorRun, ...]:
        """All of them, in an order in which each finds what it reads."""
        return (*self.made, *self.judged, self.promoted)


def trace(registry: AskedRegistry, asked: str) -> Ancestry:
    """Walk back from a model.

    Args:
        registry: where it is registered.
        asked: `NAME@ALIAS` or `NAME/VERSION`.

    Raises:
        UsageError: the model is not named so.
        MissingInputError: there is no such model, or the run that registered it is not here.
        UnavailableError: the store does not answer.
    """
    version = registry.version(asked)
    run_id = version.tags.get(JUDGED_BY, version.run_id)
    found = registry.run(run_id)
    arm = version.tags.get("rlp.arm", "")
    if found is None or not arm:
        raise MissingInputError(
            f"nothing is known of how {version} came to be: its run {run_id or '(none)'} is not "
            "here, or it was not registered by stage `promote`",
            where=registry.address,
            fix="name the store with MLFLOW_TRACKING_URI in which the run is",
        )
    promoted = _ancestor(found)
    walk = _Walk(registry, promoted.started)
    walk.back({path: d for path, d in promoted.inputs.items() if path == f"models/{arm}"})
    made = tuple(walk.found)
    walk.back(
        {
            path: digest
            for path, digest in promoted.inputs.items()
            if path in {f"reports/evaluate/{of}/items" for of in (arm, "base")}
        }
    )
    judged = tuple(walk.found[len(made) :])
    return Ancestry(version, arm, promoted, made, judged, walk.lost)


class _Walk:
    """Goes from inputs to the runs that made them, each once."""

    def __init__(self, registry: AskedRegistry, before: int) -> None:
        self.found: list[AncestorRun] = []
        self.lost: dict[str, str] = {}
        self._registry = registry
        self._before = before
        self._seen: set[tuple[str, str]] = set()

    def back(self, inputs: Mapping[str, str]) -> None:
        """Find the makers of what stages made, those of their own inputs first."""
        for path, digest in sorted(inputs.items()):
            if output_at(path) is None or (path, digest) in self._seen:
                continue
            self._seen.add((path, digest))
            maker = self._maker(path, digest)
            if maker is None:
                self.lost[path] = digest
                continue
            self.back(maker.inputs)
            if all(maker.run_id != run.run_id for run in self.found):
                self.found.append(maker)

    def _maker(self, path: str, digest: str) -> AncestorRun | None:
        """The newest finished run that made it before the model was judged."""
        tag = naming.acceptable_name(f"{_PREFIX['out']}{path}{_SUFFIX}")
        rows = self._registry.runs(
            f"tags.`{tag}` = '{digest}' AND attributes.status = 'FINISHED' "
            f"AND attributes.start_time <= {self._before}"
        )
        return _ancestor(rows[0]) if rows else None


def _ancestor(run: Run) -> AncestorRun:
    tags = run.data.tags
    return AncestorRun(
        stage=tags.get("rlp.stage", ""),
        run_id=run.info.run_id,
        started=int(run.info.start_time),
        commit=tags.get("mlflow.source.git.commit", ""),
        dirty=tags.get("git.dirty") == "true",
        parameters=dict(run.data.params),
        inputs=_digests(tags, "in"),
        outputs=_digests(tags, "out"),
        flow_run=tags.get("prefect.flow_run_id", ""),
        pipeline=tags.get("mlflow.parentRunId", ""),
    )


def _digests(tags: Mapping[str, str], side: str) -> dict[str, str]:
    prefix = _PREFIX[side]
    return {
        key.removeprefix(prefix).removesuffix(_SUFFIX): value
        for key, value in tags.items()
        if key.startswith(prefix) and key.endswith(_SUFFIX)
    }
