"""One past for all tests of this folder; each has a copy of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rlp_core.workspace import Workspace
from tests.champion import history


@pytest.fixture(scope="session")
def lived(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Path:
    patch = pytest.MonkeyPatch()
    patch.delenv("MLFLOW_TRACKING_URI", raising=False)
    try:
        return history.live(tmp_path_factory.mktemp("lived"), empty_store).root
    finally:
        patch.undo()


@pytest.fixture
def workspace(lived: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Workspace(Path(shutil.copytree(lived, tmp_path / "workspace")))
