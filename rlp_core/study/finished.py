"""Whether a run is finished, with the parameters that the study asks for now.

DVC alone decides what has to run. This mark only keeps a page of results from showing numbers of
a run that is half-way, or was made with other parameters than the study file says today.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from rlp_core.files import write_json
from rlp_core.study.planned import StudyRun

State = Literal["finished", "unfinished", "absent", "other parameters"]


def mark(run: StudyRun, until: Sequence[str]) -> None:
    """Note that a run reached its end."""
    write_json(_path(run), {"parameters": _digest(run), "until": list(until)})


def unmark(run: StudyRun) -> None:
    """Note that a run is under way."""
    _path(run).unlink(missing_ok=True)


def state(run: StudyRun) -> State:
    """How far a run is."""
    if not run.folder.is_dir():
        return "absent"
    try:
        found = json.loads(_path(run).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return "unfinished"
    return "finished" if found.get("parameters") == _digest(run) else "other parameters"


def _digest(run: StudyRun) -> str:
    """Of all that decides a result: `runtime` changes only speed, memory and logging."""
    values = run.params.model_dump(mode="json", by_alias=True, exclude={"runtime"})
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _path(run: StudyRun) -> Path:
    return run.folder / ".rlp" / "finished.json"
