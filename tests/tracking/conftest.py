"""What the tests of tracking share: a workspace with a store of its own, and its parameters."""

from __future__ import annotations

import pytest

from rlp_core.params import Params, load
from rlp_core.workspace import Workspace


@pytest.fixture
def workspace(tracked: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    return tracked


@pytest.fixture
def params(workspace: Workspace) -> Params:
    return load(workspace.params)
