"""docs/guides/sweep.md, followed to the letter with a micro profile, killed on the way."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from rlp_core.sweep.config import SweepFile, SweepPruner
from tests.e2e import checkout
from tests.guides.follow import GUIDES, Follower

NAME = "step-size"
TEXT = (GUIDES / "sweep.md").read_text(encoding="utf-8")
SWEEP = TEXT.split("```yaml\n")[1].split("```")[0]


def bring(root: Path) -> None:
    """A small profile, and a sweep that was killed in its second trial."""
    params = checkout.micro_params()
    params["runtime"]["tracking"] = False
    text = yaml.safe_dump(params, sort_keys=False)
    (root / "profiles" / "tiny.yaml").write_text(text, encoding="utf-8")
    path = root / "sweeps" / f"{NAME}.yaml"
    path.write_text(SWEEP, encoding="utf-8")
    running = subprocess.Popen(
        [sys.executable, "-m", "rlp_core.cli", "sweep", "run", NAME], cwd=root,
        env=checkout.environment(root, PYTHONUNBUFFERED="1"), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert running.stdout is not None
    said = []
    for line in running.stdout:
        said.append(line.strip())
        if line.startswith("trial-0001, seed 1: rlp"):
            break
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    assert any(line.startswith("trial-0000: final_information_gain") for line in said)
    path.unlink()  # the guide writes it


@pytest.mark.e2e
@pytest.mark.timeout(1800)
def test_a_sweep_that_was_killed_goes_on_and_its_trials_are_what_dvc_makes(tmp_path: Path) -> None:
    followed = Follower("sweep.md", tmp_path / "copy", bring)
    said = followed.said[f"rlp sweep run {NAME}"]
    assert "all trials share: prepare, validate, base, bootstrap" in said
    assert "1 were under way, and go on: trial-0001" in said
    assert "trial-0000, seed 1" not in said  # it had ended
    assert "of 2 trials: 2 finished, 0 died, 0 to go" in said
    page = (followed.root / "sweeps" / NAME / "results.md").read_text(encoding="utf-8")
    assert str(followed.root) not in page
    assert set(followed.changed()) == {f"sweeps/{NAME}.yaml"}

    report = followed.root / "reports" / "rlp"
    for number, rate in enumerate(yaml.safe_load(SWEEP)["space"]["rlp.optimizer.lr"]):
        setting = f"rlp.optimizer.lr={rate}"
        followed.process(sys.executable, "-m", "dvc", "exp", "run", "-S", setting, "rlp")
        trial = followed.root / "sweeps" / NAME / f"trial-{number:04d}" / "reports" / "rlp"
        for name in ("metrics.json", "steps.csv", "ledger.json"):
            assert (report / name).read_bytes() == (trial / name).read_bytes()
    followed.process(sys.executable, "-m", "rlp_core.stage", "rlp")  # really run, by hand
    assert (report / "metrics.json").read_bytes() == (trial / "metrics.json").read_bytes()


def test_every_key_of_a_sweep_file_is_told() -> None:
    listed = {key for line in TEXT.splitlines() if line.startswith("| `")
              for key in line.split("|")[1].replace("`", "").strip().split(", ")}  # fmt: skip
    assert set(SweepFile.model_fields) <= listed
    pruner = TEXT.split("```yml\n")[1].split("```")[0]
    told = yaml.safe_load(pruner)["pruner"]
    assert SweepPruner.model_validate(told)
    assert told.keys() == SweepPruner.model_fields.keys()
    assert set(re.findall(r"kind: (\w+)", TEXT)) >= {"grid", "random", "tpe", "float", "int"}
