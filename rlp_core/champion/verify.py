"""Whether a folder holds what a model was made from: digest by digest, parameter by parameter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rlp_core.errors import RlpError
from rlp_core.params import Params, load
from rlp_core.tracking import naming
from rlp_core.tracking.ancestry import AncestorRun
from rlp_core.tracking.lineage import dvc_digest, stage_parameters, stage_spec
from rlp_core.workspace import Workspace


@dataclass(frozen=True)
class Check:
    """One comparison.

    Attributes:
        stage: whose run knew it.
        kind: `code`, `data`, `output` or `parameter`.
        name: path or key.
        expected: digest or value of the run.
        found: what there is here; None where nothing is.
    """

    stage: str
    kind: str
    name: str
    expected: str
    found: str | None

    @property
    def equal(self) -> bool:
        return self.found == self.expected

    def __str__(self) -> str:
        here = "is missing" if self.found is None else f"is {self.found}"
        return f"{self.kind} {self.name} {here}, was {self.expected}"


def checks_of(runs: Sequence[AncestorRun], folder: Path) -> list[Check]:
    """Compare a checkout with the runs that are to be found again in it.

    Raises:
        RlpError: its parameters cannot be read by this version of the code.
    """
    params, workspace = load(folder / "params.yaml"), Workspace(folder)
    known: dict[str, str | None] = {}
    made: list[Check] = []
    for run in runs:
        for kind, digests in (("code", run.code), ("data", run.data), ("output", run.outputs)):
            made += _of_paths(run.stage, kind, digests, folder, known)
        made += _of_parameters(run, params, workspace)
    return made


def verdict(checks: Iterable[Check], folder: Path, *, again: bool) -> str:
    """What to do about those that are not equal."""
    kinds = {check.kind for check in checks if not check.equal}
    missing = {check.kind for check in checks if check.found is None}
    told = [f"not all is equal; the checkout is {folder}"]
    if "data" in kinds:
        told.append("put the data named above there, which no stage makes, and run this again")
    if "output" in missing and not again:
        told.append(
            "what is missing is in no cache here: `dvc pull` there, from a remote that has it, and "
            "run this again; or run this with --run into another folder, which computes it"
        )
    if kinds & {"code", "parameter"}:
        told.append("code or parameters were not those of the commit: they are in no commit")
    if kinds == {"output"} and again:
        told.append(
            "computed again, it came out otherwise: equal bytes need the same machine type, "
            "libraries and threads (requirements.lock, runtime.threads)"
        )
    return "; ".join(told)


def _of_paths(
    stage: str,
    kind: str,
    digests: Mapping[str, str],
    folder: Path,
    known: dict[str, str | None],
) -> Iterator[Check]:
    for path, expected in sorted(digests.items()):
        if path not in known:
            place = folder / path
            known[path] = dvc_digest(place) if place.exists() else None
        yield Check(stage, kind, path, expected, known[path])


def _of_parameters(run: AncestorRun, params: Params, workspace: Workspace) -> Iterator[Check]:
    """Of a stage that this version of the code does not know, none is found."""
    spec = stage_spec(run.stage, params, workspace)
    try:
        held = stage_parameters(spec, params) if spec else {}
    except (KeyError, RlpError):  # of a graph that names a key which is no parameter any more
        held = {}
    here = {
        naming.acceptable_name(key): naming.acceptable_text(value, naming.PARAMETER_LENGTH)
        for key, value in held.items()
    }
    for key, expected in sorted(run.parameters.items()):
        yield Check(run.stage, "parameter", key, expected, here.get(key))
