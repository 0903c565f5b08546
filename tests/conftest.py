"""What every test shares: quiet libraries, one thread, and nothing written outside its folder."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest
from hypothesis import settings

from rlp_core import quiet
from rlp_core.workspace import Workspace

quiet.apply()
# Before torch is imported: the tests' models are too small to gain from more threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A shell starts background jobs with Ctrl-C ignored, and every process started here inherits it.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A deadline would be a timed assertion: a busy machine must not fail a test.
settings.register_profile("rlp", deadline=None, max_examples=50)
settings.load_profile("rlp")

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


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database without runs. To make one takes seconds, to copy one does not."""
    from rlp_core.params import load
    from rlp_core.tracking.store import connect

    folder = tmp_path_factory.mktemp("store")
    params = load(E2E.parents[1] / "profiles" / "tiny.yaml")
    runtime = params.runtime.model_copy(update={"experiment": "unused"})
    patch = pytest.MonkeyPatch()
    patch.delenv("MLFLOW_TRACKING_URI", raising=False)
    store = connect(Workspace(folder), params.model_copy(update={"runtime": runtime}))
    patch.undo()
    assert store is not None
    assert store.open
    return folder / ".rlp" / "mlflow.db"


@pytest.fixture
def tracked(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace with the tiny profile, the graph, and a tracking database of its own."""
    root = E2E.parents[1]
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copy(root / "profiles" / "tiny.yaml", tmp_path / "params.yaml")
    shutil.copy(root / "dvc.yaml", tmp_path)
    workspace = Workspace(tmp_path)
    workspace.private.mkdir()
    shutil.copy(empty_store, workspace.private / "mlflow.db")
    return workspace
