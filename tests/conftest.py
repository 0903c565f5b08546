"""What every test shares: quiet libraries, one thread, and nothing written outside its folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rlp_core import quiet

quiet.apply()
# Before torch is imported: the tests' models are too small to gain from more threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")

E2E = Path(__file__).parent / "e2e"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies under tests/e2e."""
    for item in items:
        if E2E in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(autouse=True)
def own_tracking(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep runs of a test out of the checkout's tracking database, and out of a user's server."""
    folder = tmp_path_factory.getbasetemp() / "tracking"
    folder.mkdir(exist_ok=True)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
    for name in ("RLP_PARENT_RUN_ID", "RLP_PREFECT_FLOW_RUN_ID", "PREFECT_API_URL"):
        monkeypatch.delenv(name, raising=False)
