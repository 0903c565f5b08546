"""One run of the micro graph by `dvc repro`, shared by the tests that only look at it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e import checkout


@pytest.fixture(scope="session")
def by_dvc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in which `dvc repro` has run, its lock committed."""
    root = checkout.copy_to(tmp_path_factory.mktemp("ways") / "by-dvc")
    checkout.run(root, "dvc", "repro")
    checkout.git(root, "add", "dvc.lock")
    checkout.git(root, "commit", "-q", "-m", "Run")
    return root
