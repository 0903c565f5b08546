"""`rlp sweep run`: every trial once, whatever dies, whenever it is killed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rlp_core.errors import EXIT_INTERRUPTED, ConfigError, UnavailableError
from rlp_core.sweep import command
from rlp_core.sweep.trials import TrialRecord, open_trials
from tests.sweep import files
from tests.sweep.files import Stages


def records(root: Path) -> list[TrialRecord]:
    sweep = command.opened(root, files.NAME).sweep
    return open_trials(command.journal(root, files.NAME), sweep, [].append).records()


def ends(root: Path) -> list[tuple]:
    return [(of.number, of.state, dict(of.values), of.value) for of in records(root)]


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_grid_runs_every_combination_once_after_what_they_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int
) -> None:
    root, stages = files.checkout(tmp_path), Stages().stand_in(monkeypatch)
    code, said = files.run(root, jobs=jobs)
    assert code == 0
    assert stages.ran[0] == "shared"
    assert sorted(stages.ran[1:]) == [f"trial-000{n}" for n in range(4)]
    assert "all trials share: prepare, validate, base, bootstrap" in said
    assert "of 4 trials: 4 finished, 0 died, 0 to go" in said
    assert "best: trial-0001" in said
    code, said = files.run(root)
    assert len(stages.ran) == 5  # nothing is left to run, not even what is shared


def test_a_trial_that_dies_is_told_and_the_others_go_on(tmp_path: Path, monkeypatch) -> None:
    root = files.checkout(tmp_path)
    stages = Stages(dies=lambda run: 79 if run.variant == "trial-0001" else 0)
    stages.stand_in(monkeypatch)
    code, said = files.run(root)
    assert code == 0
    assert "trial-0001: died\n  exit code 79\n  error in stage rlp: collapsed" in said
    assert "of 4 trials: 3 finished, 1 died, 0 to go" in said
    assert str(root / "sweeps" / "rate" / "trial-0001" / ".rlp" / "study.log") in said
    files.run(root)
    assert stages.ran.count("trial-0001") == 1  # it died, and is not run again by itself
    stages.dies = lambda _: 0
    code, said = files.run(root, retry_failed=True)
    assert "1 died, and run again: trial-0001" in said
    assert "of 4 trials: 4 finished, 0 died" in said
    assert [of.attempts for of in records(root)] == [1, 2, 1, 1]


def test_where_every_trial_dies_the_command_fails(tmp_path: Path, monkeypatch) -> None:
    dies = Stages(dies=lambda run: 0 if run.variant == "shared" else 70)
    dies.stand_in(monkeypatch)
    assert files.run(files.checkout(tmp_path))[0] == 1


def test_what_all_share_must_not_die(tmp_path: Path, monkeypatch) -> None:
    root, stages = files.checkout(tmp_path), Stages(dies=lambda _: 65).stand_in(monkeypatch)
    with pytest.raises(UnavailableError, match="what all trials share failed, exit code 65"):
        files.run(root)
    assert stages.ran == ["shared"]


def test_a_metric_that_is_not_measured_ends_the_sweep(tmp_path: Path, monkeypatch) -> None:
    root, stages = files.checkout(tmp_path), Stages(measured=lambda _: {"final_rewards": 1.0})
    stages.stand_in(monkeypatch)
    with pytest.raises(ConfigError, match="did you mean `final_rewards`"):
        files.run(root)
    assert stages.ran == ["shared", "trial-0000"]
    files.write(root, files.GRID | {"metric": files.GRID["metric"] | {"name": "final_rewards"}})
    code, said = files.run(root)  # nothing was finished: the file may be corrected
    assert "the sweep begins anew" in said
    assert code == 0


def test_a_value_that_is_no_number_is_no_result(tmp_path: Path, monkeypatch) -> None:
    root = files.checkout(tmp_path)
    Stages(measured=lambda _: {"final_reward": None}).stand_in(monkeypatch)
    code, said = files.run(root)
    assert code == 1
    assert "final_reward is nan, which is no number" in said


def test_parameters_that_cannot_be_together_are_a_death(tmp_path: Path, monkeypatch) -> None:
    space = {
        "rlp.min_thought_tokens": {"kind": "int", "low": 0, "high": 20},
        "thought.max_tokens": {"kind": "int", "low": 8, "high": 24},
    }
    root = files.checkout(tmp_path, files.RANDOM | {"space": space, "trials": 12})
    Stages().stand_in(monkeypatch)
    _, said = files.run(root)
    impossible = [
        of.number
        for of in records(root)
        if of.values["rlp.min_thought_tokens"] >= of.values["thought.max_tokens"]
    ]
    assert impossible
    assert f"of 12 trials: {12 - len(impossible)} finished, {len(impossible)} died" in said
    assert "must be below" in said


@pytest.mark.parametrize("sweep", [files.GRID, files.RANDOM, files.TPE])
@pytest.mark.parametrize("dies_at", [1, 3])
def test_a_sweep_that_was_stopped_ends_as_one_that_was_not(
    tmp_path: Path, monkeypatch, sweep: dict, dies_at: int
) -> None:
    whole, cut = (files.checkout(tmp_path / name, sweep) for name in ("whole", "cut"))
    Stages().stand_in(monkeypatch)
    files.run(whole)
    stopped: list[str] = []

    def stop(runs) -> int:
        if runs.variant == f"trial-000{dies_at}" and not stopped:
            stopped.append(runs.variant)
            raise KeyboardInterrupt  # as Ctrl-C in the middle of a trial
        return 0

    Stages(dies=stop).stand_in(monkeypatch)
    code, said = files.run(cut)
    assert code == EXIT_INTERRUPTED
    assert "interrupted; the same command goes on: rlp sweep run rate" in said
    with command.journal(cut, files.NAME).open("a", encoding="utf-8") as half:
        half.write('{"op_code": 4, "wor')  # as a kill leaves it
    code, said = files.run(cut)
    assert code == 0
    assert f"1 were under way, and go on: trial-000{dies_at}" in said
    assert "19 bytes of a half-written line are left out" in said
    assert ends(cut) == ends(whole)


def test_random_trials_are_the_same_however_many_run_at_once(tmp_path: Path, monkeypatch) -> None:
    Stages().stand_in(monkeypatch)
    one, three = (files.checkout(tmp_path / name, files.RANDOM) for name in ("one", "three"))
    files.run(one, jobs=1)
    files.run(three, jobs=3)
    assert ends(one) == ends(three)
    assert len({json.dumps(of[2]) for of in ends(one)}) == 6


def test_the_estimator_learns_from_what_was_measured(tmp_path: Path, monkeypatch) -> None:
    Stages().stand_in(monkeypatch)
    roots = [files.checkout(tmp_path / str(n), files.TPE | {"trials": 16}) for n in range(2)]
    for root in roots:
        files.run(root)
    assert ends(roots[0]) == ends(roots[1])
    values = [of.value for of in records(roots[0])]
    assert max(values[3:]) > max(values[:3])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"overrides": {"rlp.steps": 7}}, "`overrides`"),
        ({"space": {"rlp.optimizer.lr": [0.1, 0.2]}}, "`space`"),
        ({"metric": files.GRID["metric"] | {"direction": "minimize"}}, "`metric`"),
    ],
)
def test_finished_trials_that_were_asked_for_otherwise_are_not_mixed(
    tmp_path: Path, monkeypatch, change: dict, told: str
) -> None:
    root = files.checkout(tmp_path)
    Stages().stand_in(monkeypatch)
    files.run(root)
    files.write(root, files.GRID | change)
    with pytest.raises(ConfigError, match="4 trials are finished, and were asked for") as caught:
        files.run(root)
    assert told in str(caught.value)
    files.write(root, files.GRID | {"title": "Another", "jobs": 2})
    assert files.run(root)[0] == 0


def test_a_profile_that_changed_is_another_sweep(tmp_path: Path, monkeypatch) -> None:
    root = files.checkout(tmp_path)
    Stages().stand_in(monkeypatch)
    files.run(root)
    profile = root / "profiles" / "tiny.yaml"
    profile.write_text(profile.read_text().replace("log_every: 10", "log_every: 5"))
    assert files.run(root)[0] == 0  # decides nothing
    profile.write_text(profile.read_text().replace("seed: 1", "seed: 2"))
    with pytest.raises(ConfigError, match="profile tiny"):
        files.run(root)


def test_more_trials_of_a_sweep_may_be_asked_for(tmp_path: Path, monkeypatch) -> None:
    root, stages = files.checkout(tmp_path, files.RANDOM), Stages().stand_in(monkeypatch)
    files.run(root)
    files.write(root, files.RANDOM | {"trials": 8})
    _, said = files.run(root)
    assert "of 8 trials: 8 finished" in said
    assert len(stages.ran) == 2 + 8
