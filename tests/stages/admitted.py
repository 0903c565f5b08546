"""Prepared data as if stage `validate` had let all of it in; validation is tested on its own."""

from __future__ import annotations

from rlp_core.data import seam
from rlp_core.files import read_jsonl
from rlp_core.workspace import PARTS, Workspace


def admit(workspace: Workspace) -> None:
    """Move `data/prepared` to `data/validated`."""
    workspace.prepared.rename(workspace.validated)
    seam.write(workspace.seams, {name: read_jsonl(workspace.part(name)) for name in PARTS})
