"""Whether a run is finished, with the parameters that the study asks for now.

DVC alone decides what has to run. This mark only keeps a page of results from showing numbers of
a run that is half-way, or was made with other parameters than the study file says today.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from rlp_core.errors import ConfigError
from rlp_core.files import write_json
from rlp_core.params import Params, from_tree
from rlp_core.study.planned import FOLDER_KEYS, StudyRun, Tree, merged, value_at

SPARED = ("runtime", "promote", *FOLDER_KEYS)
"""Parameters that decide no number of a page: speed, memory and logging, what is promoted, and
where the folders lie that a user fills, for a checkout can be moved."""

State = Literal["finished", "unfinished", "absent", "other parameters"]


def mark(run: StudyRun, until: Sequence[str]) -> None:
    """Note that a run reached its end, and all parameters that decided its numbers."""
    write_json(_path(run), {"parameters": deciding(run.params), "until": list(until)})


def deciding(params: Params) -> Tree:
    """All parameters that decide a number: those beside `SPARED`."""
    return merged(_tree(params), dict.fromkeys(SPARED))


def unmark(run: StudyRun) -> None:
    """Note that a run is under way."""
    _path(run).unlink(missing_ok=True)


def state(run: StudyRun) -> State:
    """How far a run is."""
    if not run.folder.is_dir():
        return "absent"
    try:
        decided = json.loads(_path(run).read_text(encoding="utf-8"))["parameters"]
    except (FileNotFoundError, ValueError, KeyError):
        return "unfinished"
    return "finished" if same(decided, run.params, str(_path(run))) else "other parameters"


def same(decided: object, params: Params, where: str) -> bool:
    """Whether what `deciding` said once is what these parameters decide now.

    Args:
        decided: as it was kept.
        params: of now.
        where: it was kept, for messages.
    """
    if not isinstance(decided, dict):
        return False
    now = _tree(params)
    spared = {key: value_at(now, key) for key in SPARED}
    try:  # read anew: what has become a parameter since then had its default
        then = from_tree(merged(decided, spared), where)
    except ConfigError:
        return False
    return _tree(then) == now


def _tree(params: Params) -> Tree:
    return params.model_dump(mode="json", by_alias=True)


def _path(run: StudyRun) -> Path:
    return run.folder / ".rlp" / "finished.json"
