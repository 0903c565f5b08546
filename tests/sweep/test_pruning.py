"""A trial that is worse than others at the same step ends early, and only then."""

from __future__ import annotations

import csv
import json
import sys
import threading
from pathlib import Path

import pytest

from rlp_core import process
from rlp_core.errors import ConfigError
from rlp_core.sweep.config import SweepPruner
from rlp_core.sweep.pruning import Watch
from rlp_core.workspace import Workspace
from tests.sweep import files
from tests.sweep.files import Stages
from tests.sweep.test_command import records

PRUNER = SweepPruner(stage="rlp", column="gain", every=2)


class Told:
    """Stands for Optuna's trial: prunes below a value, and notes what was reported."""

    def __init__(self, below: float = -1e9) -> None:
        self.below, self.reports = below, {}

    def report(self, value: float, step: int) -> None:
        assert step not in self.reports
        self.reports[step] = value

    def should_prune(self) -> bool:
        return max(self.reports.values()) < self.below


def tell(root: Path, values: list[float], first: int = 1) -> None:
    """Write rows as a stage under way does."""
    path = Workspace(root).steps("rlp")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as out:
        for step, value in enumerate(values, start=first):
            out.write(json.dumps({"step": step, "gain": value}) + "\n")


def write_csv(root: Path, values: list[float]) -> None:
    path = root / "reports" / "rlp" / "steps.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["step", "gain"])
        writer.writerows(enumerate(values, start=1))


def test_means_of_windows_are_reported_however_the_rows_come(tmp_path: Path) -> None:
    values = [1.0, 3.0, float("nan"), 5.0, float("nan"), float("nan"), 7.0]
    whole, parts, cached = (Told() for _ in range(3))
    watch = Watch(whole, PRUNER, tmp_path / "a", "x")
    tell(tmp_path / "a", values)
    watch.look()
    watch = Watch(parts, PRUNER, tmp_path / "b", "x")
    for step, value in enumerate(values, start=1):
        watch.look()
        tell(tmp_path / "b", [value], step)
    watch.look()
    write_csv(tmp_path / "b", values)
    watch.finish()
    write_csv(tmp_path / "c", values)
    Watch(cached, PRUNER, tmp_path / "c", "x").finish()
    assert whole.reports == parts.reports == cached.reports == {2: 2.0, 4: 5.0}


def test_a_half_written_line_is_taken_when_it_is_whole(tmp_path: Path) -> None:
    told = Told()
    watch = Watch(told, PRUNER, tmp_path, "x")
    tell(tmp_path, [1.0])
    with Workspace(tmp_path).steps("rlp").open("a", encoding="utf-8") as out:
        out.write('{"step": 2, ')
        out.flush()
        watch.look()
        out.write('"gain": 3.0}\n')
    watch.look()
    assert told.reports == {2: 2.0}


def test_what_an_earlier_attempt_told_is_left_out(tmp_path: Path) -> None:
    tell(tmp_path, [9.0, 9.0])
    told = Told()
    watch = Watch(told, PRUNER, tmp_path, "x")
    watch.look()
    assert told.reports == {}


def test_a_column_that_is_not_told_is_a_fault_of_the_file(tmp_path: Path) -> None:
    watch = Watch(Told(), SweepPruner(stage="rlp", column="gian"), tmp_path, "the file")
    tell(tmp_path, [1.0])
    with pytest.raises(ConfigError, match="did you mean `gain`"):
        watch.look()


def test_the_process_of_a_pruned_trial_ends_and_none_begins(tmp_path: Path) -> None:
    process.allow_start()
    watch = Watch(Told(below=2.0), PRUNER, tmp_path, "x")
    codes: list[int] = []
    begun = threading.Event()

    def run() -> None:
        for _ in range(2):  # the second is ended as soon as it begins
            codes.append(
                process.run(
                    [sys.executable, "-c", "print(flush=True); import time; time.sleep(600)"],
                    cwd=tmp_path,
                    environment={},
                    on_line=lambda _: begun.set(),
                    time_limit=None,
                    started=watch.started,
                )
            )

    thread = threading.Thread(target=run)
    thread.start()
    begun.wait()
    assert not watch.look()
    tell(tmp_path, [1.0, 1.0, 5.0, 5.0])
    assert watch.look()
    thread.join()
    assert watch.pruned_at == 2
    assert len(codes) == 2
    assert 0 not in codes


def test_worse_trials_are_pruned_counted_and_stay_out_of_the_best(
    tmp_path: Path, monkeypatch
) -> None:
    rewards = [5.0, 4.0, 1.0, 6.0]

    def measured(run) -> dict[str, float]:
        value = 0.0 if run.variant == "shared" else rewards[int(run.variant[-1])]
        write_csv(run.folder, [value] * 4)
        return {"final_reward": value}

    pruner = {"stage": "rlp", "column": "gain", "every": 2, "startup_trials": 2}
    root = files.checkout(tmp_path, files.GRID | {"pruner": pruner})
    Stages(measured=measured).stand_in(monkeypatch)
    code, said = files.run(root)
    assert code == 0
    assert "trial-0002: pruned, by gain at step 2" in said
    assert "of 4 trials: 3 finished, 0 died, 1 pruned, 0 to go" in said
    states = [(of.state, of.value, dict(of.at_steps)) for of in records(root)]
    assert states[2] == ("pruned", None, {2: 1.0})
    assert states[3] == ("finished", 6.0, {2: 6.0, 4: 6.0})
