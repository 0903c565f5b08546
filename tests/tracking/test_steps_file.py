"""Steps of a stage under way can be read from another process, with a store or without."""

from __future__ import annotations

import json
from pathlib import Path

from rlp_core.tracking import Tracker
from rlp_core.tracking.steps_file import StepsFile
from rlp_core.workspace import Workspace


def rows(path: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_file_is_begun_anew_and_tells_each_step_once(tmp_path: Path) -> None:
    path = tmp_path / "steps" / "rlp.jsonl"
    for _ in range(2):
        told = StepsFile(path)
        for step in (1, 2, 2, 1, 3):
            told.add({"gain": step / 2}, step)
            assert rows(path)[-1]["step"] >= step  # at once: nothing is held back
        told.close()
    assert rows(path) == [{"step": step, "gain": step / 2} for step in (1, 2, 3)]


def test_a_tracker_without_a_store_tells_steps_and_nothing_of_the_whole(tmp_path: Path) -> None:
    tracker = Tracker(None, None, Workspace(tmp_path), "rlp")
    tracker.metrics({"loss": 2.0}, 1)
    tracker.metrics({"final_loss": 2.0})
    assert rows(Workspace(tmp_path).steps("rlp")) == [{"step": 1, "loss": 2.0}]
    tracker.close("FINISHED")
