"""dvc.lock holds the same bytes, whichever order the stages ended in."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.graph import load_graph
from flows.lock import sort_lock
from tests.flows import project


@pytest.fixture
def root(tmp_path: Path) -> Path:
    stage = project.stage
    return project.make(
        tmp_path / "p",
        stage("last", "ok", ("left", "right")),  # not in order of running
        stage("first"),
        stage("right", "ok", ("first",)),
        stage("left", "ok", ("first",)),
    )


def test_other_orders_of_running_leave_the_bytes_of_plain_repro(root: Path) -> None:
    project.dvc(root, "repro")
    plain = (root / "dvc.lock").read_bytes()
    (root / "dvc.lock").unlink()
    for name in ("first", "right", "left", "last"):
        project.dvc(root, "repro", "-s", name)
    order = [stage.name for stage in load_graph(root)]
    assert order == ["first", "left", "right", "last"]
    assert (root / "dvc.lock").read_bytes() != plain
    assert sort_lock(root, order)
    assert (root / "dvc.lock").read_bytes() == plain
    assert not sort_lock(root, order)
    assert project.dvc(root, "status").stdout.startswith("Data and pipelines are up to date")


def test_entries_of_the_past_stay_at_the_end(root: Path) -> None:
    project.dvc(root, "repro")
    assert sort_lock(root, ["right", "last"])
    text = (root / "dvc.lock").read_text()
    places = [text.index(f"\n  {name}:") for name in ("right", "last", "first", "left")]
    assert places == sorted(places)


def test_no_lock_file_is_no_error(root: Path) -> None:
    assert not sort_lock(root, ["first"])
    assert not (root / "dvc.lock").exists()
