"""What can be known to go wrong before any run of a study starts: models, data, hub, programs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from rlp_core.checks import check
from rlp_core.data.config import Hub
from rlp_core.data.hub import local_folder
from rlp_core.data.prepare import places_of
from rlp_core.errors import MissingInputError, RlpError, UnavailableError
from rlp_core.evaluation import benchmarks
from rlp_core.params import Params
from rlp_core.study.planned import StudyRun, told_at_once
from rlp_core.workspace import PARTS

_OFF = ("", "0", "false", "no", "off")


def check_all(runs: Sequence[StudyRun], root: Path) -> None:
    """Hold the parameters of all runs against what there is.

    Raises:
        RlpError: the one fault; or, of several, one that tells them all, each once.
    """
    faults: dict[str, RlpError] = {}
    for run in {run.variant: run for run in runs}.values():  # a seed changes nothing of it
        for fault in _faults(run.params, root):
            faults.setdefault(f"{fault.what} ({fault.where}); {fault.fix}", fault)
    told_at_once(faults)


def require_dvc() -> None:
    """See that DVC is installed, which the usual way to run needs.

    Raises:
        UnavailableError: it is not.
    """
    if find_spec("dvc") is None:
        raise UnavailableError(
            "DVC is not installed, and it decides what has to run",
            where="import dvc",
            fix="pip install 'rlp[pipeline]'; in a checkout `make install`; on a machine that is "
            "only to compute, `--runner stages`",
        )


def _faults(params: Params, root: Path) -> Iterator[RlpError]:
    try:
        check(params, root)
    except RlpError as error:
        yield error
    name = params.base.checkpoint
    if name and not (root / Path(name).expanduser()).is_dir():
        fault = _model(name)
        if fault is not None:
            yield fault
    yield from _data_sets(params, root)


def _data_sets(params: Params, root: Path) -> Iterator[RlpError]:
    """Those of a hub, in training and in benchmarks."""
    try:
        used = benchmarks.load(params.evaluate.benchmarks, root / params.evaluate.benchmark_folder)
    except RlpError:
        return  # told already
    folder = root / params.prepare.folder
    for part in PARTS:
        for place in places_of(params.prepare, used, part):
            source = place.source
            if isinstance(source, Hub) and local_folder(source, folder) is None:
                fault = _data_set(source, place.where)
                if fault is not None:
                    yield fault


def _model(name: str) -> RlpError | None:
    """What stands in the way of a model that is to be fetched; offline `check` has told it."""
    if name.startswith((".", "/", "~")) or _offline("HF_HUB_OFFLINE"):
        return None
    return _unreachable(name, "model", "base.checkpoint")


def _data_set(source: Hub, where: str) -> RlpError | None:
    """What stands in the way of a data set of a hub."""
    if not (_offline("HF_HUB_OFFLINE") or _offline("HF_DATASETS_OFFLINE")):
        return _unreachable(source.name, "dataset", where)
    home = Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser()
    made = Path(os.environ.get("HF_DATASETS_CACHE", home / "datasets"))
    kept = Path(os.environ.get("HF_HUB_CACHE", home / "hub"))
    places = (
        made / source.name.replace("/", "___"),
        kept / f"datasets--{source.name.replace('/', '--')}",
    )
    if any(place.is_dir() for place in places):
        return None
    return MissingInputError(
        f"the data set {source.name} is not on this machine, and downloads are off",
        where=where,
        fix="allow the download once: `HF_HUB_OFFLINE=0 HF_DATASETS_OFFLINE=0 rlp study run ...`; "
        "or put its files below `prepare.folder` and name them by `kind: files`",
    )


def _unreachable(name: str, kind: str, where: str) -> RlpError | None:
    """Ask the hub once whether it has a repository."""
    import httpx  # what huggingface_hub asks with
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        HfApi().repo_info(name, repo_type=kind, timeout=20)
    except (HfHubHTTPError, HFValidationError, httpx.HTTPError, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        return UnavailableError(
            f"the hub does not give the {kind} {name}: {reason}",
            where=where,
            fix="see that the hub can be reached and the name is right; or bring the files by hand "
            "and give a folder",
        )
    return None


def _offline(variable: str) -> bool:
    return os.environ.get(variable, "").strip().lower() not in _OFF
