"""`python -m benchmarks.saves` on a small model; no time is asserted."""

import json

from click.testing import CliRunner

from benchmarks import saves
from rlp_core.training.checkpoint import State


def test_all_figures_are_told_and_nothing_is_left_on_the_disk(tmp_path):
    arguments = ["--model", "test", "--folder", str(tmp_path), "--saves", "2", "--threads", "1"]
    result = CliRunner().invoke(saves.main, arguments, catch_exceptions=False)
    found = json.loads(result.stdout.splitlines()[-1])
    assert {"seconds_foreground", "seconds_copy", "seconds_write", "seconds_alone"} <= set(found)
    assert list(tmp_path.iterdir()) == []


def test_what_is_saved_holds_policy_baseline_and_two_moments():
    state: State = saves._stepped(saves.TEST).state()
    policy = sum(t.numel() for name, t in state.tensors.items() if name.startswith("policy/"))
    assert sum(t.numel() for t in state.everything.values()) >= 4 * policy
