"""The flow `sweep` runs a sweep, and shows its page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flows import sweep as flow
from rlp_core.errors import TrainingError
from rlp_core.sweep import command
from tests.sweep import files
from tests.sweep.files import Stages

pytestmark = pytest.mark.usefixtures("prefect_server")


def page() -> str:
    from prefect.artifacts import Artifact

    found: Any = Artifact.get("rlp-sweep")
    return "" if found is None else str(found.data)


def test_the_flow_runs_every_trial_and_fails_where_all_die(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = files.checkout(tmp_path, files.GRID | {"overrides": {"runtime.tracking": False}})
    monkeypatch.chdir(root)
    monkeypatch.setattr(command.workspaces, "shared_cache", lambda _: root / "cache")
    stages = Stages(dies=lambda run: 0 if run.variant == "shared" else 70)
    stages.stand_in(monkeypatch)
    with pytest.raises(TrainingError, match="every trial of the sweep died"):
        flow.sweep(files.NAME)
    assert "4 died" in page()
    stages.dies = lambda _: 0
    flow.sweep(files.NAME, retry_failed=True)
    assert "4 came to their end" in page()
