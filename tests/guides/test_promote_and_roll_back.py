"""docs/guides/promote-and-roll-back.md, followed to the letter after two promotions by DVC."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from rlp_core.checks import check
from rlp_core.params import load
from tests.e2e import checkout
from tests.guides.follow import GUIDES

TEXT = (GUIDES / "promote-and-roll-back.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^```bash\n(.*?)\n```$", TEXT, re.S | re.M)


def test_the_rules_of_the_guide_are_possible(tmp_path: Path) -> None:
    tree = yaml.safe_load((checkout.REPOSITORY / "profiles" / "tiny.yaml").read_text())
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.S | re.M)
    merge(tree, yaml.safe_load(block))
    checkout.write_params(tmp_path, tree)
    params = load(tmp_path / "params.yaml")
    check(params, checkout.REPOSITORY)
    assert len(params.promote.gate.no_regression) == len(params.promote.gate.limits) == 2


def merge(tree: dict[str, Any], given: dict[str, Any]) -> None:
    for key, value in given.items():
        if isinstance(value, dict):
            merge(tree.setdefault(key, {}), value)
        else:
            tree[key] = value


def promoted(root: Path, candidate: str) -> None:
    """A gate that nothing fails, and one candidate."""
    params = checkout.micro_params()
    params["promote"]["candidates"] = [candidate]
    params["promote"]["gate"] = {
        "min_pass_at_1": 0.0,
        "min_gain_over_base": -1.0,
        "min_information_gain": -1e6,
        "max_bias_increase": 1e6,
    }
    params["evaluate"] |= {"problems": 24, "heldout_documents": 24, "audit": {"enabled": False}}
    checkout.write_params(root, params)
    checkout.run(root, "dvc", "repro", "promote")


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_lineage_rollback_and_reproduction(by_dvc: Path, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(by_dvc, root, symlinks=True)
    for candidate in ("rlp", "cpt"):
        promoted(root, candidate)
    said = {line: checkout.run(root, "rlp_core.cli", *line.split()[1:]) for line in COMMANDS}
    lineage, rollback, reproduce = said.values()
    assert lineage.startswith("rlp-policy version 2 (champion): arm cpt, approved")
    for stage in ("prepare", "validate", "base", "bootstrap", "rlp", "cpt", "evaluate@cpt"):
        assert f"  {stage}: run " in lineage
    assert "lost" not in lineage
    assert "champion of rlp-policy is version 1 again" in rollback
    assert reproduce.startswith("rlp-policy version 1 (champion): arm rlp")
    assert reproduce.endswith("all is equal\n")
    again = tmp_path / "again"
    assert (again / "models" / "rlp" / "config.json").is_file()
    assert not (again / "models" / "cpt").exists()
    assert (again / "params.yaml").read_text() != (root / "params.yaml").read_text()

    (again / "models" / "rlp" / "config.json").unlink()
    (root / ".dvc" / "cache").rename(root / ".dvc" / "elsewhere")
    failed = checkout.ended(
        root,
        ["python", "-m", "rlp_core.cli", "reproduce", "rlp-policy@champion", "../again"],
        checkout.with_warm_stages(root),
    )
    assert failed.returncode == 1
    assert "output models/rlp is" in failed.stdout
    assert "no remote is configured" in failed.stdout

    command = ["reproduce", "rlp-policy@champion", "../anew", "--run"]
    anew = checkout.run(root, "rlp_core.cli", *command)
    assert anew.endswith("all is equal\n")
    assert (tmp_path / "anew" / "models" / "rlp" / "config.json").is_file()
