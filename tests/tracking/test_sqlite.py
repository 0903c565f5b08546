"""A checkout that was moved: new artifacts go where it is now, and the old ones are found."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rlp_core.params import Params
from rlp_core.tracking import open_run
from rlp_core.tracking.sqlite import follow_move
from rlp_core.workspace import Workspace
from tests.tracking.runs import client_of, only_run, runs_of


@pytest.fixture
def inner(workspace: Workspace, params: Params) -> Workspace:  # noqa: ARG001
    """A checkout in a folder that can be moved."""
    root = workspace.root / "old"
    root.mkdir()
    for part in ("params.yaml", "dvc.yaml", ".rlp"):
        shutil.move(workspace.root / part, root / part)
    return Workspace(root)


def stage_with_artifact(workspace: Workspace, params: Params, name: str) -> None:
    file = workspace.root / name
    file.write_text(name)
    with open_run("base", params, workspace) as tracker:
        tracker.artifact(file)


def read(workspace: Workspace, run_id: str, name: str) -> str:
    return Path(client_of(workspace).download_artifacts(run_id, name)).read_text()


def test_a_moved_checkout_is_followed(inner: Workspace, params: Params) -> None:
    stage_with_artifact(inner, params, "one.txt")
    first = only_run(inner).info.run_id
    moved = Workspace(inner.root.with_name("new (2)"))
    shutil.move(inner.root, moved.root)
    stage_with_artifact(moved, params.model_copy(update={"seed": 9}), "two.txt")
    assert not inner.root.exists()
    second = next(run.info.run_id for run in runs_of(moved) if run.info.run_id != first)
    assert read(moved, first, "one.txt") == "one.txt"
    assert read(moved, second, "two.txt") == "two.txt"
    assert len(list((moved.private / "mlartifacts").rglob("*.txt"))) == 2
    assert not follow_move(moved)


def test_logged_models_move_too(inner: Workspace, params: Params) -> None:
    with open_run("base", params, inner) as tracker:
        inner.model("base").mkdir(parents=True)
        tracker.model(inner.model("base"), "base")
    moved = Workspace(inner.root.with_name("new"))
    shutil.move(inner.root, moved.root)
    assert follow_move(moved)
    run = only_run(moved)
    model = client_of(moved).get_logged_model(run.outputs.model_outputs[0].model_id)
    here = (moved.private / "mlartifacts").as_uri()
    assert model.artifact_location.startswith(here)
    assert run.info.artifact_uri.startswith(here)


def test_places_elsewhere_are_left_alone(inner: Workspace, params: Params) -> None:
    stage_with_artifact(inner, params, "one.txt")
    client = client_of(inner)
    for name, place in (("s3", "s3://bucket/.rlp/mlartifacts"), ("own", "file:///srv/kept")):
        client.create_experiment(name, artifact_location=place)
    moved = Workspace(inner.root.with_name("new"))
    shutil.move(inner.root, moved.root)
    assert follow_move(moved)
    client = client_of(moved)
    assert client.get_experiment_by_name("s3").artifact_location == "s3://bucket/.rlp/mlartifacts"
    assert client.get_experiment_by_name("own").artifact_location == "file:///srv/kept"


def test_a_killed_stage_of_a_moved_checkout_continues_its_run(
    inner: Workspace, params: Params
) -> None:
    with pytest.raises(KeyboardInterrupt), open_run("base", params, inner):
        raise KeyboardInterrupt
    moved = Workspace(inner.root.with_name("new"))
    shutil.move(inner.root, moved.root)
    with open_run("base", params, moved):
        pass
    assert only_run(moved).info.status == "FINISHED"


def test_nothing_to_follow_without_a_database(tmp_path: Path) -> None:
    assert not follow_move(Workspace(tmp_path))
