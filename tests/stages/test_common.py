"""What the training stages share around their loop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rlp_core.stages import common
from rlp_core.training.checkpoint import Checkpoints, State
from rlp_core.workspace import Workspace
from tests.stages.test_training import context, params
from tests.training.test_loop import Counter


def one_step_done() -> State:
    return State.join(
        {
            "trainer": State(values={"sum": 100}),
            "log": State(values={"rows": [{"step": 1, "loss": 0.0}]}),
        }
    )


def test_training_keeps_checkpoints_in_its_scratch_and_drops_those_of_other_inputs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = Workspace(tmp_path)
    settings = params(runtime__checkpoint_seconds=0.0)
    mine, other = (workspace.scratch("bootstrap", name) for name in ("a" * 8, "b" * 8))
    for folder in (mine, other):
        Checkpoints(folder).save(1, one_step_done())
    other_stage = workspace.scratch("rlp", "b" * 8)
    other_stage.mkdir(parents=True)
    made = context("bootstrap", workspace, settings)
    counter = Counter()
    log = common.train(replace(made, scratch=mine), counter, 4)
    assert [row["step"] for row in log.rows] == [1, 2, 3, 4]
    assert counter.sum == 100 + 1 + 2 + 3  # step 0 is in the checkpoint, worth 100 there
    assert Checkpoints(mine).latest()[0] == 4
    assert not other.exists()
    assert other_stage.exists()
    said = capsys.readouterr().out
    assert "removed the checkpoints of 1 runs with other inputs" in said
    assert "goes on after step 1 of 4" in said


def test_without_scratch_nothing_is_kept(tmp_path: Path) -> None:
    made = context("bootstrap", Workspace(tmp_path), params())
    assert len(common.train(made, Counter(), 3).rows) == 3
    assert list(tmp_path.iterdir()) == []
