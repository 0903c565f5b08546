"""`rlp bench` on work small enough for a test; no time is asserted."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import bench, growth, rlp_step
from benchmarks.work import TEST
from rlp_core.errors import UsageError

ROOT = Path(__file__).resolve().parents[2]


def test_every_thought_has_its_length_and_the_phases_add_up():
    made = rlp_step.trainer(TEST)
    groups = made.groups(0)
    assert len(groups) == TEST.documents * TEST.positions
    assert {len(t) for group in groups for t in group.tokens} == {TEST.thought_tokens}
    timed = rlp_step.step(made, 1)
    assert timed.seconds == pytest.approx(sum(timed.phases.values()))
    assert {"decode", "baseline", "update", "optimizer"} <= set(timed.phases)
    assert timed.gflop["update"] > timed.gflop["decode"] > 0


def test_the_update_is_the_same_densely():
    found = rlp_step.update_against_dense(TEST, 1)
    assert found["gradient_difference"] < 1e-4
    assert max(found["logprob_difference"].values()) < 1e-5
    assert found["gradient_difference"] > 0  # it was computed another way


def test_memory_is_linear_in_the_tokens():
    kept = growth.update_memory(TEST, (8, 32, 128))
    per_token = [each["bytes_per_token"] for each in kept]
    assert max(per_token) < 1.1 * min(per_token)


def test_the_last_line_is_json_with_all_figures():
    said = []
    found = json.loads(bench.run("test", (), 1, 1, said.append))
    assert found["work"]["thought_tokens"] == TEST.thought_tokens
    assert set(found["rlp"]["mfu"]) == {"update", "decode", "step"}
    assert {"machine", "update_against_dense", "growth", "peers"} <= set(found)
    assert any("matrix peak" in line for line in said)


def test_unknown_work_is_refused():
    with pytest.raises(UsageError, match="no work is called 'big'"):
        bench.run("big", (), 1, 1, print)


def test_an_unknown_recipe_is_refused_where_there_is_no_trl():
    with pytest.raises(UsageError, match="no recipe is called 'fast'"):
        bench.run("test", ("fast",), 1, 1, print)


def test_a_line_is_said_before_anything_slow_is_loaded():
    script = (
        "import sys\n"
        "from benchmarks import bench\n"
        "from rlp_core.errors import UsageError\n"
        "def say(line): print('torch' in sys.modules, line)\n"
        "try: bench.run('big', (), 3, 1, say)\n"
        "except UsageError: print('torch' in sys.modules, 'end')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True
    )
    first, last = done.stdout.splitlines()
    assert first.startswith("False bench: ")
    assert last == "True end"
