"""Stage `bootstrap`: the seams behind thoughts are compared before anything is trained."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rlp_core.data import seam
from rlp_core.errors import DataError, MissingInputError
from rlp_core.files import read_jsonl, write_jsonl
from rlp_core.params import Params
from rlp_core.stages import base, bootstrap, prepare
from rlp_core.workspace import PARTS, Workspace
from tests.stages.admitted import admit
from tests.stages.test_training import context, params


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The default's data, but with a space before the answers of all documents."""
    workspace = Workspace(tmp_path_factory.mktemp("start"))
    prepare.run(context("prepare", workspace, params()))
    admit(workspace)
    for part in ("rlp", "heldout"):
        rows = list(read_jsonl(workspace.part(part)))
        for row in rows:
            ((begin, end),) = row["spans"]
            row["text"] = f"{row['text'][:begin]} {row['text'][begin:]}"
            row["spans"] = [[begin + 1, end + 1]]
        write_jsonl(workspace.part(part), rows)
    write_seams(workspace)
    base.run(context("base", workspace, params()))
    return workspace


def write_seams(workspace: Workspace) -> None:
    seam.write(workspace.seams, {name: read_jsonl(workspace.part(name)) for name in PARTS})


@pytest.fixture
def workspace(start: Workspace, tmp_path: Path) -> Workspace:
    return Workspace(Path(shutil.copytree(start.root, tmp_path / "copy")))


def run(workspace: Workspace, settings: Params) -> None:
    bootstrap.run(context("bootstrap", workspace, settings))


def move_the_space(workspace: Workspace, part: str) -> None:
    """Let demonstrations go on with a space, as the documents do, or think behind it."""
    rows = list(read_jsonl(workspace.part(part)))
    for row in rows:
        row["continuation"] = f" {row['continuation']}"
    write_jsonl(workspace.part(part), rows)


def test_a_space_on_the_other_side_of_the_thought_stops_it_before_it_trains(
    workspace: Workspace,
) -> None:
    for part in ("bootstrap", "finetune"):
        move_the_space(workspace, part)
    write_seams(workspace)
    with pytest.raises(DataError, match="begins with another token") as raised:
        run(workspace, params())
    for part in ("rlp", "heldout"):
        assert f"go on with ' 7' after a thought, marked answers of part {part} with '7'" in (
            raised.value.what
        )
    assert not workspace.model("bootstrap").exists()
    assert not workspace.report("bootstrap").exists()


def test_the_thought_behind_the_space_in_all_parts_is_right(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    run(workspace, params())
    assert workspace.model("bootstrap").is_dir()
    assert "warning: demonstrations" not in capsys.readouterr().out


def test_fillers_make_it_a_warning_and_what_is_not_learnt_teaches_nothing(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    move_the_space(workspace, "bootstrap")
    write_seams(workspace)
    filled = params(bootstrap__filler_share=0.5)
    run(workspace, filled)
    assert "warning: demonstrations of part bootstrap go on with ' 7'" in capsys.readouterr().out
    run(workspace, params(bootstrap__steps=0))
    assert "warning: demonstrations" not in capsys.readouterr().out


def test_without_seams_it_says_what_to_run(workspace: Workspace) -> None:
    workspace.seams.unlink()
    with pytest.raises(MissingInputError, match="seams of the data") as raised:
        run(workspace, params())
    assert "dvc repro validate" in raised.value.fix
