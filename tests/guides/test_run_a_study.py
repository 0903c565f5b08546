"""docs/guides/run-a-study.md, followed to the letter with a micro profile, killed on the way."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from rlp_core.arms import declared
from rlp_core.files import folder_sha256, sha256
from rlp_core.study.config import StudyFile
from tests.e2e import checkout
from tests.guides.follow import GUIDES, Follower

NAME = "base-rate"
TEXT = (GUIDES / "run-a-study.md").read_text(encoding="utf-8")

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]


def micro_profile(root: Path, name: str) -> None:
    params = checkout.micro_params()
    params["runtime"]["tracking"] = False
    text = yaml.safe_dump(params, sort_keys=False)
    (root / "profiles" / f"{name}.yaml").write_text(text, encoding="utf-8")


def written(folder: Path) -> list[str]:
    parts = [sha256(folder / name) for name in ("results.md", "results.json")]
    return [*parts, folder_sha256(folder / "figures")]


def kill_when(root: Path, line: str) -> list[str]:
    """Start the study and kill its process when it says a line; what it said until then."""
    command = [sys.executable, "-m", "rlp_core.cli", "study", "run", NAME]
    running = subprocess.Popen(
        command, cwd=root, env=checkout.environment(root, PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert running.stdout is not None
    said = []
    for told in running.stdout:
        said.append(told.strip())
        if said[-1] == line:
            break
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    return said


def bring(root: Path) -> None:
    """A small profile, and a run that was killed in its second workspace."""
    micro_profile(root, "tiny")
    study = TEXT.split("```yaml\n")[1].split("```")[0]
    path = root / "studies" / f"{NAME}.yaml"
    path.write_text(study, encoding="utf-8")
    said = kill_when(root, "half, seed 1: base")
    assert any(line.startswith("usual, seed 1: finished") for line in said)
    assert not (root / "studies" / NAME / "usual" / "seed-2" / "reports").exists()
    path.unlink()  # the guide writes it


def test_a_study_that_was_killed_goes_on_and_has_its_page(tmp_path: Path) -> None:
    followed = Follower("run-a-study.md", tmp_path / "copy", bring)
    said = followed.said[f"rlp study run {NAME}"].splitlines()
    first = [line for line in said if line.startswith("usual, seed 1: ")]
    assert all(line.endswith(("unchanged", "s")) for line in first)
    assert len(first) == 5
    assert "half, seed 1: validate, unchanged" in said
    assert "half, seed 2: validate, from the cache" in said
    assert "usual, seed 2: base" in said
    assert said[-2].startswith("finished: 4 of 4")

    folder = followed.root / "studies" / NAME
    before = written(folder)
    followed.process(sys.executable, "-m", "rlp_core.cli", "study", "report", NAME)
    assert written(folder) == before
    page = (folder / "results.md").read_text(encoding="utf-8")
    assert "base (half) − base (usual)" in page  # noqa: RUF001
    assert "means over 2 seeds (1, 2)" in page
    assert str(followed.root) not in page
    assert set(followed.changed()) == {f"studies/{NAME}.yaml"}

    replicates = followed.said[
        f"rlp compare studies/{NAME}/usual/seed-1 studies/{NAME}/usual/seed-2"
    ]
    assert "means over 2 seeds (1, 2)" in replicates
    assert "| base | all |" in replicates

    kept = next(part for part in TEXT.split("```sh\n")[1:] if "--into" in part).split("```")[0]
    rlp = f"{sys.executable} -m rlp_core.cli "
    followed.process("bash", "-ec", kept.replace("rlp study", f"{rlp}study"))
    for made in ("unpacked", f"kept/{NAME}"):
        assert written(followed.root / made) == before


def test_what_the_checkout_has_run_is_taken_from_its_cache(by_dvc: Path, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(by_dvc, root, symlinks=True)
    micro_profile(root, "micro")
    study = yaml.safe_load((root / "studies" / "tiny.yaml").read_text(encoding="utf-8"))
    study |= {"profile": "micro", "seeds": [1]}
    (root / "studies" / "again.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    said = checkout.run(root, "rlp_core.cli", "study", "run", "again").splitlines()
    ran = [line for line in said if line.startswith("paper, seed 1: ") and "finished" not in line]
    assert ran
    assert [line for line in ran if not line.endswith("from the cache")] == []
    checkout.run(root, "rlp_core.cli", "study", "report", "again")
    page = (root / "studies" / "again" / "results.md").read_text(encoding="utf-8")
    assert "there is no interval over seeds" in page
    assert all(f"| {arm} | paper |" in page for arm in declared().names)
    assert "| rlp | paper |" in page.split("## Compute")[1]
    assert "an empty thought" in page


def test_every_key_of_a_study_file_is_in_its_table() -> None:
    listed = {key for line in TEXT.splitlines() if line.startswith("| `")
              for key in line.split("|")[1].replace("`", "").strip().split(", ")}  # fmt: skip
    assert set(StudyFile.model_fields) <= listed
