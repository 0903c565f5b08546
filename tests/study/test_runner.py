"""Seeds run side by side, the variants of a seed in turn; one that fails keeps no other back."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from rlp_core import process
from rlp_core.errors import TryAgainError
from rlp_core.files import write_json
from rlp_core.study import command, finished
from rlp_core.study.planned import StudyRun
from rlp_core.study.runner import RunEnd, Runner, only_once, run_all
from tests.study import files
from tests.study.test_planned import plan


class Executed:
    """Notes what ran, with which GPU, and how many of each seed at once."""

    def __init__(self, fails: str = "") -> None:
        self.fails = fails
        self.lock = threading.Lock()
        self.now: list[StudyRun] = []
        self.seen: list[tuple[str, str | None]] = []
        self.together = 0

    def __call__(self, run: StudyRun, gpu: str | None) -> RunEnd:
        with self.lock:
            assert run.seed not in [other.seed for other in self.now]
            self.now.append(run)
            self.seen.append((run.name, gpu))
            self.together = max(self.together, len(self.now))
        time.sleep(0.05)
        with self.lock:
            self.now.remove(run)
        return RunEnd(run, 70 if run.name == self.fails else 0, 0.0)


@pytest.fixture
def runs(tmp_path: Path) -> tuple[StudyRun, ...]:
    return plan(files.checkout(tmp_path, files.STUDY | {"seeds": [1, 2, 3]}))


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_every_run_runs_once_and_no_seed_twice_at_once(runs, jobs: int) -> None:
    executed = Executed()
    ends = list(run_all(runs, jobs, (), executed))
    assert sorted(end.run.name for end in ends) == sorted(run.name for run in runs)
    assert executed.together == jobs
    assert {gpu for _, gpu in executed.seen} == {None}


def test_several_gpus_are_given_in_turn_and_one_is_shared(runs) -> None:
    executed = Executed()
    list(run_all(runs, 3, ("4", "7"), executed))
    assert {gpu for _, gpu in executed.seen} == {"4", "7"}
    executed = Executed()
    list(run_all(runs, 3, ("4",), executed))
    assert {gpu for _, gpu in executed.seen} == {None}


def test_a_run_that_fails_keeps_no_other_back(runs) -> None:
    ends = list(run_all(runs, 2, (), Executed(fails="paper, seed 1")))
    assert [end.run.name for end in ends if end.code] == ["paper, seed 1"]
    assert len(ends) == len(runs)


def test_ctrl_c_starts_nothing_more(runs) -> None:
    executed = Executed()
    process.allow_start()
    found = run_all(runs, 1, (), executed)
    next(found)
    with pytest.raises(KeyboardInterrupt):
        found.throw(KeyboardInterrupt())
    assert len(executed.seen) < len(runs)
    process.allow_start()


def test_two_commands_do_not_run_one_study(tmp_path: Path) -> None:
    with only_once(tmp_path), pytest.raises(TryAgainError), only_once(tmp_path):
        pass


def test_a_run_is_finished_only_with_the_parameters_of_the_study(tmp_path: Path) -> None:
    root = files.checkout(tmp_path)
    run, other = plan(root)[:2]
    assert finished.state(run) == "absent"
    run.folder.mkdir(parents=True)
    assert finished.state(run) == "unfinished"
    finished.mark(run, ())
    assert finished.state(run) == "finished"
    moved = StudyRun(run.variant, run.seed, run.folder, other.tree, other.params, ())
    assert finished.state(moved) == "other parameters"


def test_a_parameter_that_is_new_since_then_had_its_default(tmp_path: Path) -> None:
    run = plan(files.checkout(tmp_path))[0]
    run.folder.mkdir(parents=True)
    finished.mark(run, ())
    path = run.folder / ".rlp" / "finished.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    evaluate = record["parameters"]["evaluate"]
    assert evaluate.pop("chat_template") is False
    write_json(path, record)
    assert finished.state(run) == "finished"
    for changed in ({"chat_template": True}, {"unknown": 1}):
        write_json(
            path, record | {"parameters": record["parameters"] | {"evaluate": evaluate | changed}}
        )
        assert finished.state(run) == "other parameters"
    write_json(path, record | {"parameters": "of an older form"})
    assert finished.state(run) == "other parameters"


def test_what_a_program_says_is_in_the_log_and_at_the_end(tmp_path: Path, monkeypatch) -> None:
    root = files.checkout(tmp_path)
    run, said = plan(root)[0], []
    process.allow_start()

    def stages(*given) -> int:
        *_, start, say, _others = given
        say("Running stage 'base':")
        return start(["sh", "-c", "echo $CUDA_VISIBLE_DEVICES; echo the reason; exit 5"])

    monkeypatch.setattr("rlp_core.study.runner.run_stages", stages)
    end = Runner((), None, said.append)(run, "7")
    assert (end.code, end.last[-2:]) == (5, ("7", "the reason"))
    assert said == ["paper, seed 1: base"]
    assert "the reason" in (run.folder / ".rlp" / "study.log").read_text(encoding="utf-8")
    assert finished.state(run) == "unfinished"


def test_what_is_missing_is_told_of_all_runs_before_any_work(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name in ("HF_HUB_CACHE", "HF_DATASETS_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / "nothing"))
    study = files.STUDY | {
        "overrides": {
            "base.architecture": None,
            "base.checkpoint": "somebody/model-that-is-not-here",
            "prepare.rlp": [{"kind": "files", "name": "x", "licence": "MIT", "pattern": "x.txt"}],
            "prepare.heldout": [
                {"kind": "hub", "name": "somebody/texts", "licence": "MIT", "revision": "a1"}
            ],
        }
    }
    root = files.checkout(tmp_path, study)
    with pytest.raises(Exception, match="things stand in the way") as caught:
        command.run(root, "trial", command.RunOptions(), [], [].append)
    said = str(caught.value)
    assert said.count("rlp model import somebody/model-that-is-not-here") == 1
    assert said.count("x.txt") == 1
    assert said.count("HF_DATASETS_OFFLINE=0 rlp study run") == 1
    assert not (root / "studies" / "trial").exists()
